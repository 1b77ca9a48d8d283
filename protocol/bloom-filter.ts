// A set of texts in fixed memory: what was added is always found, what was not hardly ever (Bloom,
// "Space/time trade-offs in hash coding with allowable errors", 1970). All bit positions come from
// two hashes (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006). Not for keys that
// somebody chooses so that they collide: he would be found a member.
import { assert } from './errors.ts'
import { MIB } from './units.ts'

const BITS_PER_KEY = 16
const BITS_PER_WORD = 32
const BYTES_MIN = 64
const BYTES_MAX: number = 64 * MIB
/** About the best number for BITS_PER_KEY, where 11 would be; each costs a cache miss. */
const PROBES = 8

export class BloomFilter {
  readonly #words: Uint32Array
  readonly #bitCount: number
  #count = 0

  /** expectedCount: of keys; with more of them more is found that was never added. */
  constructor(expectedCount: number) {
    assert(expectedCount >= 0, 'a count of keys')
    const bytes = Math.ceil((expectedCount * BITS_PER_KEY) / 8)
    const bounded = Math.min(Math.max(bytes, BYTES_MIN), BYTES_MAX)
    this.#words = new Uint32Array(Math.ceil(bounded / Uint32Array.BYTES_PER_ELEMENT))
    this.#bitCount = this.#words.length * BITS_PER_WORD
  }

  /** Calls of add() so far. */
  get count(): number {
    return this.#count
  }

  get byteLength(): number {
    return this.#words.byteLength
  }

  add(key: string): void {
    this.#count++
    const [start, step] = hashPair(key)
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (start + probe * step) % this.#bitCount
      const word = Math.floor(bit / BITS_PER_WORD)
      this.#words[word] = (this.#words[word] ?? 0) | (1 << (bit % BITS_PER_WORD))
    }
  }

  /** True if it was added, and in about one case of two thousand if it was not. */
  has(key: string): boolean {
    const [start, step] = hashPair(key)
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (start + probe * step) % this.#bitCount
      const word = this.#words[Math.floor(bit / BITS_PER_WORD)] ?? 0
      if ((word & (1 << (bit % BITS_PER_WORD))) === 0) return false
    }
    return true
  }
}

/** Two hashes of a text, each of 32 bits, the second odd (after bryc, "cyrb53"). */
function hashPair(key: string): readonly [number, number] {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let at = 0; at < key.length; at++) {
    const code = key.charCodeAt(at)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return [a >>> 0, (b | 1) >>> 0]
}
