// Shards held here for the stripes of a volume, by stripe and index, with the stripe's header, which lies before each
// shard in its record so that the index can be rebuilt from segments alone. Durable after the store's next commit.
import { assert } from '../../protocol/errors.ts'
import { stripeIdBytes } from '../../protocol/ids.ts'
import {
  decodePointers,
  encodePointers,
  headerKey,
  prefixRange,
  shardKey,
  SHARD_PREFIX,
  stripeOfKey,
} from './keys.ts'
import { SHARD_RECORD } from './record.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { StoreParts } from './chunks.ts'
import type { ShardPointer } from './keys.ts'
import type { Kv } from './kv.ts'
import type { StagedIndex } from './staged-index.ts'

/** Bytes of the length of the stripe header, which begins the payload. */
export const HEADER_LENGTH_BYTES = 4

/** See the head of the file. Every call throws ShoalError 'EIO' once the store has failed. */
export class ShardStore {
  readonly #kv: Kv
  readonly #parts: StoreParts
  readonly #puts = new Map<string, Promise<void>>()

  constructor(kv: Kv, parts: StoreParts) {
    this.#kv = kv
    this.#parts = parts
  }

  /**
   * Keep a shard (index 0 to 255) and the header of its stripe. Idempotent. The arrays must not be written to after.
   * throws ShoalError 'ENOSPC', and keeps nothing.
   */
  async put(
    stripe: StripeId,
    index: number,
    headerBytes: Uint8Array,
    shard: Uint8Array,
  ): Promise<void> {
    if (this.#pointer(stripe, index) !== undefined) return
    const key = `${stripe} ${index}`
    let put = this.#puts.get(key)
    if (put === undefined) {
      put = this.#append(stripe, index, headerBytes, shard).finally(() => this.#puts.delete(key))
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
    const pointer = this.#pointer(stripe, index)
    if (pointer === undefined) return undefined
    const start = Math.min(offset, shardBytes(pointer))
    const count = Math.min(length, shardBytes(pointer) - start)
    return this.#parts.segments.read(pointer.address, pointer.prefixBytes + start, count)
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

  /** Forget a shard: at once for reads, durably with the next commit. Nothing happens if it is not held. */
  delete(stripe: StripeId, index: number): void {
    const pointer = this.#pointer(stripe, index)
    if (pointer === undefined) return
    const staged = this.#parts.index
    const left = pointersOf(staged, stripe).filter((other) => other.index !== index)
    staged.stage(shardKey(stripe), left.length === 0 ? undefined : encodePointers(left))
    if (left.length === 0) staged.stage(headerKey(stripe), undefined)
    staged.count({ shardBytes: -shardBytes(pointer) })
  }

  /** All shards as of the last commit, by stripe id bytes. */
  async *scan(): AsyncIterable<{ stripe: StripeId; index: number; length: number }> {
    for await (const [key, value] of this.#kv.scan(prefixRange(SHARD_PREFIX))) {
      const stripe = stripeOfKey(key)
      for (const pointer of decodePointers(value)) {
        yield { stripe, index: pointer.index, length: shardBytes(pointer) }
      }
    }
  }

  async #append(
    stripe: StripeId,
    index: number,
    headerBytes: Uint8Array,
    shard: Uint8Array,
  ): Promise<void> {
    const { segments, index: staged, room } = this.#parts
    const headerLength = new Uint8Array(HEADER_LENGTH_BYTES)
    new DataView(headerLength.buffer).setUint32(0, headerBytes.byteLength)
    const parts = [headerLength, headerBytes, shard]
    const address = await segments.append(SHARD_RECORD, shardRecordId(stripe, index), parts)
    const prefixBytes = HEADER_LENGTH_BYTES + headerBytes.byteLength
    stageShard(staged, stripe, { index, address, prefixBytes }, headerBytes)
    await room()
  }

  #pointer(stripe: StripeId, index: number): ShardPointer | undefined {
    this.#parts.segments.check()
    return pointersOf(this.#parts.index, stripe).find((pointer) => pointer.index === index)
  }
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

/** The shards of a stripe held here, by index. */
export function pointersOf(index: StagedIndex, stripe: StripeId): readonly ShardPointer[] {
  const value = index.get(shardKey(stripe))
  return value === undefined ? [] : decodePointers(value)
}

/** Index a shard that is not indexed yet. */
export function stageShard(
  index: StagedIndex,
  stripe: StripeId,
  pointer: ShardPointer,
  headerBytes: Uint8Array,
): void {
  const pointers = pointersOf(index, stripe)
  if (pointers.length === 0) index.stage(headerKey(stripe), headerBytes)
  const all = [...pointers, pointer].sort((a, b) => a.index - b.index)
  index.stage(shardKey(stripe), encodePointers(all))
  index.count({ shardBytes: shardBytes(pointer) })
}

function shardBytes(pointer: ShardPointer): number {
  return pointer.address.length - pointer.prefixBytes
}
