// The index of an archive's blocks, by hash: 60 bytes of memory a block or a little more, an
// open-addressing table with linear probing (Knuth, TAOCP 3, 6.4, algorithm L) over arrays of
// numbers. The same hash again is the same block.
import { equalBytes } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { HASH_BYTES } from '../../protocol/hash.ts'
import { CAR_BLOCKS_MAX } from '../../protocol/limits.ts'

const FIRST_CAPACITY = 1024
const FREE = -1

export class BlockIndex {
  #count = 0
  #digests = new Uint8Array(FIRST_CAPACITY * HASH_BYTES)
  #starts = new Float64Array(FIRST_CAPACITY)
  #lengths = new Uint32Array(FIRST_CAPACITY)
  /** Twice as many places as there may be blocks before it grows. */
  #table: Int32Array = new Int32Array(2 * FIRST_CAPACITY).fill(FREE)

  /** Blocks, which are numbered from 0 in the order in which they were added. */
  get count(): number {
    return this.#count
  }

  /** `digest`: 32 bytes. throws ShoalError 'EFBIG' past CAR_BLOCKS_MAX. */
  add(digest: Uint8Array, start: number, length: number): void {
    if (this.find(digest) !== undefined) return
    if (this.#count >= CAR_BLOCKS_MAX)
      throw new ShoalError('EFBIG', `the archive has more than ${CAR_BLOCKS_MAX} blocks`)
    if (this.#count === this.#starts.length) this.#grow()
    const number = this.#count++
    this.#digests.set(digest, number * HASH_BYTES)
    this.#starts[number] = start
    this.#lengths[number] = length
    this.#table[this.#place(digest)] = number
  }

  /** The number of a block. */
  find(digest: Uint8Array): number | undefined {
    if (digest.length !== HASH_BYTES) return undefined
    const number = this.#table[this.#place(digest)] ?? FREE
    return number === FREE ? undefined : number
  }

  /** The place of the bytes of block `number`: start and length. */
  at(number: number): { readonly start: number; readonly length: number } {
    return { start: this.#starts[number] ?? 0, length: this.#lengths[number] ?? 0 }
  }

  /**
   * The place of a digest in the table, or the one where it belongs. Digests are even, so any 32
   * bits of one will do.
   */
  #place(digest: Uint8Array): number {
    const mask = this.#table.length - 1
    let place = new DataView(digest.buffer, digest.byteOffset).getUint32(0) & mask
    for (;;) {
      const number = this.#table[place] ?? FREE
      if (number === FREE || equalBytes(this.#digest(number), digest)) return place
      place = (place + 1) & mask
    }
  }

  #digest(number: number): Uint8Array {
    return this.#digests.subarray(number * HASH_BYTES, (number + 1) * HASH_BYTES)
  }

  #grow(): void {
    const capacity = 2 * this.#starts.length
    const [digests, starts, lengths] = [this.#digests, this.#starts, this.#lengths]
    this.#digests = new Uint8Array(capacity * HASH_BYTES)
    this.#starts = new Float64Array(capacity)
    this.#lengths = new Uint32Array(capacity)
    this.#digests.set(digests)
    this.#starts.set(starts)
    this.#lengths.set(lengths)
    this.#table = new Int32Array(2 * capacity).fill(FREE)
    for (let number = 0; number < this.#count; number++)
      this.#table[this.#place(this.#digest(number))] = number
  }
}
