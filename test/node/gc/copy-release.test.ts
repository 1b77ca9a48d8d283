// Whole nodes on simulated machines: which of the copies that a writer has are released, and when.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SHARD_PREFIX, prefixRange } from '../../../node/store/keys.ts'
import { HOUR_MS, KIB, MIB, MINUTE_MS } from '../../../protocol/units.ts'
import {
  checkAll,
  checkContent,
  chunkCount,
  collectGarbage,
  contentOf,
  put,
  readFile,
  volumeOf,
  withoutHistory,
} from './garbage-world.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'

const FILE = contentOf(1, 3000 * KIB)

async function keepLocal(node: ClusterNode, value: string): Promise<void> {
  await node.ask((api) => api.setVolume('main', { 'keep-local': value }))
}

async function shardCount({ machine }: ClusterNode): Promise<number> {
  let count = 0
  for await (const _ of machine.kv.scan(prefixRange(SHARD_PREFIX))) count++
  return count
}

/** The size of the disk counts when a node starts. */
async function restartWithDisk(node: ClusterNode, capacityBytes: number): Promise<void> {
  await node.stop()
  node.machine.disk.capacityBytes = capacityBytes
  await node.start()
}

async function putPlaced(node: ClusterNode, path = '/file', content = FILE): Promise<void> {
  await node.ask((api) => put(api, path, content))
  await node.ask((api) => api.settle('placed'))
}

describe('the release of local copies', () => {
  test('placed: the writer keeps its shards alone, and any one node may be lost', async () => {
    await withoutHistory(3, 1, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      await keepLocal(a, 'placed')
      await putPlaced(a)
      assert.ok((await chunkCount(a)) > 1)
      await clock.sleep(20 * MINUTE_MS)
      assert.equal(await chunkCount(a), 0)
      const { node } = await a.ask((api) => api.status())
      assert.ok(node.usedBytes < 0.6 * FILE.length, `${node.usedBytes} bytes are used`)
      await checkAll(nodes)
      await c.stop()
      await checkAll([a, b])
      await c.start()
    })
  })

  test('a machine that is offline has every copy wait for its return', async () => {
    await withoutHistory(3, 2, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await putPlaced(a)
      await clock.sleep(MINUTE_MS)
      network.partition([a.peer, b.peer], [c.peer])
      await clock.sleep(10 * MINUTE_MS)
      await keepLocal(a, 'placed')
      await clock.sleep(3 * HOUR_MS)
      assert.ok((await chunkCount(a)) > 1)
      network.heal()
      await clock.sleep(2 * HOUR_MS)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('what lacks a holder stays readable at its writer alone', async () => {
    await withoutHistory(3, 9, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      await keepLocal(a, 'placed')
      await clock.sleep(MINUTE_MS)
      await c.stop()
      await a.ask((api) => put(api, '/partial', FILE))
      await clock.sleep(3 * HOUR_MS)
      assert.equal((await volumeOf(a)).stripes.atRisk, 1)
      await b.stop()
      checkContent('/partial', await a.ask((api) => readFile(api, '/partial')))
      await b.start()
      await c.start()
      await clock.sleep(3 * HOUR_MS)
      assert.equal(await chunkCount(a), 0)
      for (const away of [b, c]) {
        await away.stop()
        await checkAll(nodes.filter((node) => node !== away))
        await away.start()
        await clock.sleep(MINUTE_MS)
      }
    })
  })

  test('a crash between two steps of a release leaves no copy behind', async () => {
    await withoutHistory(3, 10, async ({ nodes, clock }) => {
      const [a] = nodes
      await keepLocal(a, 'placed')
      for (let n = 0; n < 6; n++) {
        await putPlaced(a, `/${n}`, contentOf(n, 300 * KIB))
        await clock.sleep(4 * MINUTE_MS)
        a.kill('power loss')
        await a.start()
        await clock.sleep(MINUTE_MS)
      }
      await clock.sleep(20 * MINUTE_MS)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('a holder that lost its shards has the copies wait for their repair', async () => {
    await withoutHistory(3, 3, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await keepLocal(a, 'always')
      await putPlaced(a)
      const { kv } = b.machine
      for await (const [key] of kv.scan(prefixRange(SHARD_PREFIX)))
        await kv.write([{ kind: 'delete', key }], { sync: true })
      assert.equal(await shardCount(b), 0)
      // What it took just now it need not show.
      await clock.sleep(11 * MINUTE_MS)
      await keepLocal(a, 'placed')
      for (let minutes = 0; (await chunkCount(a)) > 0; minutes++) {
        assert.ok(minutes < 10 * 60, 'the shard is made anew, and the copies go')
        await clock.sleep(MINUTE_MS)
      }
      assert.ok((await shardCount(b)) > 0)
      await checkAll(nodes)
    })
  })

  test('recent: what was read or written lately stays, the rest goes', async () => {
    await withoutHistory(3, 4, async ({ nodes, clock }) => {
      const [a] = nodes
      await keepLocal(a, 'recent 4h')
      await putPlaced(a, '/read')
      const read = await chunkCount(a)
      await putPlaced(a, '/left', contentOf(2, 3000 * KIB))
      const both = await chunkCount(a)
      await clock.sleep(3 * HOUR_MS)
      assert.equal(await chunkCount(a), both)
      // Not from what is decoded in memory.
      await a.stop()
      await a.start()
      checkContent('/read', await a.ask((api) => readFile(api, '/read')))
      await clock.sleep(2 * HOUR_MS)
      assert.equal(await chunkCount(a), read)
      await clock.sleep(3 * HOUR_MS)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('auto: copies stay while they take little of what is free, the newest longest', async () => {
    await withoutHistory(2, 5, async ({ nodes, clock }) => {
      const [a] = nodes
      await putPlaced(a)
      const count = await chunkCount(a)
      await clock.sleep(3 * HOUR_MS)
      assert.equal(await chunkCount(a), count)
      // About 6 MiB stay free: a quarter of that is less than the two files.
      await restartWithDisk(a, 13 * MIB)
      await clock.sleep(MINUTE_MS)
      await putPlaced(a, '/new', contentOf(2, 300 * KIB))
      await clock.sleep(HOUR_MS)
      const left = await chunkCount(a)
      assert.ok(left > 0 && left < count, `${left} of ${count} and those of the new file`)
      await checkAll(nodes)
    })
  })

  test('always: nothing goes, until the setting is another', async () => {
    await withoutHistory(2, 7, async ({ nodes, clock }) => {
      const [a] = nodes
      await keepLocal(a, 'always')
      await putPlaced(a)
      const count = await chunkCount(a)
      await clock.sleep(8 * HOUR_MS)
      assert.equal(await chunkCount(a), count)
      await keepLocal(a, 'placed')
      await clock.sleep(10 * MINUTE_MS)
      assert.equal(await chunkCount(a), 0)
    })
  })

  test('a value of the setting that means nothing is refused', async () => {
    await withoutHistory(1, 11, async ({ nodes: [a] }) => {
      for (const value of ['', 'never', 'recent', 'recent 0d', 'recent 1y', 'recent  1d', '1d'])
        await assert.rejects(keepLocal(a, value), { code: 'usage', message: /recent 1d/ })
    })
  })

  test('copies of what is coded anew for more machines go as well', async () => {
    await withoutHistory(2, 8, async (members) => {
      const { nodes, clock } = members
      const [a] = nodes
      await keepLocal(a, 'always')
      await putPlaced(a)
      await a.ask((api) => api.setVolume('main', { class: 'copies2' }))
      await clock.sleep(HOUR_MS)
      await a.ask((api) => api.setVolume('main', { class: 'rs1+1' }))
      await clock.sleep(HOUR_MS)
      await keepLocal(a, 'placed')
      await clock.sleep(2 * HOUR_MS)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('asked for, a release looks again at once at what a machine that was away held up', async () => {
    await withoutHistory(3, 12, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await putPlaced(a)
      await clock.sleep(MINUTE_MS)
      network.partition([a.peer, b.peer], [c.peer])
      await clock.sleep(MINUTE_MS)
      await keepLocal(a, 'placed')
      // Once in vain by itself.
      await clock.sleep(6 * MINUTE_MS)
      network.heal()
      await clock.sleep(MINUTE_MS)
      assert.ok((await chunkCount(a)) > 1)
      await a.ask(collectGarbage)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('asked for, a release waits a while for a machine that is late', async () => {
    await withoutHistory(3, 13, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await putPlaced(a)
      await keepLocal(a, 'placed')
      await clock.sleep(MINUTE_MS / 6)
      network.partition([a.peer, b.peer], [c.peer])
      await clock.sleep(MINUTE_MS)
      const gc = a.ask(collectGarbage)
      await clock.sleep(MINUTE_MS / 4)
      network.heal()
      await gc
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })

  test('asked for, a release leaves what was read or written too lately', async () => {
    await withoutHistory(3, 14, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await keepLocal(a, 'recent 2h')
      await putPlaced(a, '/old')
      await clock.sleep(MINUTE_MS)
      network.partition([a.peer, b.peer], [c.peer])
      await clock.sleep(2 * HOUR_MS)
      network.heal()
      await clock.sleep(MINUTE_MS)
      const content = contentOf(2, 3000 * KIB)
      await putPlaced(a, '/new', content)
      await a.ask(collectGarbage)
      await checkAll(nodes)
      // Alone, and with nothing in memory, it has the one, and cannot have the other.
      for (const node of [b, c, a]) await node.stop()
      await a.start()
      checkContent('/new', await a.ask((api) => readFile(api, '/new')))
      await assert.rejects(a.ask((api) => readFile(api, '/old')))
      await b.start()
      await c.start()
    })
  })

  test('what is pinned to the machine stays until it is not', async () => {
    await withoutHistory(2, 6, async ({ nodes, clock }) => {
      const [a] = nodes
      await putPlaced(a)
      const count = await chunkCount(a)
      await a.ask(async (api) => {
        for await (const _ of api.addLocalPin('/file')) continue
      })
      await keepLocal(a, 'placed')
      await clock.sleep(2 * HOUR_MS)
      assert.equal(await chunkCount(a), count)
      await a.ask((api) => api.removePin('/file'))
      await clock.sleep(2 * HOUR_MS)
      assert.equal(await chunkCount(a), 0)
      await checkAll(nodes)
    })
  })
})
