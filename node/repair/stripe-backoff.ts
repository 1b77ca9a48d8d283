// Stripes with which something failed are left alone for a while, for twice as long after each
// failure.
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

const FIRST_PAUSE_MS: number = 15 * SECOND_MS
const PAUSE_MS_MAX: number = 30 * MINUTE_MS
/** The oldest beyond are tried again at once. */
const REMEMBERED_MAX = 10_000

interface Failure {
  readonly at: Instant
  readonly pauseMs: number
}

export class StripeBackoff {
  readonly #clock: Pick<Clock, 'now'>
  readonly #failures = new Map<StripeId, Failure>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  isDue(stripe: StripeId): boolean {
    const failure = this.#failures.get(stripe)
    return failure === undefined || this.#clock.now() >= dueAt(failure)
  }

  /** returns until when it is left alone. */
  failed(stripe: StripeId): Instant {
    const last = this.#failures.get(stripe)
    const pauseMs = Math.min(2 * (last?.pauseMs ?? FIRST_PAUSE_MS / 2), PAUSE_MS_MAX)
    this.#failures.delete(stripe)
    const failure = { at: this.#clock.now(), pauseMs }
    this.#failures.set(stripe, failure)
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > REMEMBERED_MAX && oldest !== undefined) this.#failures.delete(oldest)
    return dueAt(failure)
  }

  succeeded(stripe: StripeId): void {
    this.#failures.delete(stripe)
  }

  /** Leave nothing alone. */
  clear(): void {
    this.#failures.clear()
  }

  /** When the first of those that wait is due. */
  get nextAt(): Instant | undefined {
    const now = this.#clock.now()
    const waiting = [...this.#failures.values()].map(dueAt).filter((at) => at > now)
    return waiting.length === 0 ? undefined : (Math.min(...waiting) as Instant)
  }
}

function dueAt({ at, pauseMs }: Failure): Instant {
  return (at + pauseMs) as Instant
}
