// How likely a stripe is to be lost within a year, computed (markov.ts), and drawn: many stripes whose peers are lost at
// random, where each shard is back after one fixed time. Losses must happen often enough to be counted, so the rates of
// what is drawn are far above those of real machines.
import { SeededRandom } from '../random.ts'
import { HOURS_A_YEAR, annualLoss } from './markov.ts'
import type { ChainOptions } from './markov.ts'
import type { Code } from '../../protocol/placement/redundancy.ts'

const CODES: readonly Code[] = [
  { k: 4, m: 2 },
  { k: 6, m: 3 },
]
const RATES = [0.02, 0.1, 0.3]
const HOURS = [6, 24, 168]
const DRAWN_RATES = [0.3, 0.5, 0.9]
const DRAWN_HOURS = 336
const DRAWN_YEARS = 400_000

/** Lines for people. */
export function* durabilityTable(): Generator<string> {
  yield 'code   peers lost a year   whole again after   loss of a stripe in a year'
  for (const code of CODES)
    for (const annualFailureRate of RATES)
      for (const repairHours of HOURS) yield line(code, { annualFailureRate, repairHours }, '')
  yield ''
  yield `the same, and drawn (${DRAWN_YEARS} stripe years each)`
  for (const code of CODES)
    for (const annualFailureRate of DRAWN_RATES) {
      const options = { annualFailureRate, repairHours: DRAWN_HOURS }
      yield line(code, options, drawnLoss(code, options).toExponential(1))
    }
}

function line(code: Code, options: ChainOptions, drawn: string): string {
  const rate = `${options.annualFailureRate * 100} %`
  const computed = annualLoss(code, options).toExponential(1)
  return `${code.k}+${code.m}    ${rate.padEnd(20)}${`${options.repairHours} h`.padEnd(20)}${computed.padEnd(10)}${drawn}`
}

/** The share of stripes lost within a year, of DRAWN_YEARS. */
function drawnLoss({ k, m }: Code, { annualFailureRate, repairHours }: ChainOptions): number {
  const random = new SeededRandom(1, 'durability')
  const rate = -Math.log1p(-annualFailureRate)
  const repairYears = repairHours / HOURS_A_YEAR
  let lost = 0
  for (let year = 0; year < DRAWN_YEARS; year++) {
    // When the shards that are missing come back: each is repaired by itself.
    let repairs: number[] = []
    for (let now = 0; ;) {
      now += -Math.log(1 - random.number()) / (rate * (k + m - repairs.length))
      if (now >= 1) break
      repairs = repairs.filter((at) => at > now)
      repairs.push(now + repairYears)
      if (repairs.length <= m) continue
      lost++
      break
    }
  }
  return lost / DRAWN_YEARS
}
