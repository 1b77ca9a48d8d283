// How many stripes are lost, measured: a Monte-Carlo of stripes whose peers are lost for good
// independently and at a constant rate, so high that losses happen often enough to be counted.
// Repaired as the chain of markov.ts assumes, or as nodes do it (protocol/placement/plan.ts): each
// shard a grace and the time to rebuild it after its peer was lost, and all that is missing at once
// where no shard is left to spare.
import { SeededRandom } from '../random.ts'
import { HOURS_A_YEAR, annualLoss, yearsToLoss } from './markov.ts'
import type { Code } from '../../protocol/placement/redundancy.ts'

/**
 * chain: one job rebuilds all, after a time that is exponential. grace: each shard in its time.
 * urgent: as nodes do.
 */
export type Policy = 'chain' | 'grace' | 'urgent'

export interface Trial {
  readonly code: Code
  /** Chance that a given peer is lost for good within a year. */
  readonly annualFailureRate: number
  /** From a loss until it is repaired: grace and rebuilding. */
  readonly repairHours: number
  /** The same where no shard is left to spare. */
  readonly urgentHours: number
}

export interface Measured {
  readonly lost: number
  readonly stripeYears: number
}

/**
 * Live through so many stripe-years, each stripe anew after it was lost. The same for the same
 * seed.
 */
export function measureLoss(
  trial: Trial,
  policy: Policy,
  stripeYears: number,
  seed: string,
): Measured {
  const random = new SeededRandom(seed, `durability ${policy}`)
  const endHours = stripeYears * HOURS_A_YEAR
  let lost = 0
  let stripe = new Stripe(trial, policy, random)
  for (let nowHours = 0; nowHours < endHours;) {
    nowHours = stripe.next(nowHours)
    if (nowHours < endHours && stripe.isLost) {
      lost++
      stripe = new Stripe(trial, policy, random)
    }
  }
  return { lost, stripeYears }
}

class Stripe {
  readonly #trial: Trial
  readonly #policy: Policy
  readonly #random: SeededRandom
  readonly #lossesAnHour: number
  /** When each missing shard will have been made anew. */
  #repairs: number[] = []

  constructor(trial: Trial, policy: Policy, random: SeededRandom) {
    this.#trial = trial
    this.#policy = policy
    this.#random = random
    this.#lossesAnHour = -Math.log1p(-trial.annualFailureRate) / HOURS_A_YEAR
  }

  get isLost(): boolean {
    return this.#repairs.length > this.#trial.code.m
  }

  /** Live on to the next loss or repair. returns when that is. */
  next(nowHours: number): number {
    const { k, m } = this.#trial.code
    const rate = (k + m - this.#repairs.length) * this.#lossesAnHour
    const lossAt = nowHours + this.#exponential(1 / rate)
    const repairAt = Math.min(...this.#repairs)
    if (repairAt <= lossAt) {
      this.#repairs = this.#repairs.filter((at) => at > repairAt)
      return repairAt
    }
    this.#lose(lossAt)
    return lossAt
  }

  #lose(nowHours: number): void {
    const { code, repairHours, urgentHours } = this.#trial
    if (this.#policy === 'chain') {
      // One job is under way from the first loss on.
      const [underWay] = this.#repairs
      this.#repairs.push(underWay ?? nowHours + this.#exponential(repairHours))
      return
    }
    this.#repairs.push(nowHours + repairHours)
    if (this.#policy === 'urgent' && this.#repairs.length === code.m)
      this.#repairs = this.#repairs.map((at) => Math.min(at, nowHours + urgentHours))
  }

  #exponential(mean: number): number {
    return -mean * Math.log1p(-this.#random.number())
  }
}

const CODES: readonly Code[] = [
  { k: 4, m: 2 },
  { k: 6, m: 3 },
]
const RATES = [0.02, 0.1, 0.3]
const HOURS = [6, 24, 168]
/** Drawn: so high that losses can be counted. */
const DRAWN_RATES = [0.9, 0.99]
const DRAWN_STRIPE_YEARS = 200_000
/**
 * A grace of a day and half an hour to rebuild; and five minutes of silence in place of the grace.
 */
const DRAWN_HOURS = 24.5
const DRAWN_URGENT_HOURS = 0.6

/** The tables of docs/durability.md, in Markdown. */
export function* durabilityTables(): Generator<string> {
  yield row('code', 'machines lost for good in a year', ...HOURS.map((hours) => `${hours} h`))
  yield row(...Array.from({ length: HOURS.length + 2 }, () => '---'))
  for (const code of CODES) {
    for (const annualFailureRate of RATES) {
      const losses = HOURS.map((repairHours) =>
        annualLoss(code, { annualFailureRate, repairHours }),
      )
      yield row(nameOf(code), percent(annualFailureRate), ...losses.map(scientific))
    }
  }
  yield ''
  yield row('code', 'machines lost', 'computed', 'drawn as computed', 'with a grace', 'as nodes do')
  yield row(...Array.from({ length: 6 }, () => '---'))
  for (const code of CODES) {
    for (const annualFailureRate of DRAWN_RATES) yield drawnRow(code, annualFailureRate)
  }
}

function drawnRow(code: Code, annualFailureRate: number): string {
  const trial = {
    code,
    annualFailureRate,
    repairHours: DRAWN_HOURS,
    urgentHours: DRAWN_URGENT_HOURS,
  }
  const drawn = (['chain', 'grace', 'urgent'] as const).map((policy) => {
    const { lost, stripeYears } = measureLoss(trial, policy, DRAWN_STRIPE_YEARS, '1')
    return `${scientific(lost / stripeYears)} (${lost})`
  })
  const computed = scientific(1 / yearsToLoss(code, trial))
  return row(nameOf(code), percent(annualFailureRate), computed, ...drawn)
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function nameOf({ k, m }: Code): string {
  return `${k}+${m}`
}

function percent(share: number): string {
  return `${share * 100} %`
}

function scientific(value: number): string {
  return value.toExponential(1)
}
