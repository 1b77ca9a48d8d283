// A bucket of tokens that fills at a constant rate. It may go below nothing: who spends what it
// does not have waits longer.
import { SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'

export interface Allowance {
  readonly perSecond: number
  /** The amount available at once after a rest. */
  readonly burst: number
}

/** Time never goes back between calls. */
export class TokenBucket {
  readonly allowance: Allowance
  #tokens: number
  #filledAt: Instant

  constructor(allowance: Allowance, now: Instant) {
    this.allowance = allowance
    this.#tokens = allowance.burst
    this.#filledAt = now
  }

  tokens(now: Instant): number {
    const { perSecond, burst } = this.allowance
    const come = ((now - this.#filledAt) / SECOND_MS) * perSecond
    this.#tokens = Math.min(this.#tokens + come, burst)
    this.#filledAt = now
    return this.#tokens
  }

  /**
   * Whether an amount is available; more than a burst is once the bucket is full: one thing of any
   * size gets through.
   */
  has(amount: number, now: Instant): boolean {
    return this.tokens(now) >= Math.min(amount, this.allowance.burst)
  }

  /** Down to a burst below nothing. */
  spend(amount: number, now: Instant): void {
    this.#tokens = Math.max(this.tokens(now) - amount, -this.allowance.burst)
  }

  giveBack(amount: number, now: Instant): void {
    this.#tokens = Math.min(this.tokens(now) + amount, this.allowance.burst)
  }
}
