// 100,000 random steps on files of a mount against a model of them, on one node, and on two that
// take turns: each shows at once what the other closed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { ModelRun } from '../mount/model.ts'
import { skip } from '../mount/mounted.ts'

const STEPS = 100_000
/** Several chunks of the usual size. */
const SIZE_MAX = 700_000
/** More than an open file keeps of its changes in memory. */
const LARGE: number = 24 * MIB
const LARGE_STEPS = 10_000
const SEED = Number(process.env['SHOAL_MODEL_SEED'] ?? 1)

for (const { steps, sizeMax } of [
  { steps: STEPS, sizeMax: SIZE_MAX },
  { steps: LARGE_STEPS, sizeMax: LARGE },
]) {
  test(
    `${steps} random steps on files of up to ${sizeMax} bytes on one node match the model`,
    { skip },
    async (t) => {
      t.diagnostic(`seed ${SEED}`)
      await using cluster = await TestCluster.start(1, { mounts: true })
      const [node] = cluster.nodes as [TestNode]
      let turns = 0
      const remount = async (mount: string): Promise<void> => {
        // What is closed outlives the node.
        if (++turns % 2 === 0) {
          await node.kill('SIGKILL')
          await node.start({ mount })
          return
        }
        await node.shoal('unmount', mount)
        await node.shoal('mount', mount)
      }
      const options = { seed: SEED, sizeMax, turnEvery: 2000, hasDirect: true, remount }
      await new ModelRun([node.mountFolder], options).run(steps)
    },
  )
}

test(`${STEPS} random steps on two nodes by turns match the model`, { skip }, async (t) => {
  await using cluster = await TestCluster.start(2, { mounts: true })
  const mounts = cluster.nodes.map(({ mountFolder }) => mountFolder)
  const remount = (): Promise<void> => assert.fail('the other takes its turn')
  t.diagnostic(`seed ${SEED}`)
  const model = new ModelRun(mounts, {
    seed: SEED,
    sizeMax: SIZE_MAX,
    turnEvery: 50,
    hasDirect: true,
    remount,
  })
  await model.run(STEPS)
  const seenMs = model.seenMs.sort((one, other) => one - other)
  const at = (part: number): string => (seenMs[Math.floor(seenMs.length * part)] ?? 0).toFixed(0)
  t.diagnostic(`closed files show after ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms`)
})
