// Slows down who guesses: wrong secrets are counted by who was named, from where they came, and
// both together. After some, the next try waits, each time twice as long.
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

/** Names and addresses that are remembered, and how long after the last wrong secret. */
const KNOWN_MAX = 4096
const KNOWN_MS: number = 15 * MINUTE_MS
const WAIT_MAX_MS: number = MINUTE_MS
/** Wrong ones that cost nothing: of one name from one address; of a name, or of an address. */
const FREE_OF_BOTH = 3
const FREE_OF_ONE = 30
const SHIFT_MAX = 16

interface Wrong {
  readonly count: number
  readonly until: Instant
}

export class WrongSecrets {
  readonly #clock: Pick<Clock, 'now'>
  readonly #wrong: LRUCache<string, Wrong>

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
    this.#wrong = new LRUCache({
      max: KNOWN_MAX,
      ttl: KNOWN_MS,
      ttlResolution: 0,
      perf: { now: () => clock.now() },
    })
  }

  /** throws ShoalError 'too-many' saying how long to wait. */
  check(name: string, address: string): void {
    const now = this.#clock.now()
    for (const [key] of keysOf(name, address)) {
      const waitMs = (this.#wrong.get(key)?.until ?? now) - now
      if (waitMs <= 0) continue
      const seconds = Math.ceil(waitMs / SECOND_MS)
      throw new ShoalError('too-many', `too many wrong secrets; try again in ${seconds} s`)
    }
  }

  wrong(name: string, address: string): void {
    const now = this.#clock.now()
    for (const [key, free] of keysOf(name, address)) {
      const count = (this.#wrong.get(key)?.count ?? 0) + 1
      const over = count - free
      const waitMs =
        over <= 0 ? 0 : Math.min(WAIT_MAX_MS, SECOND_MS * 2 ** Math.min(over - 1, SHIFT_MAX))
      this.#wrong.set(key, { count, until: (now + waitMs) as Instant })
    }
  }

  /** It came in from there: what it got wrong before was a slip. */
  right(name: string, address: string): void {
    const [[key]] = keysOf(name, address)
    this.#wrong.delete(key)
  }
}

function keysOf(
  name: string,
  address: string,
): readonly [readonly [string, number], ...(readonly [string, number])[]] {
  return [
    [`both ${address} ${name}`, FREE_OF_BOTH],
    [`name ${name}`, FREE_OF_ONE],
    [`from ${address}`, FREE_OF_ONE],
  ]
}
