// Members make the snapshots of a volume's schedule: one of them at a time, whoever runs.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { scheduledName } from '../../../protocol/op/snapshot-schedule.ts'
import { HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { SnapshotInfo } from '../../../node/control/snapshots.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import { put, withMembers } from '../handlers/members.ts'

async function listed(node: ClusterNode): Promise<readonly SnapshotInfo[]> {
  const all = await node.ask((api) => api.listSnapshots())
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

async function names(node: ClusterNode): Promise<string[]> {
  return (await listed(node)).map(({ name }) => name)
}

/** The names of the hours before a time, the last of which it lies in. */
function hours(count: number, endMs: WallTime): string[] {
  const ends = Array.from({ length: count }, (_, i) => endMs - (count - 1 - i) * HOUR_MS)
  return ends.map((ms) => scheduledName('hourly', ms as WallTime))
}

describe('scheduled snapshots', () => {
  test('are made once, by the next where one is away, and go when they are too many', async () => {
    await withMembers(3, 5, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      await a.ask((api) => put(api, '/f', 'first'))
      await a.ask((api) => api.setVolume('main', { snapshots: 'hourly:3,yearly:2' }))
      await clock.sleep(5 * HOUR_MS + 10 * MINUTE_MS)
      const yearly = scheduledName('yearly', clock.wall())
      for (const node of nodes)
        assert.deepEqual(await names(node), [...hours(3, clock.wall()), yearly])
      const makers = new Set((await listed(a)).map(({ author }) => author))
      assert.equal(makers.size, 1)
      const [maker] = nodes.filter(({ name }) => makers.has(name))
      assert(maker !== undefined)
      await maker.stop()
      const others = nodes.filter((node) => node !== maker)
      await clock.sleep(HOUR_MS)
      for (const node of others) {
        const all = await listed(node)
        assert.deepEqual(
          all
            .map(({ name }) => name)
            .filter((name) => name !== yearly)
            .at(-1),
          hours(1, clock.wall())[0],
        )
        assert.equal(all.findLast(({ name }) => name !== yearly)?.author === maker.name, false)
      }
      // All of what nobody made is made up by one.
      for (const node of others) await node.stop()
      await clock.sleep(6 * HOUR_MS)
      for (const node of nodes) await node.start()
      await clock.sleep(10 * MINUTE_MS)
      const now = hours(1, clock.wall())
      for (const node of [a, b, c]) {
        const all = await names(node)
        // Three of the admin, and one that another made while that was away.
        assert.equal(all.filter((name) => name.startsWith('hourly')).length, 4)
        assert.deepEqual(
          all.filter((name) => now.includes(name)),
          now,
        )
      }
    })
  })

  test('have names that nobody else can give, and end with the schedule', async () => {
    await withMembers(3, 6, async ({ nodes: [a], clock }) => {
      await a.ask((api) => api.setVolume('main', { snapshots: 'hourly:2' }))
      await clock.sleep(10 * MINUTE_MS)
      const made = await names(a)
      assert.equal(made.length, 1)
      const name = scheduledName('weekly', clock.wall())
      await assert.rejects(
        a.ask((api) => api.createSnapshot('/', { name })),
        (error) => hasCode(error, 'usage'),
      )
      await assert.rejects(
        a.ask((api) => api.setVolume('main', { snapshots: 'daily:x' })),
        (error) => hasCode(error, 'usage'),
      )
      await a.ask((api) => api.setVolume('main', { snapshots: 'off' }))
      await clock.sleep(10 * HOUR_MS)
      assert.deepEqual(await names(a), made)
    })
  })

  test('are made by the voters of a strong volume', async () => {
    await withMembers(3, 7, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.setVolume('main', { consistency: 'strong', snapshots: 'hourly:2' }))
      await clock.sleep(2 * HOUR_MS + 10 * MINUTE_MS)
      for (const node of [a, b]) assert.deepEqual(await names(node), hours(2, clock.wall()))
    })
  })
})
