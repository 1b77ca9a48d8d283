// The simulation on a few seeds, and that its checkers see what they are for. Many seeds: npm run simulate.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CheckError, checkTrees, quiesce } from '../../simulations/checkers.ts'
import { Cluster } from '../../simulations/cluster.ts'
import { runSeed } from '../../simulations/scenario.ts'
import { Scheduler } from '../../simulations/scheduler.ts'

describe('five simulated nodes', () => {
  for (const seed of ['1', '2', '3']) {
    test(`are equal after writes on all sides of a cut, a crash and healing: seed ${seed}`, async () => {
      const { entryCount } = await runSeed(seed, { nodeCount: 5 })
      assert.ok(entryCount > 100, `${entryCount} entries`)
    })
  }

  test('do the same in every run of a seed, and something else for another', async () => {
    const [first, again, other] = [
      await runSeed('again', { nodeCount: 3 }),
      await runSeed('again', { nodeCount: 3 }),
      await runSeed('other', { nodeCount: 3 }),
    ]
    assert.deepEqual(again, first)
    assert.notEqual(other.traceHash, first.traceHash)
  })
})

describe('checkers', () => {
  test('nodes with logs of their own are never called quiet, and their trees differ', async () => {
    const scheduler = new Scheduler('strangers')
    const cluster = new Cluster(scheduler, { nodeCount: 2 })
    await scheduler.finish(
      Promise.all(
        cluster.nodes.map(async (node) => {
          await node.start()
          await node.ask((api) => api.makeFolder(`/${node.name}`))
        }),
      ),
    )
    await assert.rejects(scheduler.finish(quiesce(cluster)), CheckError)
    await assert.rejects(scheduler.finish(checkTrees(cluster.nodes)), CheckError)
    await scheduler.finish(cluster.stop())
  })
})
