// Exponential backoff: each pause after a failure is twice as long as the one before, up to a
// longest. Callers spread the pauses by chance where several would come back together.
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

export interface Pauses {
  readonly firstMs: number
  readonly longestMs: number
}

/** The pause after so many failures in a row, at least 1. */
export function pauseAfter(failures: number, { firstMs, longestMs }: Pauses): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs)
}

/** The pauses of one thing that is tried until it succeeds. */
export class Backoff {
  readonly #pauses: Pauses
  #failures = 0

  constructor(pauses: Pauses) {
    this.#pauses = pauses
  }

  /** The pause after one more failure. */
  next(): number {
    return pauseAfter(++this.#failures, this.#pauses)
  }

  /** It has succeeded, or there is reason to think that it will. */
  reset(): void {
    this.#failures = 0
  }
}

/** Keys remembered by default; the oldest beyond are tried again at once. */
const KEYS_MAX = 10_000

interface Failure {
  readonly failures: number
  readonly dueAt: Instant
}

/** Things that are left alone for a while after they failed, each by itself. */
export class BackoffTable<Key> {
  readonly #clock: Pick<Clock, 'now'>
  readonly #pauses: Pauses
  readonly #keysMax: number
  /** The one that failed last comes last. */
  readonly #failures = new Map<Key, Failure>()

  constructor(clock: Pick<Clock, 'now'>, pauses: Pauses, keysMax: number = KEYS_MAX) {
    this.#clock = clock
    this.#pauses = pauses
    this.#keysMax = keysMax
  }

  isDue(key: Key): boolean {
    const failure = this.#failures.get(key)
    return failure === undefined || this.#clock.now() >= failure.dueAt
  }

  /** returns until when it is left alone. */
  failed(key: Key): Instant {
    const failures = (this.#failures.get(key)?.failures ?? 0) + 1
    const dueAt = (this.#clock.now() + pauseAfter(failures, this.#pauses)) as Instant
    this.#failures.delete(key)
    this.#failures.set(key, { failures, dueAt })
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > this.#keysMax && oldest !== undefined) this.#failures.delete(oldest)
    return dueAt
  }

  succeeded(key: Key): void {
    this.#failures.delete(key)
  }

  /** Leave nothing alone. */
  clear(): void {
    this.#failures.clear()
  }

  /** When the first of those that are left alone is due. */
  get nextAt(): Instant | undefined {
    const now = this.#clock.now()
    const waiting = [...this.#failures.values()].map(({ dueAt }) => dueAt).filter((at) => at > now)
    return waiting.length === 0 ? undefined : (Math.min(...waiting) as Instant)
  }
}
