// Shards that lie here though the map says nothing of it, since when, and who handed them over:
// they may be on their way into the map, and are let go if they do not come there. What peers have
// handed over so is bounded, for each and for all. Kept in the ordered store, so that a restart
// neither begins the wait anew nor forgets what is owed.
import {
  float64FromBytes,
  float64ToBytes,
  fromByteString,
  toByteString,
} from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import { GIB, MIB } from '../../protocol/units.ts'
import { enforces } from '../../protocol/trust.ts'
import { STRAY_PREFIX, prefixRange, strayKey, stripeOfKey } from './keys.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { Clock } from '../world/world.ts'

/**
 * The share of the node's space for unlogged shards from one peer; not less than the first, nor
 * more than the other.
 */
const SHARE = 1 / 16
const BYTES_MIN: number = 128 * MIB
const BYTES_MAX: number = 1 * GIB
const COUNT_MAX = 4096
/** The limit for all peers together, in shares of one. */
const ALL = 4

const SINCE_BYTES = 8

export interface OrphanShard {
  readonly stripe: StripeId
  readonly index: number
}

/** A shard that a peer has sent and no stripe refers to. */
interface Debt {
  /** Public key. */
  readonly peer: ByteString
  readonly bytes: number
}

interface OrphanShardsParts {
  readonly kv: Kv
  readonly clock: Pick<Clock, 'wall'>
  readonly commit: (writes: readonly KvWrite[]) => Promise<void>
  /** Size of the node's space, in all. */
  readonly totalBytes: number
}

export class OrphanShards {
  readonly #parts: OrphanShardsParts
  readonly #bytesMax: number
  readonly #debts = new Map<ByteString, Debt>()
  readonly #owed = new Map<ByteString, { bytes: number; count: number }>()
  readonly #all = { bytes: 0, count: 0 }

  constructor(parts: OrphanShardsParts) {
    this.#parts = parts
    this.#bytesMax = Math.min(BYTES_MAX, Math.max(BYTES_MIN, SHARE * parts.totalBytes))
  }

  /** Read who owes what. */
  async load(): Promise<void> {
    for await (const [key, value] of this.#parts.kv.scan(prefixRange(STRAY_PREFIX))) {
      const debt = debtOf(value)
      if (debt !== undefined) this.#owe(key, debt)
    }
  }

  /**
   * A peer is about to hand over a shard that the map does not ascribe to this node: it counts
   * until it does, or the shard is let go. returns what makes that durable, and what to call if
   * nothing comes of it.
   * throws ShoalError 'EBUSY' if the peer has handed over too many so, 'ENOSPC' if all have.
   */
  expect(
    peer: PeerId,
    stray: OrphanShard,
    bytes: number,
  ): { readonly writes: readonly KvWrite[]; readonly cancel: () => void } {
    const key = strayKey(stray.stripe, stray.index)
    const isKnown = this.#debts.has(key) || this.#parts.kv.get(key) !== undefined
    if (isKnown) return { writes: [], cancel: () => undefined }
    const debt = { peer: toByteString(publicKeyOf(peer)), bytes }
    if (enforces('unlogged-bounded')) this.#check(debt)
    this.#owe(key, debt)
    const since = float64ToBytes(this.#parts.clock.wall())
    const value = Buffer.concat([since, float64ToBytes(bytes), publicKeyOf(peer)])
    return { writes: [{ kind: 'put', key, value }], cancel: () => this.#settle(key) }
  }

  /** For how many ms it has been known that this shard is one; 0 at the first time. */
  async ageMs({ stripe, index }: OrphanShard): Promise<number> {
    const { kv, clock, commit } = this.#parts
    const key = strayKey(stripe, index)
    const now = clock.wall()
    const known = kv.get(key)
    if (known !== undefined) return now - float64FromBytes(known.subarray(0, SINCE_BYTES))
    await commit([{ kind: 'put', key, value: float64ToBytes(now) }])
    return 0
  }

  /** It is none, or no more. */
  async forget({ stripe, index }: OrphanShard): Promise<void> {
    const { kv, commit } = this.#parts
    const key = strayKey(stripe, index)
    this.#settle(key)
    if (kv.get(key) !== undefined) await commit([{ kind: 'delete', key }])
  }

  /** Was it handed over, and not ascribed to this node so far? */
  isOwed({ stripe, index }: OrphanShard): boolean {
    return this.#debts.has(strayKey(stripe, index))
  }

  async *all(): AsyncGenerator<OrphanShard, void, undefined> {
    for await (const [key] of this.#parts.kv.scan(prefixRange(STRAY_PREFIX))) {
      const index = fromByteString(key).at(-1)
      if (index !== undefined) yield { stripe: stripeOfKey(key), index }
    }
  }

  #check({ peer, bytes }: Debt): void {
    const own = this.#owed.get(peer) ?? { bytes: 0, count: 0 }
    const next = 'log the stripes of the shards stored here, or wait until they are dropped'
    if (own.bytes + bytes > this.#bytesMax || own.count >= COUNT_MAX) {
      const held = `${own.count} shards of ${own.bytes} bytes`
      throw new ShoalError('EBUSY', `this peer has sent ${held} that no stripe refers to: ${next}`)
    }
    const { bytes: allBytes, count } = this.#all
    if (allBytes + bytes <= ALL * this.#bytesMax && count < ALL * COUNT_MAX) return
    const held = `${count} shards of ${allBytes} bytes`
    throw new ShoalError('ENOSPC', `peers have sent ${held} that no stripe refers to: ${next}`)
  }

  #owe(key: ByteString, debt: Debt): void {
    this.#debts.set(key, debt)
    this.#count(debt, 1)
  }

  #settle(key: ByteString): void {
    const debt = this.#debts.get(key)
    if (debt === undefined) return
    this.#debts.delete(key)
    this.#count(debt, -1)
  }

  #count({ peer, bytes }: Debt, sign: 1 | -1): void {
    const own = this.#owed.get(peer) ?? { bytes: 0, count: 0 }
    for (const sum of [own, this.#all]) {
      sum.bytes += sign * bytes
      sum.count += sign
    }
    if (own.count === 0) this.#owed.delete(peer)
    else this.#owed.set(peer, own)
  }
}

function debtOf(value: Uint8Array): Debt | undefined {
  if (value.length <= SINCE_BYTES) return undefined
  const bytes = float64FromBytes(value.subarray(SINCE_BYTES, 2 * SINCE_BYTES))
  return { bytes, peer: toByteString(value.subarray(2 * SINCE_BYTES)) }
}
