// Invites another machine: a ticket to copy, or to point a camera at; and takes tickets back.
import { useState } from 'preact/hooks'
import { call } from '../client.ts'
import { shown, time } from '../format.ts'
import { useLoaded } from '../live.ts'
import { Action } from './action.tsx'
import { Card } from './card.tsx'
import { Choice, Form, Text } from './form.tsx'
import { QrCode } from './qr-code.tsx'
import { tell, tellFailure } from './notices.tsx'
import { TEXT } from '../texts.ts'
import type { JSX } from 'preact'
import type { Answer } from '../wire.ts'
import type { NodeApi } from '../../node/control/api.ts'

const HOUR_MS = 3_600_000
const ROLES = ['writer', 'reader', 'keeper', 'appender', 'admin'] as const
const LASTING_HOURS = [1, 24, 168] as const

type Invitation = Answer<NodeApi['invite']>

export function Invite({ volumes }: { readonly volumes: readonly string[] }): JSX.Element {
  const words = TEXT.invite
  const [volume, setVolume] = useState(volumes[0] ?? 'main')
  const [role, setRole] = useState<(typeof ROLES)[number]>('writer')
  const [uses, setUses] = useState('1')
  const [hours, setHours] = useState('24')
  const [made, setMade] = useState<Invitation>()
  const { value: tickets, reload } = useLoaded(() => call('listTickets'), [])
  const invite = (): void =>
    void call('invite', {
      ...(volumes.length > 0 && { volume }),
      role,
      uses: Number(uses),
      expiresInMs: Number(hours) * HOUR_MS,
    }).then((invitation) => {
      setMade(invitation)
      reload()
    }, tellFailure)
  const revoke = async (id: string): Promise<void> => {
    await call('revokeTickets', { id })
    if (made?.id === id) setMade(undefined)
    reload()
  }
  return (
    <Card title={words.title}>
      <p>{words.explain}</p>
      <Form onSubmit={invite}>
        {volumes.length > 1 && (
          <Choice
            label={TEXT.files.volume}
            value={volume}
            onValue={setVolume}
            options={volumes.map((name) => ({ value: name, text: shown(name) }))}
          />
        )}
        <Choice
          label={words.role}
          value={role}
          onValue={(value) => setRole(ROLES.find((one) => one === value) ?? 'writer')}
          hint={words.roles[role]}
          options={ROLES.map((one) => ({ value: one, text: one }))}
        />
        <Text label={words.uses} isNumber value={uses} onValue={setUses} required />
        <Choice
          label={words.lasts}
          value={hours}
          onValue={setHours}
          options={LASTING_HOURS.map((one) => ({ value: String(one), text: words.hours(one) }))}
        />
        <button type="submit" class="main">
          {words.button}
        </button>
      </Form>
      {made !== undefined && <Made invitation={made} />}
      <Open tickets={tickets ?? []} onRevoke={revoke} />
    </Card>
  )
}

/** The tickets by which somebody may still join. */
function Open({
  tickets,
  onRevoke,
}: {
  readonly tickets: Answer<NodeApi['listTickets']>
  readonly onRevoke: (id: string) => Promise<void>
}): JSX.Element | null {
  const words = TEXT.invite
  const open = tickets.filter(({ state }) => state === 'open')
  if (open.length === 0) return null
  return (
    <>
      <h3>{words.open}</h3>
      <ul class="list">
        {open.map(({ id, volume, role, usesLeft, expiresMs }) => (
          <li key={id}>
            <span>
              <code>{id}</code> {words.ticket(shown(volume), role, usesLeft, time(expiresMs))}
            </span>
            <Action run={() => onRevoke(id)} label={words.revokeLabel(id)}>
              {words.revoke}
            </Action>
          </li>
        ))}
      </ul>
    </>
  )
}

/** The ticket: as text first, for whoever can copy; as a picture last. */
function Made({ invitation }: { readonly invitation: Invitation }): JSX.Element {
  const words = TEXT.invite
  const { ticket, expiresMs } = invitation
  return (
    <div class="detail">
      <p>{words.made(time(expiresMs))}</p>
      <label class="field">
        {words.text}
        <textarea
          readOnly
          rows={4}
          value={ticket}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
      </label>
      <p class="row">
        <Action
          run={async () => {
            await navigator.clipboard.writeText(ticket)
            tell(words.copied)
          }}
        >
          {words.copy}
        </Action>
      </p>
      <p>{words.how}</p>
      <QrCode text={ticket} label={words.code} />
    </div>
  )
}

/** Becomes a member of a volume of another machine. */
export function Join(): JSX.Element {
  const words = TEXT.join
  const [ticket, setTicket] = useState('')
  const [isJoining, setJoining] = useState(false)
  const join = (): void => {
    setJoining(true)
    void call('join', { ticket: ticket.trim() })
      .then(({ name }) => {
        setTicket('')
        tell(words.joined(shown(name)))
      }, tellFailure)
      .finally(() => setJoining(false))
  }
  return (
    <Card title={words.title}>
      <p>{words.explain}</p>
      <Form onSubmit={join}>
        <Text label={words.ticket} value={ticket} onValue={setTicket} required />
        <button type="submit" class="main" disabled={isJoining}>
          {isJoining ? words.joining : words.button}
        </button>
      </Form>
    </Card>
  )
}
