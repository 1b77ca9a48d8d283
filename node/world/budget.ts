// How fast work in the background may go: a bucket of tokens that fills at a constant rate, kept as
// the time at which it would be in balance (the generic cell rate algorithm, ITU-T I.371).
import { SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from './world.ts'

/** Unused budget is kept for this long. */
const BURST_MS: number = SECOND_MS

export class Budget {
  readonly #clock: Clock
  readonly #bytesPerSecond: number
  #balancedAt: Instant

  constructor(clock: Clock, { bytesPerSecond }: { bytesPerSecond: number }) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#balancedAt = clock.now()
  }

  /** Resolves when so many bytes may be sent or received. throws the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const now = this.#clock.now()
    const start = Math.max(now - BURST_MS, this.#balancedAt)
    this.#balancedAt = (start + (bytes / this.#bytesPerSecond) * SECOND_MS) as Instant
    if (start > now) await this.#clock.sleep(start - now, { signal })
  }
}
