// Delays useless offers of a peer: it is asked again after a minute, then after twice as long, up
// to ten minutes.
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

const FIRST_MS: number = MINUTE_MS
const MAX_MS: number = 10 * MINUTE_MS

export class OfferBackoff {
  readonly #clock: Pick<Clock, 'now'>
  readonly #waits = new Map<string, { readonly pauseMs: number; readonly untilMs: number }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Is it not to be asked for yet? */
  isWaiting(what: string): boolean {
    return this.#clock.now() < (this.#waits.get(what)?.untilMs ?? 0)
  }

  /** It was asked for in vain. */
  waitLonger(what: string): void {
    const pauseMs = Math.min(2 * (this.#waits.get(what)?.pauseMs ?? FIRST_MS / 2), MAX_MS)
    this.#waits.set(what, { pauseMs, untilMs: this.#clock.now() + pauseMs })
  }

  /** It was of use. */
  forget(what: string): void {
    this.#waits.delete(what)
  }
}
