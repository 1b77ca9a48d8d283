// 100,000 random steps on files of a mount against a model of them, on one node, and on two that take turns: each shows
// at once what the other closed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { ModelRun } from '../mount/model.ts'
import { skip } from '../mount/mounted.ts'

const STEPS = 100_000
const SEED = Number(process.env['SHOAL_MODEL_SEED'] ?? 1)

test(`${STEPS} random steps on one node`, { skip }, async (t) => {
  await using cluster = await TestCluster.start(1, { mounts: true })
  const [node] = cluster.nodes as [TestNode]
  let crashes = 0
  const remount = async (mount: string): Promise<void> => {
    // What is closed outlives the node.
    if (++crashes % 2 === 0) {
      await node.kill('SIGKILL')
      await node.start({ mount })
      return
    }
    await node.shoal('unmount', mount)
    await node.shoal('mount', mount)
  }
  t.diagnostic(`seed ${SEED}`)
  const options = { seed: SEED, turnEvery: 2000, hasDirect: true, remount }
  await new ModelRun([node.mountFolder], options).run(STEPS)
})

test(`${STEPS} random steps on two nodes by turns`, { skip }, async (t) => {
  await using cluster = await TestCluster.start(2, { mounts: true })
  const mounts = cluster.nodes.map(({ mountFolder }) => mountFolder)
  const remount = (): Promise<void> => assert.fail('the other takes its turn')
  t.diagnostic(`seed ${SEED}`)
  const model = new ModelRun(mounts, { seed: SEED, turnEvery: 50, hasDirect: true, remount })
  await model.run(STEPS)
  const seenMs = model.seenMs.sort((one, other) => one - other)
  const at = (part: number): string => (seenMs[Math.floor(seenMs.length * part)] ?? 0).toFixed(0)
  t.diagnostic(`closed files show after ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms`)
})
