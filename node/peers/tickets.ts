// The tickets that this node gave out, and who used them. A ticket's secret is kept as a hash; a
// use is counted, durably, before the grant is logged, so a crash may cost a use but never gives
// one away.
import { STORE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { TICKETS_MAX } from '../../protocol/limits.ts'
import { parseRole } from '../../protocol/roles.ts'
import type { Role } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Kv } from '../store/kv.ts'
import type { Clock } from '../world/world.ts'

const PREFIX = STORE_PREFIXES.ticket
const HASH_END: number = PREFIX.length + HASH_BYTES
const ID_CHARS = 8
/** Users of a ticket are listed for this long after its end. */
const REMEMBERED_MS: number = 90 * DAY_MS

export interface GivenTicket {
  /** The hash of its secret, by ticketSecretHash. */
  readonly hash: string
  readonly volume: VolumeId
  readonly role: Role
  readonly expires: WallTime
  readonly uses: number
  readonly usesLeft: number
  readonly madeMs: WallTime
  readonly revokedMs?: WallTime | undefined
}

export interface TicketUse {
  readonly peer: PeerId
  readonly atMs: WallTime
}

/** How people name a ticket. */
export function ticketIdOf(hash: string): string {
  return hash.slice(0, ID_CHARS)
}

export class Tickets {
  readonly #kv: Kv
  readonly #clock: Pick<Clock, 'wall'>
  readonly #given = new Map<string, GivenTicket>()

  constructor({ kv, clock }: { readonly kv: Kv; readonly clock: Pick<Clock, 'wall'> }) {
    this.#kv = kv
    this.#clock = clock
  }

  async load(): Promise<void> {
    for await (const [key, value] of this.#kv.scan({ from: PREFIX, to: 'U' })) {
      if (key.length !== HASH_END) continue
      const hash = toHex(fromByteString(key.slice(PREFIX.length)))
      this.#given.set(hash, decodeGiven(hash, value))
    }
    await this.#forgetOld()
  }

  /** May somebody unknown still get in by one of them? */
  isOpen(): boolean {
    const nowMs = this.#clock.wall()
    for (const ticket of this.#given.values()) {
      const state = stateOf(ticket, nowMs)
      if (state === 'open' || (state === 'used' && !enforces('gate-needs-ticket'))) return true
    }
    return false
  }

  get(hash: string): GivenTicket | undefined {
    return this.#given.get(hash)
  }

  /** Newest first. */
  all(): readonly GivenTicket[] {
    return [...this.#given.values()].sort((a, b) => b.madeMs - a.madeMs)
  }

  /** Remember one, durably. throws ShoalError 'EBUSY' where there are too many. */
  async add(ticket: Omit<GivenTicket, 'usesLeft' | 'madeMs'>): Promise<void> {
    await this.#forgetOld()
    if (this.#given.size >= TICKETS_MAX)
      throw new ShoalError(
        'EBUSY',
        `this node has issued ${TICKETS_MAX} tickets; revoke some with "shoal invite revoke"`,
      )
    await this.#keep({ ...ticket, usesLeft: ticket.uses, madeMs: this.#clock.wall() })
  }

  /** Count a use, durably. */
  async use(hash: string, peer: PeerId): Promise<void> {
    const ticket = this.#given.get(hash)
    assert(ticket !== undefined && ticket.usesLeft > 0, 'a ticket that is used has uses left')
    const used = { ...ticket, usesLeft: ticket.usesLeft - 1 }
    const value = encodeCbor({ at: this.#clock.wall() })
    await this.#keep(used, [{ kind: 'put', key: useKey(hash, peer), value }])
  }

  /** The users of a ticket, in the order in which they came. */
  async usesOf(hash: string): Promise<readonly TicketUse[]> {
    const uses: TicketUse[] = []
    for await (const [key, value] of this.#kv.scan(usesRange(hash))) {
      const peer = peerIdFromPublicKey(fromByteString(key.slice(HASH_END)))
      const f = new Fields(decodeCbor(value, 'use of a ticket'), 'use of a ticket')
      uses.push({ peer, atMs: f.integer('at') as WallTime })
    }
    return uses.sort((a, b) => a.atMs - b.atMs)
  }

  /** Let nobody in by it any more, durably. */
  async revoke(hash: string): Promise<void> {
    const ticket = this.#given.get(hash)
    if (ticket?.revokedMs === undefined && ticket !== undefined)
      await this.#keep({ ...ticket, revokedMs: this.#clock.wall() })
  }

  async #keep(ticket: GivenTicket, more: Parameters<Kv['write']>[0] = []): Promise<void> {
    const { hash, volume, role, expires, uses, usesLeft, madeMs, revokedMs } = ticket
    const value = encodeCbor({
      vol: fromHex(volume),
      r: role,
      e: expires,
      n: uses,
      u: usesLeft,
      at: madeMs,
      x: revokedMs ?? null,
    })
    await this.#kv.write([{ kind: 'put', key: ticketKey(hash), value }, ...more], { sync: true })
    this.#given.set(hash, ticket)
  }

  async #forgetOld(): Promise<void> {
    const beforeMs = this.#clock.wall() - REMEMBERED_MS
    for (const { hash, expires } of this.#given.values()) {
      if (expires >= beforeMs) continue
      const keys = [ticketKey(hash)]
      for await (const [key] of this.#kv.scan(usesRange(hash))) keys.push(key)
      const deletes = keys.map((key) => ({ kind: 'delete', key }) as const)
      await this.#kv.write(deletes, { sync: false })
      this.#given.delete(hash)
    }
  }
}

/** The state of a ticket at a time. */
export function stateOf(
  { usesLeft, expires, revokedMs }: GivenTicket,
  nowMs: WallTime,
): 'open' | 'used' | 'expired' | 'revoked' {
  if (revokedMs !== undefined) return 'revoked'
  if (usesLeft <= 0) return 'used'
  return expires <= nowMs ? 'expired' : 'open'
}

function ticketKey(hash: string): string {
  return PREFIX + toByteString(fromHex(hash))
}

function useKey(hash: string, peer: PeerId): string {
  return ticketKey(hash) + toByteString(publicKeyOf(peer))
}

/** A public key is 32 bytes: longer than none, and shorter than 33 of the greatest. */
function usesRange(hash: string): { from: string; to: string } {
  return { from: `${ticketKey(hash)}\0`, to: ticketKey(hash) + '\xff'.repeat(HASH_BYTES + 1) }
}

function decodeGiven(hash: string, bytes: Uint8Array): GivenTicket {
  const f = new Fields(decodeCbor(bytes, 'ticket record'), 'ticket record')
  return {
    hash,
    volume: toHex(f.bytes('vol', HASH_BYTES, HASH_BYTES)) as VolumeId,
    role: parseRole(f.text('r', 16)),
    expires: f.integer('e') as WallTime,
    uses: f.integer('n'),
    usesLeft: f.integer('u'),
    madeMs: f.integer('at') as WallTime,
    ...(f.has('x') && { revokedMs: f.integer('x') as WallTime }),
  }
}
