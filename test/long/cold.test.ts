// The cold tier end to end: six nodes, of which everything goes into a bucket because nobody reads
// it, is read from there, and is rebuilt on one machine when all six are gone. The bucket is as far
// away as one of a provider.
import assert from 'node:assert/strict'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { MIB } from '../../protocol/units.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { assertSameTree, digestTree, writeRandomFile } from '../cluster/trees.ts'
import type { TreeDigest } from '../cluster/trees.ts'
import { FaultyProxy } from '../cold/faulty-proxy.ts'
import { S3Server } from '../cold/s3-server.ts'
import { skip } from '../mount/mounted.ts'

const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))
/** Some 3,000 small files. */
const PACKAGES = ['@libp2p', '@multiformats', 'cborg', 'multiformats', 'fast-check']
const LARGE_MIB = [1, 3, 8, 20, 40, 120, 250, 500]
const LATENCY_MS = 100
const HELD_MIB_MAX = 32
const COLD_MS = 15 * 60_000

test(
  'a GiB on six nodes goes to a bucket unasked, is read back, and outlives all six',
  { skip: skip || S3Server.missing() },
  async (t) => {
    const server = await S3Server.start()
    t.after(() => server.stop())
    const bucket = await server.makeBucket()
    const proxy = await FaultyProxy.start(server.endpoint)
    t.after(() => proxy.stop())
    proxy.latencyMs = LATENCY_MS
    const place = [`s3://${bucket}/shoal`, '--endpoint', proxy.endpoint, '--region', server.region]
    const credentials = ['--credentials', server.credentialsFile]
    await using cluster = await TestCluster.start(6, { mounts: true })
    const [first, second] = cluster.nodes as [TestNode, TestNode]
    const source = join(cluster.folder, 'source')
    await makeTree(source)
    const expected = await digestTree(source)
    const key = join(cluster.folder, 'recovery.key')

    await t.test('all data is written, and goes cold', async (part) => {
      await first.shoal('volume', 'set', 'main', 'class=rs4+2', 'keep=none')
      for (const node of cluster.nodes)
        await node.shoal('cold', 'add', 'attic', ...place, ...credentials)
      await first.shoal('volume', 'key', 'export', key)
      await first.shoal('put', '--ack', 'placed', source, '/tree')
      const startedMs = performance.now()
      await first.shoal('volume', 'set', 'main', 'cold-tier=attic', 'cold-after=10s')
      await cluster.converged()
      await eventually('all stripes lie there alone', () => isAllCold(second), COLD_MS)
      await eventually(
        'all nodes let go of shards',
        async () => (await heldMib(cluster)).every((mib) => mib < HELD_MIB_MAX),
        COLD_MS,
      )
      const requests = proxy.seen.length
      part.diagnostic(
        `cold after ${Math.round((performance.now() - startedMs) / 1000)} s, ${requests} requests, ` +
          `held by nodes: ${(await heldMib(cluster)).map((mib) => Math.round(mib)).join(', ')} MiB`,
      )
    })

    await t.test('half of the data is read through a mount', async (part) => {
      const startedMs = performance.now()
      const before = proxy.seen.length
      const reader = cluster.nodes[4] as TestNode
      for (const half of [...PACKAGES.slice(0, 2), 'large']) {
        const under = (tree: TreeDigest): TreeDigest =>
          new Map(
            [...tree]
              .filter(([path]) => path.startsWith(`${half}/`))
              .map(([path, what]) => [path.slice(half.length + 1), what]),
          )
        assertSameTree(
          await digestTree(join(reader.mountFolder, 'tree', half)),
          under(expected),
          half,
        )
      }
      part.diagnostic(
        `in ${Math.round((performance.now() - startedMs) / 1000)} s, ${proxy.seen.length - before} requests`,
      )
    })

    await t.test('all six nodes are lost, and one fresh node serves the data', async (part) => {
      await first.shoal('cold', 'push', '/')
      await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')))
      await Promise.all(cluster.nodes.map((node) => rm(node.home, { recursive: true })))
      const fresh = cluster.node('fresh')
      const before = proxy.seen.length
      const startedMs = performance.now()
      const { code, stderr } = await fresh.run(
        'recover',
        '--from',
        ...place,
        ...credentials,
        '--key',
        key,
        '--no-mdns',
      )
      assert.equal(code, 0, stderr)
      const recoveredMs = performance.now()
      await fresh.start({ mount: fresh.mountFolder })
      assertSameTree(await digestTree(join(fresh.mountFolder, 'tree')), expected, 'recovered')
      const seconds = (fromMs: number, toMs: number): number => Math.round((toMs - fromMs) / 1000)
      part.diagnostic(
        `recovered in ${seconds(startedMs, recoveredMs)} s, ` +
          `all read in ${seconds(recoveredMs, performance.now())} s, ` +
          `${proxy.seen.length - before} requests`,
      )
    })
  },
)

async function makeTree(folder: string): Promise<void> {
  await mkdir(join(folder, 'large'), { recursive: true })
  for (const name of PACKAGES)
    await cp(join(MODULES, name), join(folder, name), { recursive: true, verbatimSymlinks: true })
  for (const mib of LARGE_MIB) await writeRandomFile(join(folder, 'large', `${mib} MiB 🐟`), mib)
}

async function isAllCold(node: TestNode): Promise<boolean> {
  const { cold, stripes } = await node.volume()
  const { full, degraded, atRisk, lost } = stripes
  return cold.only > 0 && cold.copied + full + degraded + atRisk + lost === 0
}

/** The data in the nodes' stores that is neither trash nor freed by compaction nor cached. */
function heldMib(cluster: TestCluster): Promise<number[]> {
  return Promise.all(
    cluster.nodes.map(async (node) => {
      const { usedBytes, trashBytes, reclaimableBytes, cache } = (await node.status()).node
      return (usedBytes - trashBytes - reclaimableBytes - cache.usedBytes) / MIB
    }),
  )
}
