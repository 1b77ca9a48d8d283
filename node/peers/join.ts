// Joining by ticket (/shoal/join/1): on one side the tickets this node has given out, on the other the asking.
// A ticket's secret is kept as a hash, by the node that made it; uses are counted before the grant is logged, so a
// crash may cost a use but never gives one away.
import { fromHex } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { toByteString } from '../../protocol/bytes.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import {
  formatTicket,
  TICKET_SECRET_BYTES,
  ticketSecretHash,
} from '../../protocol/membership/ticket.ts'
import type { Ticket } from '../../protocol/membership/ticket.ts'
import { volumeIdOf } from '../../protocol/membership/genesis.ts'
import { parseRole } from '../../protocol/membership/roles.ts'
import type { Role } from '../../protocol/membership/roles.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
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
import type { Kv } from '../store/kv.ts'
import type { Channel, World } from '../world/world.ts'

const TICKET_PREFIX = 'T'
const JOIN_MS: number = 30 * SECOND_MS

interface GivenTicket {
  readonly volume: VolumeId
  readonly role: Role
  readonly expires: WallTime
  readonly usesLeft: number
}

export interface JoinComponents {
  readonly world: Pick<World, 'clock' | 'network' | 'random'>
  readonly kv: Kv
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
  /** When the last ticket ends: until then strangers may knock. */
  #openUntil = 0

  constructor(components: JoinComponents) {
    this.#c = components
  }

  async start(): Promise<void> {
    for await (const [, value] of this.#c.kv.scan({ from: TICKET_PREFIX, to: 'U' })) {
      this.#openUntil = Math.max(this.#openUntil, decodeGiven(value).expires)
    }
    const frames = { frameMax: JOIN_REQUEST_MAX }
    await this.#c.world.network.handle(JOIN_PROTOCOL, (channel) => this.#serve(channel), frames)
  }

  /** True while a ticket may still be shown by somebody unknown. */
  isOpen(): boolean {
    return this.#c.world.clock.wall() < this.#openUntil
  }

  /** Make a ticket and remember its secret's hash, durably. */
  async invite(volume: VolumeId, role: Role, uses: number, expires: WallTime): Promise<string> {
    const { network, random } = this.#c.world
    const secret = random.bytes(TICKET_SECRET_BYTES)
    const ticket: Ticket = { volume, role, uses, expires, secret, addresses: network.addresses() }
    await this.#keep(ticketSecretHash(secret), { volume, role, expires, usesLeft: uses })
    this.#openUntil = Math.max(this.#openUntil, expires)
    return formatTicket(ticket)
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
    const how = { signal: deadline, frameMax: JOIN_REPLY_MAX }
    const channel = await network.open(peer, JOIN_PROTOCOL, how)
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
    }
    await channel.send([encodeJoinReply(reply)], { signal })
    await channel.close()
  }

  async #redeem(request: JoinRequest, peer: PeerId): Promise<JoinReply> {
    const hash = ticketSecretHash(request.secret)
    const stored = this.#c.kv.get(ticketKey(hash))
    const given = stored === undefined ? undefined : decodeGiven(stored)
    if (given === undefined || given.volume !== request.volume) {
      throw new ShoalError(
        'ticket-unknown',
        'the node you asked did not give out this ticket; ask for a new one with shoal invite',
      )
    }
    // One whose answer was lost asks again.
    if (this.#c.isMember(given.volume, peer, given.role))
      return this.#c.admit(given.volume, peer, given.role)
    if (given.expires <= this.#c.world.clock.wall()) {
      throw new ShoalError(
        'ticket-expired',
        'this ticket has expired; ask for a new one with shoal invite',
      )
    }
    if (given.usesLeft <= 0) {
      throw new ShoalError(
        'ticket-used',
        'this ticket was used as often as it may be; ask for a new one with shoal invite',
      )
    }
    await this.#keep(hash, { ...given, usesLeft: given.usesLeft - 1 })
    return this.#c.admit(given.volume, peer, given.role)
  }

  #keep(hash: string, given: GivenTicket): Promise<void> {
    const { volume, role, expires, usesLeft } = given
    const value = encodeCbor({ vol: volume, r: role, e: expires, u: usesLeft })
    return this.#c.kv.write([{ kind: 'put', key: ticketKey(hash), value }], { sync: true })
  }
}

function ticketKey(hash: string): string {
  return TICKET_PREFIX + toByteString(fromHex(hash))
}

function decodeGiven(bytes: Uint8Array): GivenTicket {
  const value = decodeCbor(bytes, 'ticket record') as Record<string, unknown>
  return {
    volume: value['vol'] as VolumeId,
    role: parseRole(String(value['r'])),
    expires: value['e'] as WallTime,
    usesLeft: value['u'] as number,
  }
}
