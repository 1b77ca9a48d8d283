// Inputs for one target without end: of honest ones and those that are kept, changed again and
// again. One that goes a way which none before went is changed further.
import type { SeededRandom } from '../../simulations/random.ts'
import { pick } from './cbor-shape.ts'
import { corpusOf } from './corpus.ts'
import { mutate } from './mutate.ts'
import { watch } from './watch.ts'
import type { Target } from './watch.ts'

const POOL_MAX = 500

export interface Finding {
  readonly input: Uint8Array
  readonly what: string
}

export class Fuzzer {
  readonly #target: Target
  readonly #random: SeededRandom
  readonly #pool: Uint8Array[]
  /** By way the smallest input that went it. */
  readonly #ways = new Map<string, Uint8Array>()
  /** Findings of one kind are told once. */
  readonly #told = new Set<string>()
  #count = 0

  constructor(target: Target, random: SeededRandom) {
    this.#target = target
    this.#random = random
    this.#pool = [...target.honest(), ...corpusOf(target.name)]
  }

  get count(): number {
    return this.#count
  }

  get ways(): ReadonlyMap<string, Uint8Array> {
    return this.#ways
  }

  /** Replays honest inputs, and those that are kept. */
  async replay(): Promise<Finding[]> {
    const findings: Finding[] = []
    for (const input of Array.from(this.#pool)) findings.push(...(await this.#give(input)))
    return findings
  }

  /** The next input. about: told of it before it is given. */
  async step(about: (input: Uint8Array) => void = () => undefined): Promise<Finding[]> {
    const input = mutate(this.#random, pick(this.#random, this.#pool), this.#pool)
    about(input)
    return this.#give(input)
  }

  async #give(input: Uint8Array): Promise<Finding[]> {
    this.#count++
    const { way, finding } = await watch(this.#target, input)
    const known = this.#ways.get(way)
    if (known === undefined || input.length < known.length) {
      this.#ways.set(way, input)
      if (known === undefined) this.#remember(input)
    }
    const kind = finding?.replace(/\d+/g, '')
    if (finding === undefined || kind === undefined || this.#told.has(kind)) return []
    this.#told.add(kind)
    return [{ input, what: finding }]
  }

  #remember(input: Uint8Array): void {
    if (this.#pool.length < POOL_MAX) this.#pool.push(input)
    else this.#pool[this.#random.below(POOL_MAX)] = input
  }
}
