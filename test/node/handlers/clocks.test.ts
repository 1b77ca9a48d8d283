// Machines whose clocks are wrong by hours: all see what each writes, and are told whose it is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import { put, namesIn, withMembers } from './members.ts'
import type { Notice } from '../../../node/control/status.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

describe('a clock that is wrong', () => {
  for (const byMs of [HOUR_MS, -HOUR_MS])
    test(`by ${byMs / HOUR_MS} h on one of three machines keeps nothing from anybody`, async () => {
      await withMembers(3, 1, async ({ nodes, clock }) => {
        const [wrong, ...others] = nodes
        wrong.machine.wallError.jump(byMs)
        await clock.sleep(10 * MINUTE_MS)
        for (const node of nodes) await node.ask((api) => put(api, `/by ${node.name}`, 'x'))
        await clock.sleep(MINUTE_MS)
        for (const node of nodes)
          assert.deepEqual((await node.ask((api) => namesIn(api, '/'))).toSorted(), [
            'by n0',
            'by n1',
            'by n2',
          ])
        assert.deepEqual(await clocks(wrong), [`${wrong.name} ${byMs / HOUR_MS} h`])
        for (const node of others)
          assert.deepEqual(await clocks(node), [`${wrong.name} ${byMs / HOUR_MS} h`])
        wrong.machine.wallError.jump(-byMs)
        await clock.sleep(10 * MINUTE_MS)
        for (const node of nodes) assert.deepEqual(await clocks(node), [])
      })
    })

  test('on one of two machines: the one that is behind goes with the other', async () => {
    await withMembers(2, 2, async ({ nodes, clock }) => {
      const [ahead, right] = nodes
      ahead.machine.wallError.jump(5 * HOUR_MS)
      await clock.sleep(10 * MINUTE_MS)
      for (const node of [ahead, right]) await node.ask((api) => put(api, `/by ${node.name}`, 'x'))
      await clock.sleep(MINUTE_MS)
      for (const node of [ahead, right])
        assert.equal((await node.ask((api) => namesIn(api, '/'))).length, 2)
      assert.deepEqual(await clocks(ahead), [`${right.name} -5 h`])
      assert.deepEqual(await clocks(right), [`${ahead.name} 5 h`])
    })
  })

  test('by more than a day on one of two machines: its changes wait, and are told of', async () => {
    await withMembers(2, 3, async ({ nodes, clock }) => {
      const [ahead, right] = nodes
      ahead.machine.wallError.jump(30 * HOUR_MS)
      await ahead.ask((api) => put(api, '/tomorrow', 'x'))
      await clock.sleep(10 * MINUTE_MS)
      assert.deepEqual(await right.ask((api) => namesIn(api, '/')), [])
      const waiting = (await notices(right)).find(({ kind }) => kind === 'future')
      assert.equal(waiting?.member, ahead.name)
      assert(waiting.count !== undefined && waiting.count > 0 && waiting.inMs !== undefined)
      assert(waiting.inMs > DAY_MS && waiting.inMs < 30 * HOUR_MS)
      right.machine.wallError.jump(30 * HOUR_MS)
      await clock.sleep(2 * MINUTE_MS)
      assert.deepEqual(await right.ask((api) => namesIn(api, '/')), ['tomorrow'])
    })
  })
})

async function notices(node: ClusterNode): Promise<readonly Notice[]> {
  return (await node.ask((api) => api.status())).notices
}

async function clocks(node: ClusterNode): Promise<string[]> {
  return (await notices(node))
    .filter(({ kind }) => kind === 'clock')
    .map(({ member, aheadMs = 0 }) => `${member} ${Math.round(aheadMs / HOUR_MS)} h`)
}
