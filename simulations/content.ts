// The contents that users write. Each is identified by its size, unique in a run; its bytes follow
// from seed and size, so that nobody has to remember them.
import { toHex } from '../protocol/bytes.ts'
import { blake3, blake3Concat } from '../protocol/hash.ts'
import { KIB } from '../protocol/units.ts'
import { SeededRandom } from './random.ts'

export class Contents {
  readonly #seed: string
  readonly #taken = new Set<number>()
  readonly #hashes = new Map<number, string>()

  constructor(seed: string) {
    this.#seed = seed
  }

  /**
   * The size of a new content: mostly one kept in the log itself, sometimes in one chunk, rarely in
   * many.
   */
  freshSize(random: SeededRandom): number {
    const fate = random.number()
    const bound = fate < 0.8 ? 2 * KIB : fate < 0.97 ? 64 * KIB : 800 * KIB
    let size = 1 + random.below(bound)
    while (this.#taken.has(size)) size++
    return this.take(size)
  }

  /** The size of a new content in chunks: mostly one chunk. */
  freshStoredSize(random: SeededRandom): number {
    const bound = random.chance(0.85) ? 48 * KIB : 320 * KIB
    let size = 2 * KIB + 1 + random.below(bound)
    while (this.#taken.has(size)) size++
    return this.take(size)
  }

  /** Keep a size for the content that a script says has it. */
  take(size: number): number {
    this.#taken.add(size)
    return size
  }

  bytes(size: number): Uint8Array {
    return new SeededRandom(this.#seed, `content ${size}`).bytes(size)
  }

  /** Are these the bytes of the content of their size? */
  isContent(size: number, parts: readonly Uint8Array[]): boolean {
    return this.#taken.has(size) && this.#hash(size) === toHex(blake3Concat(...parts))
  }

  #hash(size: number): string {
    const known = this.#hashes.get(size)
    if (known !== undefined) return known
    const hash = toHex(blake3(this.bytes(size)))
    this.#hashes.set(size, hash)
    return hash
  }
}
