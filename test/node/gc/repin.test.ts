// Pins on simulated machines: the redundancy class of a folder, for existing and later files.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { KIB, MINUTE_MS } from '../../../protocol/units.ts'
import { pinsOf } from '../handlers/pins-of.ts'
import {
  checkAll,
  collectGarbage,
  contentOf,
  put,
  volumeOf,
  withoutHistory,
} from './garbage-world.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

const FILE_BYTES = 400 * KIB

describe('pins', () => {
  test('files in a pinned folder are repacked, and those outside are not', async () => {
    await withoutHistory(3, 1, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) => api.setVolume('main', { trash: '1m' }))
      await a.ask((api) => api.makeFolder('/safe/deep', { parents: true }))
      await a.ask((api) => put(api, '/safe/deep/one', contentOf(1, FILE_BYTES)))
      await a.ask((api) => api.settle('placed'))
      await a.ask((api) => put(api, '/other', contentOf(2, FILE_BYTES)))
      await a.ask((api) => api.settle('placed'))
      const before = await collected(nodes, clock)
      await b.ask((api) => api.addPin('/safe', { class: 'copies3' }))
      await clock.sleep(MINUTE_MS)
      await checkAll(nodes)
      const after = await collected(nodes, clock)
      // Half of the file on each node before, all of it now.
      const grown = after.map((bytes, n) => bytes - (before[n] ?? 0))
      assert.ok(
        grown.every((bytes) => near(bytes, FILE_BYTES / 2)),
        `${grown.join()} bytes more`,
      )
      assert.equal((await volumeOf(a)).stripes.full, 2)
      await checkAll(nodes)
    })
  })

  test('new files get the class of the nearest pin, and a removed pin has no effect', async () => {
    await withoutHistory(3, 2, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) => api.setVolume('main', { trash: '1m' }))
      await a.ask((api) => api.makeFolder('/safe/cheap', { parents: true }))
      await a.ask((api) => api.addPin('/safe', { class: 'copies3' }))
      await a.ask((api) => api.addPin('/safe/cheap', { class: 'rs2+1' }))
      await clock.sleep(MINUTE_MS)
      const none = await collected(nodes, clock)
      await b.ask((api) => put(api, '/safe/whole', contentOf(1, FILE_BYTES)))
      await b.ask((api) => api.settle('placed'))
      const whole = await collected(nodes, clock)
      await b.ask((api) => put(api, '/safe/cheap/half', contentOf(2, FILE_BYTES)))
      await b.ask((api) => api.settle('placed'))
      const half = await collected(nodes, clock)
      assert.ok(near((whole[2] ?? 0) - (none[2] ?? 0), FILE_BYTES), 'a copy on each')
      assert.ok(near((half[2] ?? 0) - (whole[2] ?? 0), FILE_BYTES / 2), 'a shard on each')
      await a.ask((api) => api.removePin('/safe'))
      await clock.sleep(MINUTE_MS)
      const less = await collected(nodes, clock)
      assert.ok(near((half[2] ?? 0) - (less[2] ?? 0), FILE_BYTES / 2), 'a shard of what was whole')
      await checkAll(nodes)
    })
  })

  test('pins are listed by the current path of what they pin', async () => {
    await withoutHistory(3, 3, async ({ nodes: [a, b], clock }) => {
      await a.ask((api) => api.makeFolder('/photos'))
      await a.ask((api) => put(api, '/note', contentOf(1, KIB)))
      const pin = await a.ask((api) => api.addPin('/photos', { class: 'rs2+1' }))
      assert.deepEqual(pin, { path: '/photos', kind: 'class', class: 'rs2+1' })
      await a.ask((api) => api.addPin('/note', { class: 'copies2' }))
      await a.ask((api) => api.move('/photos', '/pictures'))
      await clock.sleep(MINUTE_MS)
      assert.deepEqual(await b.ask(pinsOf), [
        { path: '/note', kind: 'class', class: 'copies2', wantedBytes: KIB, actualBytes: KIB },
        { path: '/pictures', kind: 'class', class: 'rs2+1', wantedBytes: 0, actualBytes: 0 },
      ])
      await b.ask((api) => api.removePin('/note'))
      assert.equal((await b.ask(pinsOf)).length, 1)
      const refused: readonly [string, string, string][] = [
        ['/pictures', 'rs2', 'usage'],
        ['/pictures', 'local', 'usage'],
        ['/nowhere', 'rs2+1', 'ENOENT'],
      ]
      for (const [path, cls, code] of refused)
        await assert.rejects(
          b.ask((api) => api.addPin(path, { class: cls })),
          { code },
        )
      await assert.rejects(
        b.ask((api) => api.removePin('/note')),
        { code: 'ENOENT' },
      )
    })
  })
})

/** Bytes of shards on each node, when nothing is left to collect. */
async function collected(
  nodes: readonly ClusterNode[],
  clock: { sleep(ms: number): Promise<void> },
): Promise<number[]> {
  for (let round = 0; round < 2; round++) {
    for (const node of nodes) await node.ask((api) => collectGarbage(api))
    await clock.sleep(10 * MINUTE_MS)
  }
  const infos = await Promise.all(nodes.map((node) => node.ask((api) => api.listPeers())))
  return infos.map((peers, n) => {
    const next = nodes[(n + 1) % nodes.length]
    return peers.find(({ id }) => id === next?.peer)?.shardBytes ?? 0
  })
}

function near(bytes: number, expected: number): boolean {
  return Math.abs(bytes - expected) < expected / 4
}
