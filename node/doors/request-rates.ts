// The requests of one account: so many a second, and so many under way, so that it leaves room in
// the doors for others.
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import type { Clock } from '../world/world.ts'
import { TokenBucket } from '../world/token-bucket.ts'

/** Requests a second of one account where the owner has set nothing. */
const REQUEST_RATE = 1000
/** So many seconds' requests may come at once. */
const BURST_S = 2
/** Half of the connections of a door (connections.ts). */
const AT_ONCE_MAX = 128
/** Accounts whose rate is remembered. */
const KNOWN_MAX = 1024

export class RequestRates {
  readonly #clock: Pick<Clock, 'now'>
  readonly #perSecond: number
  readonly #running = new Map<string, number>()
  readonly #rates = new LRUCache<string, TokenBucket>({ max: KNOWN_MAX })

  constructor(clock: Pick<Clock, 'now'>, perSecond: number = REQUEST_RATE) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  /** returns what is to be called when it is answered. throws ShoalError 'too-many'. */
  begin(who: string): () => void {
    const running = this.#running.get(who) ?? 0
    if (running >= AT_ONCE_MAX)
      throw new ShoalError('too-many', `${who} has ${running} requests under way: wait for some`)
    const now = this.#clock.now()
    const rate = this.#rateOf(who)
    if (!rate.has(1, now))
      throw new ShoalError('too-many', `${who} asks more than ${this.#perSecond} times a second`)
    rate.spend(1, now)
    this.#running.set(who, running + 1)
    return () => {
      const left = (this.#running.get(who) ?? 1) - 1
      if (left > 0) this.#running.set(who, left)
      else this.#running.delete(who)
    }
  }

  #rateOf(who: string): TokenBucket {
    const known = this.#rates.get(who)
    if (known !== undefined) return known
    const perSecond = this.#perSecond
    const made = new TokenBucket({ perSecond, burst: BURST_S * perSecond }, this.#clock.now())
    this.#rates.set(who, made)
    return made
  }
}
