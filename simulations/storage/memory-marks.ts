// The unfinished work of a simulated node: in memory, since its map is not logged either.
import type { ByteString } from '../../protocol/bytes.ts'
import type { Marks } from '../../node/stripes/placement-queue.ts'

/** Marks that nobody reads again. */
export class MemoryMarks implements Marks {
  readonly #records = new Map<ByteString, Uint8Array>()

  get(key: ByteString): Uint8Array | undefined {
    return this.#records.get(key)
  }

  put(key: ByteString, value: Uint8Array): void {
    this.#records.set(key, value)
  }

  delete(key: ByteString): void {
    this.#records.delete(key)
  }

  async *scan(): AsyncIterable<readonly [ByteString, Uint8Array]> {
    yield* this.#records
  }
}
