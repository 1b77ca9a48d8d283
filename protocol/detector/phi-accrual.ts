// How suspicious a silence is, told from how regularly somebody was heard so far: phi = -log10 of
// the chance that a peer that is well is silent for this long or longer. It grows with the silence,
// without bound and never to NaN, and is the same for the same intervals and silence. A window of
// WINDOW intervals is remembered, whatever is heard.
// Source: Hayashibara, Défago, Yared, Katayama, "The phi accrual failure detector" (SRDS 2004),
// with normally distributed intervals; the acceptable pause is Akka's. ln erfc: Press et al.,
// "Numerical Recipes in C" (1992), 6.2.

/** Intervals remembered. */
const WINDOW = 32
/**
 * Intervals are taken to spread by this share of the expected one before some were seen, and by the
 * other at least.
 */
const SPREAD_AT_FIRST = 0.25
const SPREAD_MIN = 0.1
/**
 * Messages that arrive sooner than this share of the mean interval end the silence, but do not
 * count as a sample of it.
 */
const SHARE_MIN = 0.5
/** Whoever was silent for this many expected intervals was away: that is not how it beats. */
const SHARE_MAX = 4

export interface Beat {
  /** Mean time between two heartbeats as agreed. */
  readonly expectedMs: number
  /** A silence this much longer than usual is not yet suspicious. */
  readonly pauseMs: number
}

/** The intervals remembered of somebody who was not heard twice yet. */
export function firstIntervals({ expectedMs }: Beat): readonly number[] {
  return [expectedMs * (1 - SPREAD_AT_FIRST), expectedMs * (1 + SPREAD_AT_FIRST)]
}

/** The intervals remembered after one more, if that one tells something. */
export function withInterval(
  intervals: readonly number[],
  intervalMs: number,
  { expectedMs }: Beat,
): readonly number[] {
  const isTelling = intervalMs >= SHARE_MIN * expectedMs && intervalMs <= SHARE_MAX * expectedMs
  return isTelling ? [...intervals.slice(1 - WINDOW), intervalMs] : intervals
}

/**
 * Is a silence so short that phi is far below 1, whatever the intervals were? Most are: this is the
 * cheap way to know.
 */
export function isOrdinary(silentMs: number, { expectedMs, pauseMs }: Beat): boolean {
  return silentMs <= SHARE_MIN * expectedMs + pauseMs
}

/**
 * Phi of a silence: 1 is wrong one time in ten, 8 one time in 10^8. 0 or more, not falling with
 * silentMs.
 */
export function phiOf(intervals: readonly number[], silentMs: number, beat: Beat): number {
  const meanMs = intervals.reduce((sum, ms) => sum + ms, 0) / intervals.length
  const variance = intervals.reduce((sum, ms) => sum + (ms - meanMs) ** 2, 0) / intervals.length
  const spreadMs = Math.max(Math.sqrt(variance), SPREAD_MIN * beat.expectedMs)
  return -logOfTail((silentMs - meanMs - beat.pauseMs) / spreadMs) / Math.LN10
}

/**
 * ln of the chance that a standard normal variable is greater than z; where that chance is too
 * small for a double too.
 */
function logOfTail(z: number): number {
  if (z < 0) return Math.log1p(-Math.exp(logOfTail(-z)))
  const x = z / Math.SQRT2
  const t = 1 / (1 + x / 2)
  let sum = 0
  for (const coefficient of ERFC) sum = sum * t + coefficient
  return Math.log(t / 2) - x * x + sum
}

/**
 * Coefficients of the Chebyshev fit of ln(erfc(x) / t) + x^2 over t = 1 / (1 + x / 2), highest
 * power first; erfc to 1.2e-7.
 */
const ERFC = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
  1.00002368, -1.26551223,
]
