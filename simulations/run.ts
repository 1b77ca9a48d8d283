// npm run simulate: seeds of a scenario, a script, or the list of mutations. Exit code: 0 all
// passed (of the mutations: all were caught), 1 one failed, 2 wrong usage.
import { parseArgs } from 'node:util'
import { ShoalError } from '../protocol/errors.ts'
import { describeResult, firstFailure, runCampaign } from './campaign.ts'
import { MUTATIONS, faultNamed } from './mutations.ts'
import { ATTACKED, runHostileCampaign, runWeaknesses } from './hostile/campaign.ts'
import { Performer } from './performer.ts'
import { listScenarios, scenarioNamed } from './scenario.ts'
import { loadScript } from './script.ts'
import { runStorageCampaign, runStorageMutations } from './storage/campaign.ts'
import { durabilityTables } from './storage/durability.ts'
import { STORAGE_MUTATIONS } from './storage/mutations.ts'
import { listStorageScenarios, storageScenarioNamed } from './storage/scenario.ts'
import type { CampaignOptions } from './campaign.ts'
import type { Scenario } from './scenario.ts'
import type { StorageScenario } from './storage/scenario.ts'

const USAGE = `npm run simulate -- [--seed S | --seeds A..B] [--scenario NAME] [--nodes N] [--hours H]
                    [--jobs J] [--mutation NAME] [--verbose] [--trace] [--no-shrink]
npm run simulate -- --script FILE [--mutation NAME] [--verbose] [--trace]
npm run simulate -- --mutations [--scenario storage]
npm run simulate -- --scenario hostile [--seed S | --seeds A..B] [--without CHECK] [--jobs J]
                    [--verbose] [--trace]
npm run simulate -- --weaknesses
npm run simulate -- --durability
  --seed S          run one seed: a number or any text (default 1)
  --seeds A..B      run all seeds from A to B
  --scenario NAME   scenario (default: default). Of whole nodes:
${listScenarios()}
                    of shards and repair, a year each:
${listStorageScenarios()}
                    of members that lie:
  hostile         three honest members and one that tampers, attacks, floods or rolls back
  --nodes N         number of nodes, at least 2 (default: set by the scenario)
  --hours H         virtual duration (default: set by the scenario)
  --jobs J          number of threads (default 2)
  --script FILE     run a saved script, such as that of a failed seed
  --mutation NAME   run with a planted fault
  --mutations       run each planted fault until it is caught
  --without CHECK   in 'hostile', leave out a check of docs/security.md, which must be noticed
  --weaknesses      leave out each of these checks in turn
  --durability      print the probability of losing stripes, computed and simulated
  --verbose         print the faults and the nodes' log lines
  --trace           print every event, to compare two runs of a seed
  --no-shrink       do not look for the shortest script that fails as well`

const OPTIONS = {
  seed: { type: 'string' },
  seeds: { type: 'string' },
  scenario: { type: 'string', default: 'default' },
  nodes: { type: 'string' },
  hours: { type: 'string' },
  jobs: { type: 'string', default: '2' },
  script: { type: 'string' },
  mutation: { type: 'string' },
  mutations: { type: 'boolean', default: false },
  without: { type: 'string' },
  weaknesses: { type: 'boolean', default: false },
  durability: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  trace: { type: 'boolean', default: false },
  'no-shrink': { type: 'boolean', default: false },
} as const

/** The number of seeds after which every interesting state must have occurred. */
const SEEDS_FOR_SIGHTINGS = 100

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const { values } = parseArgs({ options: OPTIONS })
    if (values.durability) {
      for (const line of durabilityTables()) console.log(line)
      return 0
    }
    if (values.weaknesses) return (await runWeaknesses(count(values.jobs, '--jobs', 1))) ? 0 : 1
    if (values.scenario === 'hostile') return (await runHostile(values)) ? 0 : 1
    const storage = storageScenarioNamed(values.scenario)
    if (storage !== undefined) return (await runStorage(storage, values)) ? 0 : 1
    if (values.mutation !== undefined) faultNamed(values.mutation)
    if (values.mutations) return await runMutations(count(values.jobs, '--jobs', 1))
    return values.script === undefined
      ? await runSeeds(values)
      : await runScript(values.script, values)
  } catch (error) {
    const isUsage = error instanceof TypeError || error instanceof ShoalError
    console.error(isUsage ? `${error.message}\n\n${USAGE}` : error)
    return 2
  }
}

async function runSeeds(values: Values): Promise<number> {
  const options = campaignOf(values)
  const { passedCount, failedSeeds, sightings, luck } = await runCampaign(options)
  if (options.seeds.length === 1) return failedSeeds.length
  console.log(`${passedCount} of ${options.seeds.length} seeds passed`)
  if (failedSeeds.length > 0) console.log(`failed: ${failedSeeds.join(' ')}`)
  const { cold, name } = options.scenario
  const isWhole = (name === 'default' || cold) && passedCount >= SEEDS_FOR_SIGHTINGS
  const seen = Object.entries(sightings.counts()).map(([what, number]) => `${what} ${number}`)
  console.log(`seen: ${seen.join(', ')}`)
  const missing = sightings.missing({ cold })
  if (missing.length > 0) console.log(`never seen: ${missing.join(', ')}`)
  console.log(`never unlucky: ${luck.lucky().join(', ')}`)
  return failedSeeds.length > 0 || (isWhole && missing.length > 0) ? 1 : 0
}

/** returns whether all passed, or all mutations were caught. */
async function runStorage(named: StorageScenario, values: Values): Promise<boolean> {
  const jobs = values.verbose || values.trace ? 1 : count(values.jobs, '--jobs', 1)
  if (values.mutations) return await runStorageMutations(jobs)
  if (values.script !== undefined) throw new ShoalError('usage', 'storage has no scripts')
  const { mutation, nodes, hours } = values
  if (mutation !== undefined) faultNamed(mutation, STORAGE_MUTATIONS)
  const scenario: StorageScenario = {
    ...named,
    ...(nodes === undefined ? {} : { nodeCount: count(nodes, '--nodes', 2) }),
    ...(hours === undefined ? {} : { days: count(hours, '--hours', 1) / 24 }),
  }
  const repeat = repeatOf(values)
  return await runStorageCampaign({
    scenario,
    seeds: seedsOf(values),
    jobs,
    mutation,
    repeat,
    ...outputOf(values),
  })
}

async function runScript(file: string, values: Values): Promise<number> {
  const performer = new Performer(values.mutation)
  try {
    const script = loadScript(file)
    const outcome = await performer.perform(script, outputOf(values))
    if (outcome.kind === 'passed') {
      console.log(describeResult(script.seed, outcome.result, outcome.tookMs))
      return 0
    }
    console.log(`FAILED: ${outcome.message}`)
    return 1
  } finally {
    await performer.close()
  }
}

/**
 * Each mutation must be caught within its number of seeds, in a scenario that passes without one.
 */
async function runMutations(jobs: number): Promise<number> {
  for (const scenario of new Set(MUTATIONS.map((mutation) => mutation.scenario))) {
    const plain = { scenario: scenarioNamed(scenario), jobs: 1, mutation: undefined }
    const failed = await firstFailure(plain, 1)
    if (failed === undefined) continue
    console.log(`${scenario} fails with no mutation: ${failed.failure.message}`)
    return 1
  }
  let missedCount = 0
  for (const { fault, scenario, caughtWithinSeeds } of MUTATIONS) {
    const options = { scenario: scenarioNamed(scenario), jobs, mutation: fault }
    const caught = await firstFailure(options, caughtWithinSeeds)
    if (caught === undefined) missedCount++
    const how =
      caught === undefined
        ? `NOT caught within ${caughtWithinSeeds} seeds`
        : `caught by seed ${caught.seed} (within ${caughtWithinSeeds}): ${caught.failure.invariant}`
    console.log(`${fault} (${scenario}): ${how}`)
  }
  console.log(`${MUTATIONS.length - missedCount} of ${MUTATIONS.length} mutations were caught`)
  return missedCount === 0 ? 0 : 1
}

async function runHostile(values: Values): Promise<boolean> {
  const planted = ATTACKED.find((rule) => rule === values.without)
  if (planted !== values.without)
    throw new ShoalError('usage', `--without is one of ${ATTACKED.join(', ')}`)
  const jobs = values.verbose || values.trace ? 1 : count(values.jobs, '--jobs', 1)
  return await runHostileCampaign({ seeds: seedsOf(values), jobs, planted, ...outputOf(values) })
}

function campaignOf(values: Values): CampaignOptions {
  const named = scenarioNamed(values.scenario)
  const scenario: Scenario = {
    ...named,
    ...(values.nodes === undefined ? {} : { nodeCount: count(values.nodes, '--nodes', 2) }),
    ...(values.hours === undefined ? {} : { hours: Number(values.hours) }),
  }
  if (!(scenario.hours > 0)) throw new ShoalError('usage', '--hours is a number above 0')
  const { mutation } = values
  const repeat = repeatOf(values)
  const seeds = seedsOf(values)
  const jobs = values.verbose || values.trace ? 1 : count(values.jobs, '--jobs', 1)
  const shrinks = !values['no-shrink']
  return { scenario, seeds, jobs, mutation, repeat, shrinks, ...outputOf(values) }
}

/** The arguments that repeat a run, besides its seed. */
function repeatOf(values: Values): string {
  return (['scenario', 'nodes', 'hours', 'mutation'] as const)
    .filter((name) => values[name] !== undefined && values[name] !== 'default')
    .map((name) => ` --${name} "${values[name] ?? ''}"`)
    .join('')
}

function outputOf({ verbose, trace }: Values): Pick<CampaignOptions, 'tells' | 'records'> {
  return { tells: verbose, records: trace }
}

function seedsOf({ seed, seeds }: Values): readonly string[] {
  if (seeds === undefined) return [seed ?? '1']
  const match = /^(\d+)\.\.(\d+)$/.exec(seeds)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (seed !== undefined || match === null || last < first)
    throw new ShoalError('usage', '--seeds A..B, without --seed')
  return Array.from({ length: last - first + 1 }, (_, index) => String(first + index))
}

function count(text: string, flag: string, least: number): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= least) return number
  throw new ShoalError('usage', `${flag} is a whole number from ${least} on`)
}
