// Many seeds of members that lie: a line for each, and the command that repeats each that fails.
// And the other way round: each check that is left out must be missed.
import type { TrustRule } from '../../protocol/trust.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { Performer } from '../performer.ts'
import type { Failure, RequestOptions } from '../performer.ts'
import { ATTACKS } from './attacks.ts'
import { planOf } from './plan.ts'
import type { HostilePlan } from './plan.ts'
import type { HostileResult } from './run.ts'

export interface HostileCampaign extends RequestOptions {
  readonly seeds: readonly string[]
  readonly jobs: number
  /** A check that is not made. */
  readonly planted?: TrustRule | undefined
}

type Work = Performer<HostilePlan, HostileResult>

/** Seeds within which a check that is not made must be missed. */
const MISSED_WITHIN = 6

/** Rows of the table that are attacked. */
export const ATTACKED: readonly TrustRule[] = [...new Set(ATTACKS.flatMap(({ rule = [] }) => rule))]

/** Run all seeds. returns whether all passed. */
export async function runHostileCampaign(options: HostileCampaign): Promise<boolean> {
  const { seeds, jobs, planted } = options
  const queue = [...seeds]
  const failed: string[] = []
  let attackCount = 0
  await withPerformers(Math.min(jobs, seeds.length), async (performer) => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const plan = planOf(seed, planted)
      const outcome = await performer.perform(plan, options)
      const took = `${(outcome.tookMs / SECOND_MS).toFixed(1)} s`
      if (outcome.kind === 'passed') {
        attackCount += outcome.result.attackCount
        console.log(`seed ${seed}: ${describe(plan, outcome.result)}, ${took}`)
        continue
      }
      failed.push(seed)
      console.log(`seed ${seed} FAILED after ${took}: ${outcome.message}`)
      console.log(`  a ${plan.character}: ${plan.attacks.join('; ')}`)
      const without = planted === undefined ? '' : ` --without ${planted}`
      console.log(`  repeat: npm run simulate -- --scenario hostile --seed ${seed}${without}`)
    }
  })
  if (seeds.length > 1)
    console.log(
      `${seeds.length - failed.length} of ${seeds.length} seeds passed, ${attackCount} attacks`,
    )
  if (failed.length > 0 && seeds.length > 1) console.log(`failed: ${failed.join(' ')}`)
  return failed.length === 0
}

/**
 * Each check that is not made must be missed, where nothing fails with all of them. returns whether
 * all were.
 */
export async function runWeaknesses(jobs: number): Promise<boolean> {
  const failed = await firstHostileFailure(undefined, 1, 1)
  if (failed !== undefined) {
    console.log(`with all checks: ${failed.failure.message}`)
    return false
  }
  let unseen = 0
  for (const rule of ATTACKED) {
    const caught = await firstHostileFailure(rule, jobs)
    if (caught === undefined) unseen++
    const how =
      caught === undefined
        ? `NOT missed within ${MISSED_WITHIN} seeds`
        : `missed by seed ${caught.seed}: ${caught.failure.invariant}`
    console.log(`without ${rule}: ${how}`)
  }
  console.log(`${ATTACKED.length - unseen} of ${ATTACKED.length} weaknesses were caught`)
  return unseen === 0
}

/**
 * The first of a few seeds that fails without a check, with what it breaks; undefined if none does.
 */
export async function firstHostileFailure(
  rule: TrustRule | undefined,
  jobs: number,
  seedCount: number = MISSED_WITHIN,
): Promise<{ readonly seed: number; readonly failure: Failure } | undefined> {
  const found: { readonly seed: number; readonly failure: Failure }[] = []
  let next = 1
  await withPerformers(jobs, async (performer) => {
    while (next <= seedCount && found.length === 0) {
      const seed = next++
      const outcome = await performer.perform(planOf(String(seed), rule))
      if (outcome.kind === 'failed') found.push({ seed, failure: outcome })
    }
  })
  return found.toSorted((a, b) => a.seed - b.seed)[0]
}

async function withPerformers(
  count: number,
  work: (performer: Work) => Promise<void>,
): Promise<void> {
  const url = new URL('./seed-worker.ts', import.meta.url)
  const performers = Array.from({ length: count }, (): Work => new Performer(undefined, url))
  try {
    await Promise.all(performers.map(work))
  } finally {
    await Promise.all(performers.map((performer) => performer.close()))
  }
}

/** One line. */
function describe({ character, role }: HostilePlan, result: HostileResult): string {
  const { attackCount, tamperedCount, fileCount, eventCount, traceHash } = result
  return (
    `a ${character} (${role}), ${attackCount} attacks, ` +
    `${tamperedCount} messages tampered with, ${fileCount} files kept, ` +
    `${eventCount} events, trace ${traceHash.slice(0, 16)}`
  )
}
