// What the packer still has to do, as marks in the volume's state, so that a mark and the log entry that settles it are
// durable together. Nothing of it is in memory but the next order.
import {
  NEXT_ORDER_KEY,
  UNPLACED_BYTES_KEY,
  chunkKey,
  decodeChunk,
  decodeOrder,
  encodeChunk,
  encodeOrder,
  orderKey,
  orderRange,
  stripeKey,
  stripeOfKey,
  stripeRange,
} from './keys.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { UnplacedChunk } from './keys.ts'

/** The state of a volume, as far as the data paths write to it: changes are seen at once, and durable with its next commit. */
export interface Marks {
  get(key: ByteString): Uint8Array | undefined
  put(key: ByteString, value: Uint8Array): void
  delete(key: ByteString): void
  /** Records with from <= key < to, in key order, as they are at the call. */
  scan(from: ByteString, to: ByteString): AsyncIterable<readonly [ByteString, Uint8Array]>
}

const NOTHING: Uint8Array = new Uint8Array(0)

export class Unfinished {
  readonly #marks: Marks
  #nextOrder: number
  #unplacedBytes: number

  /** throws ShoalError 'corrupt'. */
  constructor(marks: Marks) {
    this.#marks = marks
    this.#nextOrder = readCount(marks, NEXT_ORDER_KEY)
    this.#unplacedBytes = readCount(marks, UNPLACED_BYTES_KEY)
  }

  /** Sealed bytes of the chunks that are in no stripe. */
  get unplacedBytes(): number {
    return this.#unplacedBytes
  }

  /** Above the order of every chunk added so far. */
  get end(): number {
    return this.#nextOrder
  }

  /** Mark a chunk as being in no stripe. returns false if it was marked before. */
  addChunk(id: ChunkId, length: number): boolean {
    if (this.#marks.get(chunkKey(id)) !== undefined) return false
    const order = this.#nextOrder++
    this.#marks.put(NEXT_ORDER_KEY, encodeOrder(this.#nextOrder))
    this.restore([{ id, order, length }])
    return true
  }

  /** Chunks with from <= order < to, in order. */
  async *chunks(from: number, to: number): AsyncGenerator<UnplacedChunk, void, undefined> {
    const range = orderRange(from, to)
    for await (const [key, value] of this.#marks.scan(range.from, range.to)) {
      yield decodeChunk(key, value)
    }
  }

  remove(chunks: readonly UnplacedChunk[]): void {
    for (const { id, order, length } of chunks) {
      this.#marks.delete(chunkKey(id))
      this.#marks.delete(orderKey(order))
      this.#count(-length)
    }
  }

  /** Undo remove(). */
  restore(chunks: readonly UnplacedChunk[]): void {
    for (const chunk of chunks) {
      this.#marks.put(chunkKey(chunk.id), encodeOrder(chunk.order))
      this.#marks.put(orderKey(chunk.order), encodeChunk(chunk))
      this.#count(chunk.length)
    }
  }

  /** Stripes that lack holders of some shards. */
  async *stripes(): AsyncGenerator<StripeId, void, undefined> {
    const { from, to } = stripeRange()
    for await (const [key] of this.#marks.scan(from, to)) yield stripeOfKey(key)
  }

  addStripe(id: StripeId): void {
    this.#marks.put(stripeKey(id), NOTHING)
  }

  removeStripe(id: StripeId): void {
    if (this.#marks.get(stripeKey(id)) !== undefined) this.#marks.delete(stripeKey(id))
  }

  #count(bytes: number): void {
    this.#unplacedBytes += bytes
    this.#marks.put(UNPLACED_BYTES_KEY, encodeOrder(this.#unplacedBytes))
  }
}

function readCount(marks: Marks, key: ByteString): number {
  const stored = marks.get(key)
  return stored === undefined ? 0 : decodeOrder(stored)
}
