// Real chance: everything comes from the operating system's cryptographic generator, so that nobody
// can predict a nonce, a secret, or which range an audit asks for.
import { randomFillSync, randomInt } from 'node:crypto'
import type { UnluckySite } from './unlucky-sites.ts'
import type { Random } from './world.ts'

/** One more than the largest value of randomInt's range. */
const RANGE = 2 ** 48

/** The random generator of the operating system. */
export class SystemRandom implements Random {
  bytes(length: number): Uint8Array {
    return randomFillSync(new Uint8Array(length))
  }

  number(): number {
    return randomInt(RANGE - 1) / RANGE
  }

  unlucky(_site: UnluckySite): boolean {
    return false
  }
}
