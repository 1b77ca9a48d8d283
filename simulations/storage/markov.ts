// How likely a stripe is to be lost within a year, computed: a continuous-time Markov chain over
// the number of its shards that are missing (Angus, "On computing MTBF for a k-out-of-n:G
// repairable system", 1988). Peers are lost for good independently and at a constant rate; one job
// rebuilds all that is missing, after a time that is exponential; the stripe is lost with the m+1st
// shard. docs/durability.md says how far that is from the truth.
import type { Code } from '../../protocol/placement/redundancy.ts'

export interface ChainOptions {
  /** Chance that a given peer is lost for good within a year, in [0, 1). */
  readonly annualFailureRate: number
  /** Mean time from a loss until it is repaired: detection, grace and rebuilding. */
  readonly repairHours: number
  /** Missing shards from which on a repair starts; 1 (the default) is eager. At most m. */
  readonly repairFrom?: number
}

export const HOURS_A_YEAR: number = 365 * 24

/** Mean years until a stripe is lost. */
export function yearsToLoss(code: Code, options: ChainOptions): number {
  const { annualFailureRate, repairHours, repairFrom = 1 } = options
  const lossRate = -Math.log1p(-annualFailureRate)
  const repairRate = HOURS_A_YEAR / repairHours
  const n = code.k + code.m
  // From the state with `missing` shards missing: chance that the stripe is lost before all is
  // whole again, and mean years until either. Products of ratios only: nothing small is the
  // difference of two large numbers.
  let chance = 1
  let years = 0
  for (let missing = code.m; missing >= 1; missing--) {
    const worse = (n - missing) * lossRate
    const all = worse + (missing >= repairFrom ? repairRate : 0)
    chance *= worse / all
    years = 1 / all + (worse / all) * years
  }
  return (1 / (n * lossRate) + years) / chance
}

/** Chance that a stripe that is whole at the start of a year is lost within it. */
export function annualLoss(code: Code, options: ChainOptions): number {
  return -Math.expm1(-1 / yearsToLoss(code, options))
}
