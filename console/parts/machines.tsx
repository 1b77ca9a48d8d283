// The machines by zone: when each was heard, how full it is, how it is linked to this one, and what
// its loss would mean.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { useLoaded } from '../live.ts'
import { rate, shown } from '../format.ts'
import { Fill } from './bar.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Shown } from '../live.ts'
import type { LossOfPeer } from '../../node/control/peers.ts'
import type { Wire } from '../wire.ts'

/** Beyond that, last contact is told. */
const JUST_NOW_MS = 30_000
const SHOWN_MAX = 200

interface Machine {
  readonly id: string
  readonly name: string
  readonly zone: string | undefined
  readonly isSelf: boolean
  readonly state: 'online' | 'late' | 'gone'
  readonly contact: string
  readonly used: number | undefined
  readonly capacity: number | undefined
  readonly link: string
}

export function Machines({ status, traffic }: Pick<Shown, 'status' | 'traffic'>): JSX.Element {
  const [chosen, setChosen] = useState<string>()
  const words = TEXT.machines
  const machines = machinesOf(status, traffic).slice(0, SHOWN_MAX)
  const zones = [...Map.groupBy(machines, ({ zone }) => zone)].toSorted(([a = ''], [b = '']) =>
    a < b ? -1 : 1,
  )
  const isZoned = machines.some(({ zone }) => zone !== undefined)
  return (
    <div class="scroll" role="region" aria-label={words.title} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {[words.name, words.state, words.contact, words.fill, words.link].map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        {zones.map(([zone, inside]) => (
          <tbody key={zone ?? ''}>
            {isZoned && (
              <tr class="group">
                <th scope="rowgroup" colSpan={5}>
                  {zone === undefined ? words.noZone : words.zone(shown(zone))}
                </th>
              </tr>
            )}
            {inside.map((machine) => (
              <Row
                key={machine.id}
                machine={machine}
                isOpen={chosen === machine.id}
                onChoose={() => setChosen(chosen === machine.id ? undefined : machine.id)}
              />
            ))}
          </tbody>
        ))}
      </table>
    </div>
  )
}

function Row({
  machine,
  isOpen,
  onChoose,
}: {
  readonly machine: Machine
  readonly isOpen: boolean
  readonly onChoose: () => void
}): JSX.Element {
  const words = TEXT.machines
  const { id, name, isSelf, state, contact, used, capacity, link } = machine
  return (
    <>
      <tr>
        <th scope="row">
          <button type="button" class="link" aria-expanded={isOpen} onClick={onChoose}>
            {shown(name)}
          </button>
          {isSelf && <span class="quiet"> ({words.self})</span>}
        </th>
        <td data-label={words.state}>
          <span class={`tag ${state}`}>{words.states[state]}</span>
        </td>
        <td data-label={words.contact}>{contact}</td>
        <td data-label={words.fill}>
          {used === undefined || capacity === undefined ? (
            words.unknown
          ) : (
            <>
              <Fill used={used} whole={capacity} />
              <span class="small">{words.used(used, capacity)}</span>
            </>
          )}
        </td>
        <td data-label={words.link}>{link}</td>
      </tr>
      {isOpen && (
        <tr>
          <td colSpan={5} class="whole">
            <Loss id={id} name={shown(name)} />
          </td>
        </tr>
      )}
    </>
  )
}

/** Says what the loss of a machine would mean. */
function Loss({ id, name }: { readonly id: string; readonly name: string }): JSX.Element {
  const { value, error } = useLoaded(() => call('peerLoss', { peer: id }), [id])
  const words = TEXT.machines
  const lines = value?.flatMap(linesOf)
  return (
    <div class="detail" role="status">
      <p>
        <strong>{words.ifDies(name)}</strong>
      </p>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {lines?.map((line) => (
        <p key={line}>{line}</p>
      ))}
      {lines?.length === 0 && <p>{words.noVolumes}</p>}
    </div>
  )
}

function linesOf(loss: Wire<LossOfPeer>): readonly string[] {
  const words = TEXT.machines
  const volume = shown(loss.volume)
  const { stripes, tolerates, repairBytes, unplacedBytes = 0, isOnlyCopy } = loss
  if (isOnlyCopy) return [words.onlyCopy(volume)]
  return [
    stripes.lost > 0 ? words.loses(volume, stripes.lost) : words.stays(volume, tolerates),
    ...(repairBytes > 0 && stripes.lost === 0 ? [words.rebuild(repairBytes)] : []),
    ...(unplacedBytes > 0 ? [words.writtenHere(unplacedBytes)] : []),
  ]
}

function machinesOf({ node, peers }: Shown['status'], traffic: Shown['traffic']): Machine[] {
  const words = TEXT.machines
  const rates = new Map<string, Shown['traffic']['peers'][number]>(
    traffic.peers.map((one) => [one.id, one]),
  )
  const self: Machine = {
    id: node.id,
    name: node.name,
    zone: node.zone || undefined,
    isSelf: true,
    state: 'online',
    contact: words.now,
    used: node.capacityBytes - node.freeBytes,
    capacity: node.capacityBytes,
    link: '',
  }
  const others = peers.map((peer): Machine => {
    const { id, name, zone, state, lastSeenMs, capacityBytes, freeBytes } = peer
    const silentMs = lastSeenMs === undefined ? undefined : Date.now() - lastSeenMs
    const heard = silentMs === undefined ? words.never : words.ago(silentMs)
    const isNow = state === 'online' && silentMs !== undefined && silentMs < JUST_NOW_MS
    const contact = isNow ? words.now : heard
    const goneIn = peer.goneInMs === undefined ? '' : `, ${words.goneIn(peer.goneInMs)}`
    const known = capacityBytes !== undefined && freeBytes !== undefined
    return {
      id,
      name,
      zone: zone || undefined,
      isSelf: false,
      state,
      contact: contact + goneIn,
      used: known ? Math.max(0, capacityBytes - freeBytes) : undefined,
      capacity: capacityBytes,
      link: linkOf(peer, rates.get(id)),
    }
  })
  return [self, ...others.toSorted((a, b) => (a.name < b.name ? -1 : 1))]
}

function linkOf(
  { isConnected, roundTripMs }: Shown['status']['peers'][number],
  rates: Shown['traffic']['peers'][number] | undefined,
): string {
  const words = TEXT.machines
  if (!isConnected) return words.notConnected
  const { inPerSecond = 0, outPerSecond = 0 } = rates ?? {}
  return [
    ...(roundTripMs === undefined ? [] : [words.trip(roundTripMs)]),
    words.up(rate(outPerSecond)),
    words.down(rate(inPerSecond)),
  ].join(', ')
}
