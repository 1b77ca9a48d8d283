// The simulation on a few seeds, and that its checkers find the faults they are for. Many seeds:
// npm run simulate.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { CheckError } from '../../simulations/check-error.ts'
import { checkTrees, quiesce } from '../../simulations/checkers.ts'
import { Cluster } from '../../simulations/cluster.ts'
import { perform } from '../../simulations/perform.ts'
import { planOf } from '../../simulations/plan.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { loadScript, saveScript } from '../../simulations/script.ts'
import type { Scenario } from '../../simulations/scenario.ts'
import type { Script, Step } from '../../simulations/script.ts'

/** All faults, in a part of the time of the default. */
const SHORT: Scenario = { ...scenarioNamed('default'), nodeCount: 5, hours: 3, sessions: 3 }
const TINY: Scenario = { ...SHORT, nodeCount: 3, hours: 1, sessions: 2, duels: 0.3 }

describe('simulated nodes', () => {
  for (const seed of ['1']) {
    test(`simulated nodes hold all invariants through all faults: seed ${seed}`, async () => {
      const { entryCount } = await perform(planOf(seed, SHORT))
      assert.ok(entryCount > 50, `${entryCount} entries`)
    })
  }

  test('simulated nodes answer strong calls like a single copy', async () => {
    const strong = { ...scenarioNamed('strong'), hours: 1, sessions: 1 }
    const { opCount, refusedCount } = await perform(planOf('1', strong))
    assert.ok(opCount - refusedCount > 20, `${opCount} ops, ${refusedCount} refused`)
  })

  test('simulated nodes do the same in every run of a seed, and differ for another', async () => {
    const first = await perform(planOf('again', TINY))
    assert.deepEqual(await perform(planOf('again', TINY)), first)
    const other = await perform(planOf('other', TINY))
    assert.notEqual(other.traceHash, first.traceHash)
  })

  test('simulated nodes repeat a run from a saved script of what was decided', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-script-'))
    try {
      const decided: Step[] = []
      const script = planOf('script', TINY)
      const first = await perform(script, { decided: (step) => decided.push(step) })
      const file = join(folder, 'script.json')
      const again: Script = { ...script, steps: decided }
      saveScript(file, again)
      assert.deepEqual(loadScript(file), again)
      const { opCount, refusedCount } = await perform(loadScript(file))
      assert.deepEqual([opCount, refusedCount], [first.opCount, first.refusedCount])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('checkers', () => {
  test('nodes with separate logs never become quiet, and their trees differ', async () => {
    const scheduler = new Scheduler('strangers')
    const cluster = new Cluster(scheduler, { nodeCount: 2 })
    const work = Promise.all(
      cluster.nodes.map(async (node) => {
        await node.start()
        await node.ask((api) => api.makeFolder(`/${node.name}`))
        node.isMember = true
      }),
    )
    await scheduler.finish(work)
    await assert.rejects(scheduler.finish(quiesce(cluster)), CheckError)
    await assert.rejects(scheduler.finish(checkTrees(cluster.nodes)), CheckError)
    await scheduler.finish(cluster.stop())
  })
})
