// The packer's pending work, as marks in the volume's state, so that a mark and the log entry that
// settles it are durable together. Nothing of it is in memory but the next order.
import {
  NEXT_ORDER_KEY,
  UNPLACED_BYTES_KEY,
  chunkKey,
  classOfKey,
  decodeChunk,
  decodeOrder,
  encodeChunk,
  encodeOrder,
  laterClasses,
  orderKey,
  orderRange,
  stripeKey,
  stripeOfKey,
  stripeRange,
} from './placement-queue-keys.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { KeyRange, UnplacedChunk } from './placement-queue-keys.ts'

/**
 * The state of a volume, as far as the data paths write to it: changes are seen at once, and
 * durable with its next commit.
 */
export interface Marks {
  get(key: ByteString): Uint8Array | undefined
  put(key: ByteString, value: Uint8Array): void
  delete(key: ByteString): void
  /** Records with from <= key < to, in key order, as they are at the call. */
  scan(from: ByteString, to: ByteString): AsyncIterable<readonly [ByteString, Uint8Array]>
}

const NOTHING: Uint8Array = new Uint8Array(0)

export class PlacementQueue {
  readonly #marks: Marks
  /** Those of chunks that are or were marked. */
  readonly #classes: Set<string>
  #nextOrder: number
  #unplacedBytes: number

  private constructor(marks: Marks, classes: Set<string>) {
    this.#marks = marks
    this.#classes = classes
    this.#nextOrder = readCount(marks, NEXT_ORDER_KEY)
    this.#unplacedBytes = readCount(marks, UNPLACED_BYTES_KEY)
  }

  /** throws ShoalError 'corrupt'. */
  static async open(marks: Marks): Promise<PlacementQueue> {
    const classes = new Set([''])
    for (let last: string | undefined; ;) {
      last = await firstClass(marks, laterClasses(last))
      if (last === undefined) return new PlacementQueue(marks, classes)
      classes.add(last)
    }
  }

  /** Sealed bytes of the chunks that are in no stripe. */
  get unplacedBytes(): number {
    return this.#unplacedBytes
  }

  /** Above the order of every chunk added so far. */
  get end(): number {
    return this.#nextOrder
  }

  /** All that chunks may be marked for. */
  get classes(): readonly string[] {
    return [...this.#classes]
  }

  /** Mark a chunk as being in no stripe of a class. returns false if it was marked before. */
  addChunk(id: ChunkId, cls: string, length: number): boolean {
    if (this.#marks.get(chunkKey({ id, class: cls })) !== undefined) return false
    const order = this.#nextOrder++
    this.#marks.put(NEXT_ORDER_KEY, encodeOrder(this.#nextOrder))
    this.#classes.add(cls)
    this.restore([{ id, class: cls, order, length }])
    return true
  }

  /** Is it in no stripe of some class yet? */
  hasChunk(id: ChunkId): boolean {
    return this.classes.some((cls) => this.has({ id, class: cls }))
  }

  has(chunk: Pick<UnplacedChunk, 'id' | 'class'>): boolean {
    return this.#marks.get(chunkKey(chunk)) !== undefined
  }

  /** Chunks of a class with from <= order < to, in order. */
  async *chunks(
    cls: string,
    from: number,
    to: number,
  ): AsyncGenerator<UnplacedChunk, void, undefined> {
    const range = orderRange(cls, from, to)
    for await (const [key, value] of this.#marks.scan(range.from, range.to)) {
      yield decodeChunk(cls, key, value)
    }
  }

  /** Nothing happens to those that are not marked. */
  remove(chunks: readonly UnplacedChunk[]): void {
    for (const chunk of chunks) {
      if (!this.has(chunk)) continue
      this.#marks.delete(chunkKey(chunk))
      this.#marks.delete(orderKey(chunk))
      this.#count(-chunk.length)
    }
  }

  /** Unmark a chunk for whatever class. */
  forget(id: ChunkId): void {
    for (const cls of this.classes) {
      const order = this.#marks.get(chunkKey({ id, class: cls }))
      if (order === undefined) continue
      const key = orderKey({ class: cls, order: decodeOrder(order) })
      const value = this.#marks.get(key)
      if (value !== undefined) this.remove([decodeChunk(cls, key, value)])
    }
  }

  /** Undo remove(). */
  restore(chunks: readonly UnplacedChunk[]): void {
    for (const chunk of chunks) {
      this.#marks.put(chunkKey(chunk), encodeOrder(chunk.order))
      this.#marks.put(orderKey(chunk), encodeChunk(chunk))
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

/** The first class of which a chunk is marked in a range of laterClasses(). */
async function firstClass(marks: Marks, { from, to }: KeyRange): Promise<string | undefined> {
  for await (const [key] of marks.scan(from, to)) return classOfKey(key)
  return undefined
}
