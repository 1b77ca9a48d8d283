// Cold storage: tiers outside the machines, what lies there and whether it was read back; and pins,
// which say for a folder where it is to be.
import { useState } from 'preact/hooks'
import { all, call } from '../client.ts'
import { bytes, shown } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Action } from '../parts/action.tsx'
import { Card } from '../parts/card.tsx'
import { Choice, Form, Text } from '../parts/form.tsx'
import { tell, tellFailure } from '../parts/notices.tsx'
import { TierLine } from '../parts/tier-line.tsx'
import { Work } from '../parts/work.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { PageProps } from '../pages.ts'
import type { VerifyEvent } from '../../node/control/cold.ts'

const KINDS = ['local', 'class', 'cold'] as const
type Kind = (typeof KINDS)[number]

export function Cold({ seen: { status } }: PageProps): JSX.Element {
  const readable = status.volumes.filter(({ role }) => role !== 'keeper')
  return (
    <>
      <h1>{TEXT.nav.cold}</h1>
      {readable.length === 0 && <p>{TEXT.redundancy.none}</p>}
      <div class="cards">
        {readable.map(({ id, name, role }) => (
          <Tiers key={id} volume={name} isAdmin={role === 'admin'} />
        ))}
        {readable.map(({ id, name }) => (
          <Pins key={id} volume={name} />
        ))}
      </div>
    </>
  )
}

function Tiers({
  volume,
  isAdmin,
}: {
  readonly volume: string
  readonly isAdmin: boolean
}): JSX.Element {
  const words = TEXT.cold
  const { value, error, reload } = useLoaded(() => call('listTiers', { volume }), [volume])
  return (
    <Card title={words.of(shown(volume))}>
      {error !== undefined && <p class="bad">{error.message}</p>}
      {value?.length === 0 && <p>{words.none}</p>}
      <ul class="list tall">
        {value?.map((tier) => (
          <li key={tier.name}>
            <TierLine tier={tier} />
            {!tier.isAgreed && (
              <p>
                {words.notAgreed}{' '}
                <Action
                  label={`${words.agree}: ${shown(tier.name)}`}
                  run={async () => {
                    const { name, url, endpoint, region, storageClass } = tier
                    const place = { name, url, endpoint, region, storageClass }
                    await call('trustTier', { ...place, volume })
                    reload()
                  }}
                >
                  {words.agree}
                </Action>
              </p>
            )}
            {tier.isAgreed && (
              <Work
                name="verifyCold"
                fields={{ volume, tier: tier.name }}
                button={words.verify}
                label={`${words.verify}: ${shown(tier.name)}`}
                lineOf={verifyLine}
                onEnd={reload}
              />
            )}
            {isAdmin && (
              <Action
                kind="danger"
                label={`${words.remove}: ${shown(tier.name)}`}
                run={async () => {
                  await call('removeTier', { name: tier.name, volume })
                  reload()
                }}
              >
                {words.remove}
              </Action>
            )}
          </li>
        ))}
      </ul>
      {value !== undefined && value.length > 0 && <MoveNow volume={volume} onMoved={reload} />}
      {isAdmin && <AddTier volume={volume} onAdded={reload} />}
    </Card>
  )
}

function verifyLine(event: VerifyEvent): string | undefined {
  if (event.kind === 'problem') return shown(event.what)
  return event.kind === 'tier' ? TEXT.cold.wasRead(event.packs, bytes(event.readBytes)) : undefined
}

/** Puts a folder into cold storage, or brings it back, whatever is due. */
function MoveNow({
  volume,
  onMoved,
}: {
  readonly volume: string
  readonly onMoved: () => void
}): JSX.Element {
  const words = TEXT.cold
  const [path, setPath] = useState('/')
  const fields = { path: `${volume}:${path}` }
  return (
    <details>
      <summary>{words.moveNow}</summary>
      <div class="form">
        <Text label={words.path} value={path} onValue={setPath} />
        <Work name="pushCold" fields={fields} button={words.push} onEnd={onMoved} />
        <Work name="recallCold" fields={fields} button={words.recall} onEnd={onMoved} />
      </div>
    </details>
  )
}

function AddTier({
  volume,
  onAdded,
}: {
  readonly volume: string
  readonly onAdded: () => void
}): JSX.Element {
  const words = TEXT.cold
  const [name, setName] = useState('')
  const [url, setUrl] = useState('')
  const [endpoint, setEndpoint] = useState('')
  const add = (): void => {
    const place = { name, url, ...(endpoint !== '' && { endpoint }) }
    void call('addTier', { ...place, volume }).then(() => {
      tell(words.added(shown(name)))
      setName('')
      onAdded()
    }, tellFailure)
  }
  return (
    <details>
      <summary>{words.add}</summary>
      <Form onSubmit={add}>
        <Text label={words.name} value={name} onValue={setName} required placeholder="glacier" />
        <Text label={words.url} value={url} onValue={setUrl} required hint={words.urlHint} />
        <Text label={words.endpoint} value={endpoint} onValue={setEndpoint} hint={words.keyHint} />
        <button type="submit" class="main">
          {words.addButton}
        </button>
      </Form>
    </details>
  )
}

function Pins({ volume }: { readonly volume: string }): JSX.Element {
  const words = TEXT.pins
  const { value, error, reload } = useLoaded(() => all('listPins', { volume }), [volume])
  return (
    <Card title={words.of(shown(volume))}>
      <p>{words.explain}</p>
      {error !== undefined && <p class="bad">{error.message}</p>}
      <ul class="list">
        {value?.map((pin) =>
          pin.kind === 'counted' ? null : (
            <li key={`${pin.path} ${pin.kind}`}>
              <span>
                <strong>{shown(pin.path)}</strong> {pinText(pin)}{' '}
                <span class="quiet">
                  {words.done(bytes(pin.actualBytes), bytes(pin.wantedBytes))}
                </span>
              </span>
              <Action
                label={`${words.remove}: ${shown(pin.path)}`}
                run={async () => {
                  await call('removePin', { path: pin.path })
                  reload()
                }}
              >
                {words.remove}
              </Action>
            </li>
          ),
        )}
      </ul>
      <AddPin volume={volume} onAdded={reload} />
    </Card>
  )
}

function pinText(
  pin:
    | { readonly kind: 'local' }
    | { readonly kind: 'class'; readonly class: string }
    | { readonly kind: 'cold'; readonly tier: string },
): string {
  const words = TEXT.pins.is
  if (pin.kind === 'class') return words.class(pin.class)
  return pin.kind === 'cold' ? words.cold(shown(pin.tier)) : words.local
}

function AddPin({
  volume,
  onAdded,
}: {
  readonly volume: string
  readonly onAdded: () => void
}): JSX.Element {
  const words = TEXT.pins
  const [path, setPath] = useState('/')
  const [kind, setKind] = useState<Kind>('local')
  const [to, setTo] = useState('')
  const at = `${volume}:${path}`
  const add = (): void => {
    const adding =
      kind === 'local'
        ? all('addLocalPin', { path: at })
        : kind === 'class'
          ? call('addPin', { path: at, class: to })
          : call('addColdPin', { path: at, tier: to })
    void adding.then(onAdded, tellFailure)
  }
  return (
    <details>
      <summary>{words.add}</summary>
      <Form onSubmit={add}>
        <Text label={words.path} value={path} onValue={setPath} required />
        <Choice
          label={words.kind}
          value={kind}
          onValue={(value) => setKind(KINDS.find((one) => one === value) ?? 'local')}
          options={KINDS.map((one) => ({ value: one, text: words.kinds[one] }))}
        />
        {kind !== 'local' && <Text label={words.to[kind]} value={to} onValue={setTo} required />}
        <button type="submit" class="main">
          {words.addButton}
        </button>
      </Form>
    </details>
  )
}
