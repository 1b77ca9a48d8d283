// Joining by ticket (/shoal/join/1): on one side the tickets this node has given out, on the other
// the asking. It is the only protocol that who is no member reaches; wrong secrets are answered
// slowly, and end the connection.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import {
  formatTicket,
  TICKET_SECRET_BYTES,
  ticketSecretHash,
} from '../../protocol/membership/ticket.ts'
import type { Ticket } from '../../protocol/membership/ticket.ts'
import { volumeIdOf } from '../../protocol/membership/genesis.ts'
import type { Role } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant, WallTime } from '../../protocol/units.ts'
import {
  JOIN_PROTOCOL,
  JOIN_REPLY_MAX,
  JOIN_REQUEST_MAX,
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
import { SerialQueue } from '../jobs/serial-queue.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

const JOIN_MS: number = 30 * SECOND_MS
/** A secret that is of no ticket is answered after so long. */
const WRONG_MS: number = SECOND_MS
/** A removed peer that was told so is not told again for this long. */
const TOLD_MS: number = 10 * MINUTE_MS
const TOLD_MAX = 1024

/** Why a ticket that is not open lets nobody in. */
const REFUSED = {
  revoked: ['ticket-revoked', 'this ticket was revoked'],
  expired: ['ticket-expired', 'this ticket has expired'],
  used: ['ticket-used', 'this ticket is used up'],
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
  readonly wasRemoved: (volume: VolumeId, peer: PeerId) => boolean
}

export class Joining {
  readonly #c: JoinComponents
  /**
   * Redemptions run one after the other: a ticket for one use serves one of two that come at once.
   */
  readonly #redeeming = new SerialQueue()
  /** Peers that asked whether they were removed, and were, with when they were told last. */
  readonly #told = new Map<PeerId, Instant>()

  constructor(components: JoinComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    await this.#c.tickets.load()
    const { network } = this.#c.world
    const serve = (channel: Channel): Promise<void> => this.#serve(channel)
    const options = { forStrangers: true, frameMax: JOIN_REQUEST_MAX }
    await network.handle(JOIN_PROTOCOL, serve, options)
  }

  /** May somebody unknown still get in by a ticket? */
  isOpen(): boolean {
    return this.#c.tickets.isOpen()
  }

  /** Was a peer told lately that it was removed? */
  wasTold(peer: PeerId): boolean {
    const at = this.#told.get(peer)
    return at !== undefined && this.#c.world.clock.now() < at + TOLD_MS
  }

  /**
   * Make a ticket and remember its secret's hash, durably. returns its text, and how people name
   * it.
   */
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
   * Show a ticket to the members it names, one after the other. Who is in by it already is answered
   * the same again.
   * throws what the member answered ('ticket-unknown', 'ticket-expired', 'ticket-used'),
   * 'unreachable', or 'timeout'.
   */
  async ask(
    ticket: Ticket,
    signal?: AbortSignal,
  ): Promise<{ reply: Extract<JoinReply, { kind: 'admitted' }>; from: PeerId }> {
    const { clock } = this.#c.world
    if (ticket.expires <= clock.wall()) {
      throw new ShoalError(
        'ticket-expired',
        `this ticket expired at ${new Date(ticket.expires).toISOString()}; get a new one with "shoal invite"`,
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
    const before = network.peers()
    const peer = await network.dial(ticket.addresses, { signal: deadline }).catch(sayWhy)
    try {
      const request = { kind: 'join', volume: ticket.volume, secret: ticket.secret } as const
      const reply = await this.#exchange(peer, request, deadline).catch(sayWhy)
      if (reply.kind === 'refused') throw new ShoalError(reply.code, reply.message)
      if (reply.kind !== 'admitted' || volumeIdOf(reply.genesis) !== ticket.volume)
        throw new ShoalError('malformed', `${peer} answered with another volume than the ticket's`)
      await network.learn(
        peer,
        ticket.addresses.filter((address) => address.endsWith(peer)),
      )
      return { reply, from: peer }
    } finally {
      // There it is the connection of a stranger, which serves nothing else.
      if (!before.includes(peer))
        await ignoreFailure(network.disconnect(peer), 'the peer may be gone')
    }
  }

  /**
   * Ask a peer whether this node was removed. throws ShoalError 'unreachable', 'malformed', and
   * what `signal` says.
   */
  async askWhetherRemoved(volume: VolumeId, peer: PeerId, signal: AbortSignal): Promise<boolean> {
    const reply = await this.#exchange(peer, { kind: 'removed', volume }, signal)
    return reply.kind === 'removed' && reply.isSo
  }

  async #exchange(peer: PeerId, request: JoinRequest, signal: AbortSignal): Promise<JoinReply> {
    const how = { signal, frameMax: JOIN_REPLY_MAX }
    const channel = await this.#c.world.network.open(peer, JOIN_PROTOCOL, how)
    try {
      await channel.send([encodeJoinRequest(request)], { signal })
      const frame = await channel.receive({ signal })
      if (frame === undefined) throw new ShoalError('unreachable', `${peer} hung up`)
      return decodeJoinReply(frame)
    } finally {
      await ignoreFailure(channel.close(), 'the answer is here')
    }
  }

  async #serve(channel: Channel): Promise<void> {
    const { clock, network } = this.#c.world
    const signal = clock.timeout(JOIN_MS)
    const { peer } = channel
    const frame = await channel.receive({ signal })
    if (frame === undefined) return
    const reply = await this.#answer(frame, peer)
    const isWrong = reply.kind === 'refused' && reply.code === 'ticket-unknown'
    if (isWrong) await clock.sleep(WRONG_MS, { signal })
    await channel.send([encodeJoinReply(reply)], { signal })
    await channel.close()
    if (isWrong && !network.peers().includes(peer)) await network.disconnect(peer)
  }

  async #answer(frame: Uint8Array, peer: PeerId): Promise<JoinReply> {
    try {
      const request = decodeJoinRequest(frame)
      if (request.kind === 'removed') return this.#tell(request.volume, peer)
      return await this.#redeeming.run(() => this.#redeem(request, peer))
    } catch (error) {
      const { code, message } = asShoalError(error)
      this.#c.record({ kind: 'join-refused', peer, message: `answered: ${message}` })
      return { kind: 'refused', code, message }
    }
  }

  #tell(volume: VolumeId, peer: PeerId): JoinReply {
    const isSo = this.#c.wasRemoved(volume, peer)
    if (isSo) this.#told.set(peer, this.#c.world.clock.now())
    const [oldest] = this.#told.keys()
    if (this.#told.size > TOLD_MAX && oldest !== undefined) this.#told.delete(oldest)
    return { kind: 'removed', isSo }
  }

  async #redeem(request: Extract<JoinRequest, { kind: 'join' }>, peer: PeerId): Promise<JoinReply> {
    const { tickets, isMember, admit, record, world } = this.#c
    const given = tickets.get(ticketSecretHash(request.secret))
    if (given === undefined || given.volume !== request.volume) {
      throw new ShoalError(
        'ticket-unknown',
        'this ticket was not issued by the node that was asked; get a new one with "shoal invite"',
      )
    }
    const { hash, volume, role } = given
    // One whose answer was lost asks again.
    if (isMember(volume, peer, role)) return admit(volume, peer, role)
    const state = stateOf(given, world.clock.wall())
    if (enforces('ticket-open') && state !== 'open') {
      const [code, what] = REFUSED[state]
      throw new ShoalError(code, `${what}; get a new one with "shoal invite"`)
    }
    await tickets.use(hash, peer)
    const message = `ticket ${ticketIdOf(hash)}: ${peer} joins as ${role}`
    record({ kind: 'ticket-used', volume, peer, message })
    return admit(volume, peer, role)
  }
}

/** A node that has no ticket to be used hangs up on strangers without a word. */
function sayWhy(error: unknown): never {
  if (!hasCode(error, 'unreachable')) throw error
  const message =
    `${error.message}; if that node is up, the ticket is used up, expired or revoked: ` +
    'get a new one with "shoal invite"'
  throw new ShoalError('unreachable', message, { cause: error })
}
