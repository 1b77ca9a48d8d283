// Many seeds, over as many threads as are asked for: a line for each, and for each kind of failure
// the command that repeats it and the least script that does. Then which interesting states were
// come to, and which were not.
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HOUR_MS, SECOND_MS } from '../protocol/units.ts'
import { Performer } from './performer.ts'
import { planOf } from './plan.ts'
import { describeStep, saveScript } from './script.ts'
import { shrink } from './shrink.ts'
import { Sightings } from './sightings.ts'
import { UnluckyTally } from './unlucky-tally.ts'
import type { InvariantId } from './check-error.ts'
import type { Failure, Outcome, RequestOptions } from './performer.ts'
import type { RunResult } from './perform.ts'
import type { Scenario } from './scenario.ts'
import type { Script } from './script.ts'

export interface CampaignOptions extends RequestOptions {
  readonly scenario: Scenario
  readonly seeds: readonly string[]
  readonly jobs: number
  readonly mutation?: string | undefined
  /** The arguments of npm run simulate that repeat a run, besides the seed. */
  readonly repeat: string
  readonly shrinks: boolean
}

export interface Summary {
  readonly passedCount: number
  readonly failedSeeds: readonly string[]
  readonly sightings: Sightings
  readonly luck: UnluckyTally
}

interface Run {
  readonly seed: string
  readonly script: Script
}

/** Run all seeds, in order as threads come free. */
export async function runCampaign(options: CampaignOptions): Promise<Summary> {
  const campaign = new Campaign(options)
  return await campaign.run()
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #performers: readonly Performer[]
  readonly #queue: Run[]
  readonly #sightings = new Sightings()
  readonly #luck = new UnluckyTally()
  readonly #failedSeeds: string[] = []
  /** The first failure of each kind. */
  readonly #failures = new Map<InvariantId, readonly [run: Run, failure: Failure]>()
  #passedCount = 0

  constructor(options: CampaignOptions) {
    const { scenario, seeds, jobs, mutation } = options
    this.#options = options
    this.#queue = seeds.map((seed) => ({ seed, script: planOf(seed, scenario) }))
    const threads = Math.min(jobs, seeds.length)
    this.#performers = Array.from({ length: threads }, () => new Performer(mutation))
  }

  async run(): Promise<Summary> {
    try {
      await Promise.all(this.#performers.map((performer) => this.#work(performer)))
      for (const [run, failure] of this.#failures.values()) await this.#explain(run, failure)
    } finally {
      await Promise.all(this.#performers.map((performer) => performer.close()))
    }
    const [passedCount, failedSeeds] = [this.#passedCount, this.#failedSeeds]
    return { passedCount, failedSeeds, sightings: this.#sightings, luck: this.#luck }
  }

  async #work(performer: Performer): Promise<void> {
    for (let run = this.#queue.shift(); run !== undefined; run = this.#queue.shift()) {
      const outcome = await performer.perform(run.script, this.#options)
      this.#note(run, outcome)
    }
  }

  #note(run: Run, outcome: Outcome): void {
    if (outcome.kind === 'passed') {
      this.#passedCount++
      this.#sightings.merge(outcome.result.sightings)
      this.#luck.merge(outcome.result.unlucky)
      console.log(describeResult(run.seed, outcome.result, outcome.tookMs))
      return
    }
    this.#failedSeeds.push(run.seed)
    console.log(`seed ${run.seed} FAILED after ${seconds(outcome.tookMs)}: ${outcome.message}`)
    console.log(`  repeat: npm run simulate -- --seed ${run.seed}${this.#options.repeat}`)
    if (!this.#failures.has(outcome.invariant)) {
      this.#failures.set(outcome.invariant, [run, outcome])
    }
  }

  /** Shrink a script that failed, show what is left, and keep it in a file. */
  async #explain({ seed, script }: Run, failure: Failure): Promise<void> {
    const [performer] = this.#performers
    if (!this.#options.shrinks || performer === undefined) return
    console.log(`shrinking seed ${seed} (${failure.invariant}) ...`)
    const shrunk = await shrink(script, failure, (smaller) => performer.perform(smaller))
    if (shrunk === undefined) return console.log('the failure did not recur')
    const { steps } = shrunk.script
    const file = join(tmpdir(), `shoal-simulation-${script.scenario}-${seed}.json`)
    saveScript(file, shrunk.script)
    const counts = `${steps.length} of ${failure.decided.length} steps after ${shrunk.runCount} runs`
    console.log(`seed ${seed}, ${counts}: ${shrunk.message.split('\n')[0] ?? ''}`)
    for (const step of steps) console.log(describeStep(step))
    const mutation = this.#options.mutation
    const flag = mutation === undefined ? '' : ` --mutation "${mutation}"`
    console.log(`  repeat: npm run simulate -- --script ${file}${flag}`)
  }
}

/** One line. */
export function describeResult(seed: string, result: RunResult, tookMs: number): string {
  const { virtualMs, opCount, refusedCount, entryCount, eventCount, traceHash } = result
  return (
    `seed ${seed}: ${(virtualMs / HOUR_MS).toFixed(1)} h virtual, ` +
    `${opCount} ops (${refusedCount} refused), ` +
    `${entryCount} entries, ${eventCount} events, trace ${traceHash.slice(0, 16)}, ${seconds(tookMs)}`
  )
}

function seconds(ms: number): string {
  return `${(ms / SECOND_MS).toFixed(1)} s`
}

/** The first of seeds 1 to `seedCount` that fails, with what it breaks; undefined if none does. */
export async function firstFailure(
  options: Pick<CampaignOptions, 'scenario' | 'jobs' | 'mutation'>,
  seedCount: number,
  firstSeed = 1,
): Promise<{ readonly seed: number; readonly failure: Failure } | undefined> {
  const { scenario, jobs, mutation } = options
  const performers = Array.from({ length: jobs }, () => new Performer(mutation))
  let next = firstSeed
  const found: { readonly seed: number; readonly failure: Failure }[] = []
  const work = async (performer: Performer): Promise<void> => {
    while (next < firstSeed + seedCount && found.length === 0) {
      const seed = next++
      const outcome = await performer.perform(planOf(String(seed), scenario))
      if (outcome.kind === 'failed') found.push({ seed, failure: outcome })
    }
  }
  try {
    await Promise.all(performers.map(work))
    return found.toSorted((a, b) => a.seed - b.seed)[0]
  } finally {
    await Promise.all(performers.map((performer) => performer.close()))
  }
}
