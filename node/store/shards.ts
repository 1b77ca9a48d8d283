// Shards held here for the stripes of a volume, by stripe and index, with the stripe's header,
// which lies before each shard in its record so that the index can be rebuilt from segments alone.
// Durable after the store's next commit. A shard in the trash is not held; its bytes stay until the
// trash is emptied, and it can be brought back until then.
import { equalBytes } from '../../protocol/bytes.ts'
import { assert, hasCode } from '../../protocol/errors.ts'
import { stripeIdBytes } from '../../protocol/ids.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import {
  decodePointers,
  decodeTrash,
  headerKey,
  prefixRange,
  shardKey,
  SHARD_PREFIX,
  stripeOfKey,
  trashKey,
  TRASH_PREFIX,
} from './keys.ts'
import { keyAfter, scanPages } from './pages.ts'
import { readFound } from './parts.ts'
import { SHARD_RECORD } from './record.ts'
import {
  heldShard,
  pointersOf,
  shardBytes,
  stageShard,
  stageTrash,
  trashedShard,
  unstageShard,
  unstageTrash,
} from './shard-index.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { ShardPointer } from './keys.ts'
import type { Soundness, StoreParts } from './parts.ts'

/** Bytes of the length of the stripe header, which begins the payload. */
export const HEADER_LENGTH_BYTES = 4

/** A shard that is held. */
export interface HeldShard {
  readonly stripe: StripeId
  readonly index: number
  readonly length: number
}

/** See the head of the file. Every call throws ShoalError 'EIO' once the store has failed. */
export class ShardStore {
  readonly #parts: StoreParts
  readonly #puts = new Map<string, Promise<void>>()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  /**
   * Keep a shard (index 0 to 255) and the header of its stripe. Idempotent; with `verify` a copy
   * that is held is read, and replaced if it is damaged. One that is whole in the trash is brought
   * back. The arrays must not be written to until a commit that began after has resolved. throws
   * ShoalError 'ENOSPC', and keeps nothing.
   */
  async put(
    stripe: StripeId,
    index: number,
    headerBytes: Uint8Array,
    shard: Uint8Array,
    { verify = false }: { verify?: boolean } = {},
  ): Promise<void> {
    if (!verify && this.#pointer(stripe, index) !== undefined) return
    const key = `${stripe} ${index}`
    let put = this.#puts.get(key)
    if (put === undefined) {
      put = this.#keep(stripe, index, headerBytes, shard, verify).finally(() => {
        this.#puts.delete(key)
      })
      this.#puts.set(key, put)
    }
    await put
  }

  /** Part of a shard, cut at its end, not checked; undefined if it is not held. */
  async read(
    stripe: StripeId,
    index: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined> {
    return readFound(
      () => this.#pointer(stripe, index),
      (pointer) => {
        const start = Math.min(offset, shardBytes(pointer))
        const count = Math.min(length, shardBytes(pointer) - start)
        return this.#parts.segments.read(pointer.address, pointer.prefixBytes + start, count)
      },
    )
  }

  /** The header of a stripe of which a shard is held. Not to be written to. */
  header(stripe: StripeId): Uint8Array | undefined {
    this.#parts.segments.check()
    return this.#parts.index.get(headerKey(stripe))
  }

  /** The indices of the shards of a stripe held here, rising. */
  indices(stripe: StripeId): number[] {
    this.#parts.segments.check()
    return pointersOf(this.#parts.index, stripe).map((pointer) => pointer.index)
  }

  shardLength(stripe: StripeId, index: number): number | undefined {
    const pointer = this.#pointer(stripe, index)
    return pointer === undefined ? undefined : shardBytes(pointer)
  }

  /**
   * Read all of a shard from the disk as it is now, and compare it with the stripe header beside
   * it.
   */
  async verify(stripe: StripeId, index: number): Promise<Soundness> {
    return this.#verify(stripe, index, () => this.#pointer(stripe, index))
  }

  /**
   * Forget a shard: at once for reads, durably with the next commit. Nothing happens if it is not
   * held.
   */
  delete(stripe: StripeId, index: number): void {
    this.#parts.segments.check()
    unstageShard(this.#parts.index, stripe, index)
  }

  /** As delete(), but it can be brought back until the trash is emptied. */
  trash(stripe: StripeId, index: number): void {
    const pointer = this.#pointer(stripe, index)
    if (pointer === undefined) return
    const sinceMs = this.#parts.clock.wall()
    stageTrash(this.#parts.index, stripe, { pointer, sinceMs })
  }

  /**
   * Hold a shard again that is in the trash. False if it is not there, or damaged: then it stays
   * there.
   */
  async restore(stripe: StripeId, index: number): Promise<boolean> {
    const { segments, index: staged } = this.#parts
    const find = (): ShardPointer | undefined => trashedShard(staged, stripe, index)?.pointer
    if ((await this.#verify(stripe, index, find)) !== 'whole') return false
    const header = await readFound(find, ({ address, prefixBytes }) =>
      segments.read(address, HEADER_LENGTH_BYTES, prefixBytes - HEADER_LENGTH_BYTES),
    )
    const pointer = find()
    if (header === undefined || pointer === undefined) return false
    stageShard(staged, stripe, pointer, header)
    return true
  }

  /**
   * Drop for good what has been in the trash for so long, without an age all, of the stripes that
   * `isMeant` names. Bytes of the shards dropped; durable.
   */
  async emptyTrash(
    olderThanMs = 0,
    isMeant: (stripe: StripeId) => boolean = () => true,
  ): Promise<number> {
    const { kv, clock, index: staged, room, commit } = this.#parts
    await commit()
    let bytes = 0
    for await (const [key] of scanPages(kv, prefixRange(TRASH_PREFIX))) {
      const value = staged.get(key)
      if (value === undefined || !isMeant(stripeOfKey(key))) continue
      const { pointer, sinceMs } = decodeTrash(value)
      if (Math.max(0, clock.wall() - sinceMs) < olderThanMs) continue
      unstageTrash(staged, stripeOfKey(key), pointer.index)
      bytes += shardBytes(pointer)
      await room()
    }
    await commit()
    return bytes
  }

  /**
   * The shards held as of the last commit, by stripe id bytes, of stripes after `after`. May be
   * gone through slowly.
   */
  async *scan({ after }: { after?: StripeId } = {}): AsyncGenerator<HeldShard> {
    const { from, to } = prefixRange(SHARD_PREFIX)
    const first = after === undefined ? from : keyAfter(shardKey(after))
    for await (const [key, value] of scanPages(this.#parts.kv, { from: first, to })) {
      const stripe = stripeOfKey(key)
      for (const pointer of decodePointers(value)) {
        yield { stripe, index: pointer.index, length: shardBytes(pointer) }
      }
    }
  }

  async #keep(
    stripe: StripeId,
    index: number,
    headerBytes: Uint8Array,
    shard: Uint8Array,
    verify: boolean,
  ): Promise<void> {
    const { index: staged, add, room } = this.#parts
    if (verify && (await this.verify(stripe, index)) === 'whole') return
    if (staged.get(trashKey(stripe, index)) !== undefined) {
      if (await this.restore(stripe, index)) return
    }
    const headerLength = new Uint8Array(HEADER_LENGTH_BYTES)
    new DataView(headerLength.buffer).setUint32(0, headerBytes.byteLength)
    const parts = [headerLength, headerBytes, shard]
    const prefixBytes = HEADER_LENGTH_BYTES + headerBytes.byteLength
    await add(SHARD_RECORD, shardRecordId(stripe, index), parts, (address) => {
      stageShard(staged, stripe, { index, address, prefixBytes }, headerBytes)
    })
    await room()
  }

  async #verify(
    stripe: StripeId,
    index: number,
    find: () => ShardPointer | undefined,
  ): Promise<Soundness> {
    const what = `shard ${index} of stripe ${stripe}`
    const id = shardRecordId(stripe, index)
    try {
      const isWhole = await readFound(find, async ({ address, prefixBytes }) => {
        const { segments } = this.#parts
        const payload = await segments.readChecked(address, id, what, { isNamed: true })
        return isShardOf(stripe, index, payload, prefixBytes)
      })
      if (isWhole === undefined) return 'missing'
      return isWhole ? 'whole' : 'damaged'
    } catch (error) {
      if (hasCode(error, 'corrupt') || hasCode(error, 'malformed')) return 'damaged'
      throw error
    }
  }

  #pointer(stripe: StripeId, index: number): ShardPointer | undefined {
    this.#parts.segments.check()
    return heldShard(this.#parts.index, stripe, index)
  }
}

/**
 * Whether the payload is the header of the stripe and, behind it, the shard. throws 'malformed' on
 * what is no header.
 */
function isShardOf(
  stripe: StripeId,
  index: number,
  payload: Uint8Array,
  prefixBytes: number,
): boolean {
  const headerBytes = payload.subarray(HEADER_LENGTH_BYTES, prefixBytes)
  if (stripeIdOf(headerBytes) !== stripe) return false
  const root = decodeStripeHeader(headerBytes).shardRoots[index]
  return root !== undefined && equalBytes(shardRoot(payload.subarray(prefixBytes)), root)
}

/** Id of a shard's record: the stripe's CID bytes and the index. */
function shardRecordId(stripe: StripeId, index: number): Uint8Array {
  assert(Number.isInteger(index) && index >= 0 && index <= 255, 'a shard index is one byte')
  const cid = stripeIdBytes(stripe)
  const id = new Uint8Array(cid.byteLength + 1)
  id.set(cid)
  id[cid.byteLength] = index
  return id
}
