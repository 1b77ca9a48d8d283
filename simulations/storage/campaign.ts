// Many seeds of a swarm that stores, over as many threads as are asked for: a line for each, the
// command that repeats each that fails, and what all of them together cost beside the least.
import { ShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { Performer } from '../performer.ts'
import { STORAGE_MUTATIONS } from './mutations.ts'
import { planOf } from './plan.ts'
import { storageScenarioNamed } from './scenario.ts'
import type { Failure, RequestOptions } from '../performer.ts'
import type { StoragePlan } from './plan.ts'
import type { StorageScenario } from './scenario.ts'
import type { YearResult } from './year.ts'

export interface StorageCampaign extends RequestOptions {
  readonly scenario: StorageScenario
  readonly seeds: readonly string[]
  readonly jobs: number
  readonly mutation?: string | undefined
  /** The arguments of npm run simulate that repeat a run, besides the seed. */
  readonly repeat: string
}

type Work = Performer<StoragePlan, YearResult>

/** Run all seeds. returns whether all passed. */
export async function runStorageCampaign(options: StorageCampaign): Promise<boolean> {
  const { scenario, seeds, jobs, mutation, repeat } = options
  const queue = [...seeds]
  const results: YearResult[] = []
  const failed: string[] = []
  const work = async (performer: Work): Promise<void> => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const outcome = await performer.perform(planOf(seed, scenario), options)
      const took = `${(outcome.tookMs / SECOND_MS).toFixed(1)} s`
      if (outcome.kind === 'passed') {
        results.push(outcome.result)
        console.log(`seed ${seed}: ${describe(outcome.result)}, ${took}`)
        continue
      }
      failed.push(seed)
      console.log(`seed ${seed} FAILED after ${took}: ${outcome.message}`)
      console.log(`  repeat: npm run simulate -- --seed ${seed}${repeat}`)
    }
  }
  await withPerformers(Math.min(jobs, seeds.length), mutation, work)
  if (seeds.length > 1) console.log(`${results.length} of ${seeds.length} seeds passed`)
  if (results.length > 1) console.log(describeAll(results))
  if (failed.length > 0 && seeds.length > 1) console.log(`failed: ${failed.join(' ')}`)
  return failed.length === 0
}

/** Each mutation must be caught within its number of seeds. returns whether all were. */
export async function runStorageMutations(jobs: number): Promise<boolean> {
  let missedCount = 0
  for (const { fault, scenario: scenarioName, caughtWithinSeeds } of STORAGE_MUTATIONS) {
    const scenario = storageScenarioNamed(scenarioName)
    if (scenario === undefined) throw new ShoalError('usage', `${scenarioName} is not of storage`)
    const options = { scenario, mutation: fault, jobs }
    const caught = await firstStorageFailure(options, caughtWithinSeeds)
    if (caught === undefined) missedCount++
    const how =
      caught === undefined
        ? `NOT caught within ${caughtWithinSeeds} seeds`
        : `caught by seed ${caught.seed} (within ${caughtWithinSeeds}): ${caught.failure.invariant}`
    console.log(`${fault} (${scenarioName}): ${how}`)
  }
  const count = STORAGE_MUTATIONS.length
  console.log(`${count - missedCount} of ${count} mutations were caught`)
  return missedCount === 0
}

/** The first of seeds 1 to `seedCount` that fails, with what it breaks; undefined if none does. */
export async function firstStorageFailure(
  options: Pick<StorageCampaign, 'scenario' | 'mutation' | 'jobs'>,
  seedCount: number,
): Promise<{ readonly seed: number; readonly failure: Failure } | undefined> {
  const { scenario, mutation, jobs } = options
  const found: { readonly seed: number; readonly failure: Failure }[] = []
  let next = 1
  const work = async (performer: Work): Promise<void> => {
    while (next <= seedCount && found.length === 0) {
      const seed = next++
      const outcome = await performer.perform(planOf(String(seed), scenario))
      if (outcome.kind === 'failed') found.push({ seed, failure: outcome })
    }
  }
  await withPerformers(jobs, mutation, work)
  return found.toSorted((a, b) => a.seed - b.seed)[0]
}

async function withPerformers(
  count: number,
  mutation: string | undefined,
  work: (performer: Work) => Promise<void>,
): Promise<void> {
  const url = new URL('./seed-worker.ts', import.meta.url)
  const performers = Array.from({ length: count }, (): Work => new Performer(mutation, url))
  try {
    await Promise.all(performers.map(work))
  } finally {
    await Promise.all(performers.map((performer) => performer.close()))
  }
}

/** One line. */
function describe(result: YearResult): string {
  const { stepCount, stripeCount, lostCount, repairedCount, eventCount, traceHash } = result
  return (
    `${stepCount} steps, ${stripeCount} stripes, ${lostCount} excusably lost, ${repairedCount} shards repaired, ` +
    `${costOf([result])}, ${eventCount} events, trace ${traceHash.slice(0, 16)}`
  )
}

function describeAll(results: readonly YearResult[]): string {
  const sum = (of: (result: YearResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0)
  const repaired = sum(({ repairedCount }) => repairedCount)
  const needless = sum(({ needlessCount }) => needlessCount)
  const lost = sum(({ lostCount }) => lostCount)
  return (
    `all: ${lost} excusable losses, ${repaired} shards repaired and ${needless} ` +
    `needlessly, ${costOf(results)}`
  )
}

/** The traffic beside the least that was needed. */
function costOf(results: readonly YearResult[]): string {
  const ratio = (
    of: (result: YearResult) => number,
    to: (result: YearResult) => number,
  ): string => {
    const due = results.reduce((total, result) => total + to(result), 0)
    const done = results.reduce((total, result) => total + of(result), 0)
    return due === 0 ? `${done}` : (done / due).toFixed(2)
  }
  const repairs = ratio(
    (result) => result.repairShards,
    (result) => result.leastRepairShards,
  )
  const moves = ratio(
    (result) => result.movedCount,
    (result) => result.movesDue,
  )
  return `repairs ${repairs} and moves ${moves} times the least`
}
