// Real chance: everything comes from the operating system's cryptographic generator, so that nobody
// can predict a nonce, a secret, or which range an audit asks for.
import { randomFillSync, randomInt } from 'node:crypto'
import type { UnluckySite } from './unlucky-sites.ts'
import type { Random } from './world.ts'

/** One more than the largest value of randomInt's range. */
const RANGE = 2 ** 48

/** Bytes that are asked for together: a call costs more than what it gives. */
const POOL_BYTES = 1024
/** More are asked for alone. */
const POOLED_MAX = 32

/** The random generator of the operating system. */
export class SystemRandom implements Random {
  #pool = new Uint8Array()
  #used = 0

  bytes(length: number): Uint8Array {
    if (length > POOLED_MAX) return randomFillSync(new Uint8Array(length))
    if (this.#used + length > this.#pool.length) {
      this.#pool = randomFillSync(new Uint8Array(POOL_BYTES))
      this.#used = 0
    }
    const [start, end] = [this.#used, (this.#used += length)]
    const bytes = this.#pool.slice(start, end)
    // What is given is nowhere else: it may be a secret.
    this.#pool.fill(0, start, end)
    return bytes
  }

  number(): number {
    return randomInt(RANGE - 1) / RANGE
  }

  unlucky(_site: UnluckySite): boolean {
    return false
  }
}
