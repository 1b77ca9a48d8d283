// A member that replaces or removes much at once: the others tell of it, what stood before is kept
// beyond the rule of the volume, brought back, and let go when an admin says so.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import { hasCode } from '../../../protocol/errors.ts'
import type { ActorId, NodeId } from '../../../protocol/ids.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { LossInfo } from '../../../node/control/losses.ts'
import { LossCounts } from '../../../node/volume/loss-counts.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { Clock } from '../../../node/world/world.ts'
import { namesIn, put, textOf, withMembers } from '../handlers/members.ts'

const FILES = 1_040

async function write(api: NodeApi, text: string, count = FILES): Promise<void> {
  for (let at = 0; at < count; at++) await put(api, `/d/${at}`, `${text} ${at}`)
}

/** Two checkpoints at least. */
async function settle(node: ClusterNode, clock: Clock, name: string): Promise<void> {
  for (let round = 0; round < 4; round++) {
    for (let at = 0; at < 25; at++)
      await node.ask((api) => put(api, `/settle/${name}${round}-${at}`, 'x'))
    await clock.sleep(30 * MINUTE_MS)
  }
}

function lossesOf(node: ClusterNode): Promise<readonly LossInfo[]> {
  return node.ask((api) => api.listLosses())
}

describe('a mass loss', () => {
  test('is told once, holds what stood before, is restored, and let go when it is dismissed', async () => {
    await withMembers(3, 1, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      await a.ask((api) =>
        api.setVolume('main', { versions: '1h:all', checkpoint: '20', trash: '1m' }),
      )
      await a.ask(async (api) => {
        await api.makeFolder('/d')
        await api.makeFolder('/settle')
        await write(api, 'first')
      })
      await clock.sleep(MINUTE_MS)
      await b.ask(async (api) => {
        await write(api, 'sealed, pay', FILES / 2)
        await api.remove('/d', { recursive: true })
      })
      await clock.sleep(MINUTE_MS)
      for (const node of nodes) {
        const losses = await lossesOf(node)
        assert.deepEqual(
          losses.map(({ member, volume }) => [member, volume]),
          [[b.name, 'main']],
        )
      }
      await settle(a, clock, 'kept')
      await b.ask((api) => assert.rejects(api.dismissLosses(), (error) => hasCode(error, 'EPERM')))
      const [loss] = await lossesOf(c)
      assert.ok(loss !== undefined)
      const done = await c.ask((api) => api.restore('main:/', { atMs: loss.atMs }))
      assert.equal(done.files, FILES)
      await clock.sleep(MINUTE_MS)
      assert.equal((await b.ask((api) => namesIn(api, '/d'))).length, FILES)
      for (const at of [0, 7, FILES - 1])
        assert.equal(await b.ask((api) => textOf(api, `/d/${at}`)), `first ${at}`)

      await a.ask((api) => api.remove('/d/7'))
      assert.equal((await a.ask((api) => api.dismissLosses())).length, 1)
      await settle(a, clock, 'gone')
      for (const node of nodes) {
        assert.deepEqual(await lossesOf(node), [])
        await assert.rejects(
          node.ask((api) => api.findVersion('/d/7', { atMs: loss.atMs })),
          (error) => hasCode(error, 'ENOENT'),
        )
      }
    })
  })

  test('is none when files are restored, nor below the share that the volume allows', async () => {
    await withMembers(3, 2, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.makeFolder('/d'))
      await a.ask((api) => api.setVolume('main', { 'mass-loss': '100%' }))
      await a.ask((api) => write(api, 'first'))
      await a.ask((api) => put(api, '/other', 'x'))
      await clock.sleep(MINUTE_MS)
      const atMs = clock.wall()
      await clock.sleep(MINUTE_MS)
      await b.ask((api) => write(api, 'second'))
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await lossesOf(a), [])
      await a.ask((api) => api.setVolume('main', { 'mass-loss': '10%' }))
      await clock.sleep(20 * MINUTE_MS)
      await a.ask((api) => api.restore('/d', { atMs }))
      await clock.sleep(MINUTE_MS)
      assert.equal(await b.ask((api) => textOf(api, '/d/5')), 'first 5')
      for (const node of [a, b]) assert.deepEqual(await lossesOf(node), [])
    })
  })
})

describe('the counts of losses', () => {
  const actor = 'a'.repeat(32) as ActorId
  const stampAt = (ms: number, by = actor): Stamp => makeStamp((BigInt(ms) << 16n) as Hlc, by, 0)
  const inode = 'f1' as NodeId

  test('leave out what was written since the first of them, and forget after ten minutes', () => {
    const counts = new LossCounts()
    const lose = (began: number, ended: number): number | undefined =>
      counts.add({ inode, began: stampAt(began), ended: stampAt(ended) })?.files
    const hour = 60 * MINUTE_MS
    assert.equal(lose(1, hour), 1)
    assert.equal(lose(2, hour + 5), 2)
    assert.equal(lose(hour + 1, hour + 9), undefined)
    assert.equal(lose(hour - 1, hour + MINUTE_MS), 3)
    assert.equal(lose(3, hour + 11 * MINUTE_MS), 2)
    assert.equal(lose(4, hour + 40 * MINUTE_MS), 1)
  })

  test('are of each member alone', () => {
    const counts = new LossCounts()
    const other = 'b'.repeat(32) as ActorId
    for (let ms = 100; ms < 110; ms++) counts.add({ inode, began: stampAt(1), ended: stampAt(ms) })
    assert.equal(counts.add({ inode, began: stampAt(1), ended: stampAt(120, other) })?.files, 1)
  })
})
