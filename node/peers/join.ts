// Joining by ticket (/shoal/join/1): on one side the tickets this node has given out, on the other the asking.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import {
  formatTicket,
  TICKET_SECRET_BYTES,
  ticketSecretHash,
} from '../../protocol/membership/ticket.ts'
import type { Ticket } from '../../protocol/membership/ticket.ts'
import { volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import {
  JOIN_PROTOCOL,
  decodeJoinReply,
  decodeJoinRequest,
  encodeJoinReply,
  encodeJoinRequest,
} from '../../protocol/wire/join.ts'
import type { JoinReply, JoinRequest } from '../../protocol/wire/join.ts'
import type { RecordSecurity } from '../observe/security.ts'
import type { Channel, World } from '../world/world.ts'
import { stateOf, ticketIdOf } from './tickets.ts'
import type { Tickets } from './tickets.ts'

const JOIN_MS: number = 30 * SECOND_MS

/** Why a ticket that is not open lets nobody in. */
const REFUSED = {
  revoked: ['ticket-revoked', 'this ticket was taken back'],
  expired: ['ticket-expired', 'this ticket has expired'],
  used: ['ticket-used', 'this ticket was used as often as it may be'],
} as const

export interface JoinComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly tickets: Tickets
  readonly record: RecordSecurity
  /** Log the grant and answer with what the joiner needs. throws 'EPERM', 'no-such-volume'. */
  readonly admit: (
    volume: VolumeId,
    peer: PeerId,
    role: Role,
  ) => Promise<Extract<JoinReply, { kind: 'admitted' }>>
  readonly isMember: (volume: VolumeId, peer: PeerId, role: Role) => boolean
}

export class Joining {
  readonly #c: JoinComponents
  /** Redemptions run one after the other: a ticket for one use serves one of two that come at once. */
  #redeeming: Promise<unknown> = Promise.resolve()

  constructor(components: JoinComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    await this.#c.tickets.load()
    await this.#c.world.network.handle(JOIN_PROTOCOL, (channel) => this.#serve(channel))
  }

  /** True while a ticket may still be shown by somebody unknown. */
  isOpen(): boolean {
    return this.#c.tickets.isOpen()
  }

  /** Make a ticket and remember its secret's hash, durably. returns its text, and how people name it. */
  async invite(
    volume: VolumeId,
    role: Role,
    uses: number,
    expires: WallTime,
  ): Promise<{ readonly ticket: string; readonly id: string }> {
    const { tickets, record, world } = this.#c
    const { network, random } = world
    const secret = random.bytes(TICKET_SECRET_BYTES)
    const ticket: Ticket = { volume, role, uses, expires, secret, addresses: network.addresses() }
    const hash = ticketSecretHash(secret)
    const id = ticketIdOf(hash)
    await tickets.add({ hash, volume, role, expires, uses })
    const until = new Date(expires).toISOString()
    const message = `ticket ${id}: ${uses} may join as ${role} until ${until}`
    record({ kind: 'ticket-made', volume, message })
    return { ticket: formatTicket(ticket), id }
  }

  /**
   * Show a ticket to the members it names, one after the other. Who is in by it already is answered the same again.
   * throws what the member answered ('ticket-unknown', 'ticket-expired', 'ticket-used'), 'unreachable', or 'timeout'.
   */
  async ask(
    ticket: Ticket,
    signal?: AbortSignal,
  ): Promise<{ reply: Extract<JoinReply, { kind: 'admitted' }>; from: PeerId }> {
    const { clock } = this.#c.world
    if (ticket.expires <= clock.wall()) {
      throw new ShoalError(
        'ticket-expired',
        `this ticket expired at ${new Date(ticket.expires).toISOString()}; ask for a new one with shoal invite`,
      )
    }
    try {
      return await this.#show(ticket, clock.timeout(JOIN_MS, signal))
    } catch (error) {
      if (!hasCode(error, 'timeout')) throw error
      const who = ticket.addresses.join(', ')
      const message = `no answer from ${who} within ${JOIN_MS / SECOND_MS} s; try the same ticket again`
      throw new ShoalError('timeout', message, { cause: error })
    }
  }

  async #show(
    ticket: Ticket,
    deadline: AbortSignal,
  ): Promise<{ reply: Extract<JoinReply, { kind: 'admitted' }>; from: PeerId }> {
    const { network } = this.#c.world
    const peer = await network.dial(ticket.addresses, { signal: deadline })
    const channel = await network.open(peer, JOIN_PROTOCOL, { signal: deadline })
    try {
      await channel.send([encodeJoinRequest({ volume: ticket.volume, secret: ticket.secret })], {
        signal: deadline,
      })
      const frame = await channel.receive({ signal: deadline })
      if (frame === undefined)
        throw new ShoalError('unreachable', `${peer} hung up instead of answering; try again`)
      const reply = decodeJoinReply(frame)
      if (reply.kind === 'refused') throw new ShoalError(reply.code, reply.message)
      if (volumeIdOf(reply.genesis) !== ticket.volume)
        throw new ShoalError('malformed', `${peer} answered with another volume than the ticket's`)
      await network.learn(
        peer,
        ticket.addresses.filter((address) => address.endsWith(peer)),
      )
      return { reply, from: peer }
    } finally {
      await channel.close().catch(() => undefined)
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const signal = this.#c.world.clock.timeout(JOIN_MS)
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    let reply: JoinReply
    try {
      const request = decodeJoinRequest(frame)
      const redeemed = this.#redeeming.then(() => this.#redeem(request, channel.peer))
      this.#redeeming = redeemed.catch(() => undefined)
      reply = await redeemed
    } catch (error) {
      const { code, message } = asShoalError(error)
      reply = { kind: 'refused', code, message }
      this.#c.record({ kind: 'join-refused', peer: channel.peer, message: `answered: ${message}` })
    }
    await channel.send([encodeJoinReply(reply)], { signal })
    await channel.close()
  }

  async #redeem(request: JoinRequest, peer: PeerId): Promise<JoinReply> {
    const { tickets, isMember, admit, record, world } = this.#c
    const given = tickets.get(ticketSecretHash(request.secret))
    if (given === undefined || given.volume !== request.volume) {
      throw new ShoalError(
        'ticket-unknown',
        'the node you asked did not give out this ticket; ask for a new one with shoal invite',
      )
    }
    const { hash, volume, role } = given
    // One whose answer was lost asks again.
    if (isMember(volume, peer, role)) return admit(volume, peer, role)
    const state = stateOf(given, world.clock.wall())
    if (enforces('ticket-open') && state !== 'open') {
      const [code, what] = REFUSED[state]
      throw new ShoalError(code, `${what}; ask for a new one with shoal invite`)
    }
    await tickets.use(hash, peer)
    const message = `ticket ${ticketIdOf(hash)}: ${peer} joins as ${role}`
    record({ kind: 'ticket-used', volume, peer, message })
    return admit(volume, peer, role)
  }
}
