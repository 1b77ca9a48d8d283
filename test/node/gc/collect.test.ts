// Whole nodes on simulated machines: which data is given up, and which is not.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { KIB, MIB, MINUTE_MS } from '../../../protocol/units.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import {
  checkAll,
  checkContent,
  chunkCount,
  collectGarbage,
  dropCopies,
  contentOf,
  filesIn,
  heldBytes,
  put,
  readFile,
  volumeOf,
  withoutHistory,
} from './garbage-world.ts'
import type { NodeApi } from '../../../node/control/api.ts'
import type { GarbageProgress } from '../../../node/control/garbage.ts'
import type { Clock } from '../../../node/world/world.ts'
import type { ClusterNode } from '../../../simulations/cluster.ts'
import type { Members } from '../handlers/members.ts'

/** The size of the disk counts when a node starts. */
async function restartWithDisk(node: ClusterNode, capacityBytes: number): Promise<void> {
  await node.stop()
  node.machine.disk.capacityBytes = capacityBytes
  await node.start()
}

const SEEDS = process.env['SEEDS']?.split(',').map(Number) ?? [1]

describe('collect', () => {
  test('gives up the stripes of a removed file on every node, and no others', async () => {
    await withoutHistory(3, 1, async ({ nodes, clock }) => {
      const [a, b] = nodes
      await a.ask((api) => api.setVolume('main', { trash: '1m' }))
      await a.ask((api) => put(api, '/kept', contentOf(1, 300 * KIB)))
      await a.ask((api) => api.settle('placed'))
      await a.ask((api) => put(api, '/gone', contentOf(2, 500 * KIB)))
      await a.ask((api) => api.settle('placed'))
      const before = await Promise.all(nodes.map(heldBytes))
      await b.ask((api) => api.remove('/gone'))
      const report = await b.ask((api) => collectGarbage(api))
      assert.equal(report.volumes[0]?.swept, 1)
      assert.equal(report.volumes[0]?.waiting, 0)
      await clock.sleep(20 * MINUTE_MS)
      const after = await Promise.all(nodes.map(heldBytes))
      // Two data shards and a parity shard; and the node that wrote it had a copy.
      const freed = after.map((bytes, n) => (before[n] ?? 0) - bytes)
      assert.ok(
        freed.every((bytes) => bytes >= 250 * KIB),
        `${freed.join()} bytes are free again`,
      )
      assert.ok((freed[0] ?? 0) >= 750 * KIB, `${freed[0]} bytes of shards and copies`)
      await checkAll(nodes)
      assert.deepEqual(await b.ask((api) => filesIn(api, '/')), ['/kept'])
    })
  })

  test('waits for a member that is offline', async () => {
    await withoutHistory(3, 2, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await a.ask((api) => put(api, '/gone', contentOf(2, 500 * KIB)))
      await a.ask((api) => api.settle('placed'))
      network.partition([a.peer, b.peer], [c.peer])
      await a.ask((api) => api.remove('/gone'))
      const { volumes } = await a.ask((api) => collectGarbage(api))
      assert.deepEqual(volumes[0]?.waitingFor, ['n2'])
      assert.deepEqual([volumes[0]?.swept, volumes[0]?.waiting], [0, 1])
      network.heal()
      await clock.sleep(20 * MINUTE_MS)
      assert.equal((await volumeOf(a)).stripes.full, 0)
      assert.equal((await volumeOf(a)).reclaimableBytes, 0)
    })
  })

  test('says how far it is, and ends when nobody listens any more', async () => {
    await withoutHistory(3, 2, async ({ nodes, network }) => {
      const [a, b, c] = nodes
      await a.ask((api) => put(api, '/gone', contentOf(2, 500 * KIB)))
      await a.ask((api) => api.settle('placed'))
      network.partition([a.peer, b.peer], [c.peer])
      await a.ask((api) => api.remove('/gone'))
      const garbageOf = async (): Promise<GarbageProgress | undefined> =>
        (await a.ask((api) => api.status())).node.garbage
      let waitedMs = -1
      await a.ask(async (api) => {
        for await (const [event] of api.collectGarbage()) {
          assert.equal(event?.kind, 'progress')
          if (event?.kind !== 'progress' || event.step !== 'members') continue
          assert.deepEqual(await garbageOf(), {
            step: 'members',
            done: event.done,
            total: MINUTE_MS,
          })
          assert.ok(event.done > waitedMs, 'it goes on')
          waitedMs = event.done
          if (waitedMs > MINUTE_MS / 4) break
        }
      })
      assert.equal(await garbageOf(), undefined)
      network.heal()
      const { volumes } = await a.ask((api) => collectGarbage(api))
      assert.deepEqual(volumes[0]?.waitingFor, [])
    })
  })

  test('keeps a file that is read while it is removed', async () => {
    await withoutHistory(3, 3, async ({ nodes: [a, b, c], clock }) => {
      await a.ask((api) => api.setVolume('main', { trash: '1m' }))
      const content = contentOf(3, 3000 * KIB)
      await a.ask((api) => put(api, '/long', content))
      await a.ask((api) => api.settle('placed'))
      await clock.sleep(MINUTE_MS)
      const { content: parts } = await c.ask((api) => api.readFile('/long'))
      const reading = parts[Symbol.asyncIterator]()
      const read: Uint8Array[] = [(await reading.next()).value as Uint8Array]
      await b.ask((api) => api.remove('/long'))
      for (let round = 0; round < 3; round++) await b.ask((api) => collectGarbage(api))
      await clock.sleep(20 * MINUTE_MS)
      for (let next = await reading.next(); next.done !== true; next = await reading.next())
        read.push(next.value)
      checkContent('/long', Uint8Array.from(Buffer.concat(read)))
      await b.ask((api) => collectGarbage(api))
      assert.equal((await volumeOf(b)).stripes.full, 0, 'it is given up when nobody reads it')
    })
  })

  test('keeps chunks that a write under way has found stored already', async () => {
    await withoutHistory(3, 4, async ({ nodes, clock }) => {
      const [a, b, c] = nodes
      const stored = contentOf(4, 3000 * KIB)
      const added = contentOf(5, 300 * KIB)
      await a.ask((api) => put(api, '/old', stored))
      await a.ask((api) => api.settle('placed'))
      await clock.sleep(MINUTE_MS)
      const goesOn = Promise.withResolvers<void>()
      const slow = async function* (): AsyncGenerator<Uint8Array> {
        yield stored
        // Only now there is more than is kept to be cut.
        yield added.subarray(0, KIB)
        await goesOn.promise
        yield added.subarray(KIB)
      }
      const writing = c.ask((api) => api.writeFile('/new', slow()))
      await clock.sleep(1000)
      await b.ask((api) => api.remove('/old'))
      for (let round = 0; round < 3; round++) await b.ask((api) => collectGarbage(api))
      await clock.sleep(10 * MINUTE_MS)
      goesOn.resolve()
      await writing
      await clock.sleep(MINUTE_MS)
      for (const node of nodes) await dropCopies(node)
      const read = await b.ask((api) => readFile(api, '/new'))
      assert.ok(Buffer.concat([stored, added]).equals(read))
    })
  })

  test('spares what a returning member writes before it hears what was given up', async () => {
    await withoutHistory(3, 9, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await a.ask((api) => api.setVolume('main', { away: '30m', trash: '1s' }))
      const content = contentOf(4, 3000 * KIB)
      await a.ask((api) => put(api, '/old', content))
      await a.ask((api) => api.settle('placed'))
      await clock.sleep(MINUTE_MS)
      network.partition([a.peer, b.peer], [c.peer])
      await clock.sleep(60 * MINUTE_MS)
      await a.ask((api) => api.remove('/old'))
      await a.ask((api) => collectGarbage(api))
      await clock.sleep(20 * MINUTE_MS)
      assert.equal((await volumeOf(a)).stripes.full, 0)
      network.heal()
      const isConnected = async (): Promise<boolean> =>
        (await c.ask((api) => api.status())).peers.some((peer) => peer.isConnected)
      while (!(await isConnected())) await clock.sleep(1)
      await c.ask((api) => put(api, '/new', content))
      await clock.sleep(10 * MINUTE_MS)
      await checkAll(nodes)
    })
  })

  test('keeps the only copy of data that another member may have kept', async () => {
    await withoutHistory(3, 5, async ({ nodes: [a, b, c], clock, network }) => {
      // More shards than there are nodes to take them: all stays where it was written.
      await a.ask((api) => api.setVolume('main', { class: 'rs4+2' }))
      await a.ask((api) => put(api, '/plan', contentOf(5, 300 * KIB)))
      await clock.sleep(MINUTE_MS)
      network.partition([a.peer], [b.peer, c.peer])
      await a.ask((api) => api.remove('/plan'))
      await b.ask((api) => api.move('/plan', '/renamed'))
      for (let round = 0; round < 3; round++) await a.ask((api) => collectGarbage(api))
      network.heal()
      await clock.sleep(5 * MINUTE_MS)
      checkContent('/renamed', await c.ask((api) => readFile(api, '/renamed')))
      await a.ask((api) => api.remove('/renamed'))
      await a.ask((api) => collectGarbage(api))
      assert.equal(await chunkCount(a), 0, 'it goes when all know that it is removed')
    })
  })

  test('gives up nothing while a manifest cannot be read', async () => {
    await withoutHistory(3, 6, async ({ nodes, clock, network }) => {
      const [a, b] = nodes
      await a.ask((api) => put(api, '/gone', contentOf(1, 300 * KIB)))
      await a.ask((api) => api.settle('placed'))
      for (let number = 2; number < 6; number++) {
        await a.ask((api) => put(api, `/kept ${number}`, contentOf(number, 300 * KIB)))
        await a.ask((api) => api.settle('placed'))
      }
      await b.ask((api) => api.remove('/gone'))
      await clock.sleep(MINUTE_MS)
      for (const node of nodes) await dropCopies(node)
      network.partition(...nodes.map(({ peer }) => [peer]))
      await assert.rejects(
        b.ask((api) => collectGarbage(api)),
        { code: 'chunk-unavailable', message: /^\/kept \d: .*remove the file/ },
      )
      network.heal()
      await clock.sleep(5 * MINUTE_MS)
      assert.equal((await volumeOf(b)).reclaimableBytes, 0)
    })
  })

  test('drops copies of what others hold when the disk gets full, which takes writes', async () => {
    await withoutHistory(3, 7, async ({ nodes, clock }) => {
      const [a] = nodes
      // More than its shards of all files take, and less than those and copies.
      await restartWithDisk(a, 22 * MIB)
      await clock.sleep(MINUTE_MS)
      for (let number = 0; number < 10; number++) {
        await a.ask((api) => put(api, `/${number}`, contentOf(number, 2 * MIB)))
        await a.ask((api) => api.settle('placed'))
        await clock.sleep(10 * MINUTE_MS)
      }
      const { freeBytes } = (await a.ask((api) => api.status())).node
      assert.ok((freeBytes ?? 0) > 2 * MIB, `${freeBytes} are free`)
      await checkAll(nodes)
    })
  })

  test('drops no copy from a full disk that is only here since its holders are gone', async () => {
    await withoutHistory(3, 8, async ({ nodes, clock, network }) => {
      const [a, b, c] = nodes
      await a.ask((api) => api.setVolume('main', { grace: '30m' }))
      for (let number = 0; number < 8; number++)
        await a.ask((api) => put(api, `/${number}`, contentOf(number, 300 * KIB)))
      await a.ask((api) => api.settle('placed'))
      await clock.sleep(10 * MINUTE_MS)
      network.partition([a.peer], [b.peer, c.peer])
      await clock.sleep(60 * MINUTE_MS)
      const { usedBytes } = (await a.ask((api) => api.status())).node
      await restartWithDisk(a, (usedBytes ?? 0) + 100 * KIB)
      await clock.sleep(60 * MINUTE_MS)
      await checkAll([a])
    })
  })

  for (const seed of SEEDS) {
    test(`keeps all live data, and in the end gives up all else (seed ${seed})`, async () => {
      await withoutHistory(3, seed, async (members) => {
        await doAnything(members, seed, { isCalm: true })
      })
    })

    test(`keeps all live data while members are cut off and die (seed ${seed})`, async () => {
      await withoutHistory(3, seed, (members) => doAnything(members, seed, { isCalm: false }))
    })
  }
})

const PATHS = ['/a', '/b', '/c', '/d']
const CONTENTS = 5
const ROUNDS = 3
const STEPS = 15
const COLLECTIONS = 3
const DISTURBANCES = 6
const EXPECTED = ['ENOENT', 'stopped', 'chunk-unavailable'] as const

/**
 * Random actions at each node, all at the same time: writes of few contents, so that many are
 * written again while they die.
 */
async function doAnything(
  { nodes, clock, network }: Members,
  seed: number,
  { isCalm }: { isCalm: boolean },
): Promise<void> {
  await nodes[0].ask((api) => api.setVolume('main', { trash: '1m' }))
  const random = new SeededRandom(seed, 'test')
  for (let round = 0; round < ROUNDS; round++) {
    const working = nodes.flatMap((node) => [
      use(node, random, clock),
      collect(node, random, clock),
    ])
    await Promise.all(isCalm ? working : [...working, disturb(nodes, random, clock, network)])
    network.heal()
    await clock.sleep(5 * MINUTE_MS)
    for (const node of nodes) await dropCopies(node)
    await checkAll(nodes)
  }
  const collectAll = async (): Promise<void> => {
    for (const node of nodes) await node.ask((api) => collectGarbage(api))
    await clock.sleep(10 * MINUTE_MS)
  }
  await collectAll()
  await checkAll(nodes)
  for (let path = await firstFile(nodes[0]); path !== undefined; path = await firstFile(nodes[0])) {
    const removed = path
    await nodes[0].ask((api) => api.remove(removed))
  }
  await collectAll()
  await collectAll()
  for (const node of nodes) {
    const { stripes, reclaimableBytes, unplacedBytes } = await volumeOf(node)
    assert.deepEqual(stripes, { full: 0, degraded: 0, atRisk: 0, lost: 0 })
    assert.deepEqual([reclaimableBytes, unplacedBytes], [0, 0])
    assert.equal(await chunkCount(node), 0, 'no copy of a chunk is left')
  }
}

/** The actions of people. */
async function use(node: ClusterNode, random: SeededRandom, clock: Clock): Promise<void> {
  const path = (): string => PATHS[random.below(PATHS.length)] ?? ''
  for (let step = 0; step < STEPS; step++) {
    const number = random.below(CONTENTS)
    const what = random.below(10)
    await tolerant(
      node.ask((api) => {
        if (what < 3) return put(api, path(), contentOf(number, (40 + 60 * number) * KIB))
        if (what < 6) return api.remove(path())
        return what < 9 ? check(api, path()) : api.move(path(), path())
      }),
    )
    await clock.sleep(random.below(4000))
  }
}

async function collect(node: ClusterNode, random: SeededRandom, clock: Clock): Promise<void> {
  for (let step = 0; step < COLLECTIONS; step++) {
    await clock.sleep(random.below(20_000))
    await tolerant(node.ask((api) => collectGarbage(api)))
  }
}

async function check(api: NodeApi, path: string): Promise<void> {
  checkContent(path, await readFile(api, path))
}

/** Nothing was there, the node was killed, or others were out of reach: that may be. */
async function tolerant(doing: Promise<unknown>): Promise<void> {
  await doing.catch((error: unknown) => {
    if (!EXPECTED.some((code) => hasCode(error, code))) throw error
  })
}

async function disturb(
  nodes: Members['nodes'],
  random: SeededRandom,
  clock: Clock,
  network: Members['network'],
): Promise<void> {
  for (let step = 0; step < DISTURBANCES; step++) {
    const node = nodes[random.below(nodes.length)] ?? nodes[0]
    const others = nodes.filter((other) => other !== node).map(({ peer }) => peer)
    const what = random.below(4)
    if (what === 0) network.partition([node.peer], others)
    else if (what < 3) network.heal()
    else {
      node.kill(random.chance(0.5) ? 'killed' : 'power loss')
      await clock.sleep(random.below(60_000))
      await node.start()
    }
    await clock.sleep(random.below(10_000))
  }
}

/** One that is removed may let another one have its name. */
async function firstFile(node: ClusterNode): Promise<string | undefined> {
  return (await node.ask((api) => filesIn(api, '/')))[0]
}
