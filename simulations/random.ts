// The same seed and stream give the same draws for ever; a draw from one stream never shifts
// another, so one more packet does not change what the disk does. xoshiro128** (Blackman and Vigna,
// "Scrambled linear pseudorandom number generators", 2021), its state filled by BLAKE3 of seed and
// stream.
import { utf8 } from '../protocol/bytes.ts'
import { blake3 } from '../protocol/hash.ts'
import type { UnluckySite } from '../node/world/unlucky-sites.ts'
import type { Random } from '../node/world/world.ts'

/** How often the unlucky branch is taken; all in [0, 1]. */
export interface UnluckyRates {
  /** Chance that a site is on for the whole run, on every node. */
  readonly site: number
  /** Chance that a site that is on is unlucky, each time it asks. */
  readonly each: number
  /** Told of each question, of sites that are off, too. */
  readonly onAsked?: (site: UnluckySite, isUnlucky: boolean) => void
}

export const NEVER_UNLUCKY: UnluckyRates = { site: 0, each: 0 }
/** The rates of FoundationDB's buggify (flow/include/flow/Buggify.h). */
export const OFTEN_UNLUCKY: UnluckyRates = { site: 0.25, each: 0.25 }

/** One stream of chance. */
export class SeededRandom implements Random {
  readonly #seed: string
  readonly #stream: string
  readonly #unlucky: UnluckyRates
  /**
   * Draws of each unlucky site, apart from those of the stream; undefined where the site is off.
   */
  readonly #sites = new Map<UnluckySite, SeededRandom | undefined>()
  readonly #state: Uint32Array

  constructor(seed: string | number, stream: string, unlucky: UnluckyRates = NEVER_UNLUCKY) {
    this.#seed = String(seed)
    this.#stream = stream
    this.#unlucky = unlucky
    const digest = blake3(utf8(`shoal/simulations/random\0${this.#seed}\0${stream}`))
    const words = new DataView(digest.buffer, digest.byteOffset)
    this.#state = Uint32Array.from([0, 4, 8, 12], (offset) => words.getUint32(offset, true))
  }

  /** Uniform 32-bit unsigned integer. */
  word(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#state
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9)
    const mixed = c ^ a
    const crossed = d ^ b
    this.#state[1] = b ^ mixed
    this.#state[0] = a ^ crossed
    this.#state[2] = mixed ^ (b << 9)
    this.#state[3] = rotateLeft(crossed, 11)
    return result >>> 0
  }

  number(): number {
    return ((this.word() >>> 5) * 0x400_0000 + (this.word() >>> 6)) / 2 ** 53
  }

  bytes(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) words[i] = this.word()
    return new Uint8Array(words.buffer, 0, length)
  }

  /** Uniform integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.number() * count)
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.number() < probability
  }

  /** One of `items`, each as likely. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }

  /** Standard normal deviate (Box and Muller 1958). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.number()))
    return radius * Math.cos(2 * Math.PI * this.number())
  }

  unlucky(site: UnluckySite): boolean {
    const { site: rate, each, onAsked } = this.#unlucky
    if (rate > 0 && !this.#sites.has(site)) this.#sites.set(site, this.#openSite(site))
    const isUnlucky = this.#sites.get(site)?.chance(each) ?? false
    onAsked?.(site, isUnlucky)
    return isUnlucky
  }

  #openSite(site: UnluckySite): SeededRandom | undefined {
    const on = new SeededRandom(this.#seed, `unlucky site ${site}`).chance(this.#unlucky.site)
    return on ? new SeededRandom(this.#seed, `${this.#stream} unlucky ${site}`) : undefined
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
