// Three real nodes: removed files give their space back on every disk, and the others stay whole.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { GarbageReport } from '../../node/control/garbage.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { assertSameTree, bytesOfFiles, digestTree, writeSmallTree } from '../cluster/trees.ts'

const GONE_BYTES: number = 64 * MIB
/** The share of each node: one of two data shards and a parity shard. */
const SHARE = 0.5
/** Holders let go of a shard some minutes after its stripe is given up. */
const DEADLINE_MS: number = 6 * MINUTE_MS
const COLLECT_MS: number = 20 * SECOND_MS

test('the space of removed files is freed on every node, and the rest stays whole', async () => {
  await using cluster = await TestCluster.start(3)
  const nodes = cluster.nodes as [TestNode, TestNode, TestNode]
  const [a, b, c] = nodes
  await a.shoal('volume', 'set', 'main', 'trash=1s', 'versions=off')
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 100)
  await writeFile(join(source, 'large'), xorshiftBytes(1, 16 * MIB))
  const gone = join(cluster.folder, 'gone')
  await writeFile(gone, xorshiftBytes(2, GONE_BYTES))
  await a.shoal('put', '--ack', 'placed', source, '/kept')
  await b.shoal('put', '--ack', 'placed', gone, '/gone')
  await cluster.converged()
  const before = await Promise.all(nodes.map(segmentBytes))

  await c.shoal('rm', '/gone')
  const report = await c.json<GarbageReport>('gc')
  assert.ok((report.volumes[0]?.sweptBytes ?? 0) >= 1.5 * GONE_BYTES, JSON.stringify(report))
  assert.deepEqual(report.volumes[0]?.waitingFor, [])

  let collectedMs = Date.now()
  const isFree = async (): Promise<boolean> => {
    const isDue = Date.now() - collectedMs > COLLECT_MS
    if (isDue) for (const node of nodes) await node.shoal('gc')
    if (isDue) collectedMs = Date.now()
    const after = await Promise.all(nodes.map(segmentBytes))
    // Who wrote it had all of it beside its shards.
    const least = nodes.map((node) => (SHARE + (node === b ? 1 : 0)) * GONE_BYTES)
    return after.every((bytes, n) => (before[n] ?? 0) - bytes >= (least[n] ?? 0))
  }
  await eventually('all that was removed is off every disk', isFree, DEADLINE_MS)

  const expected = await digestTree(source)
  for (const [n, away] of nodes.entries()) {
    await away.kill('SIGKILL')
    const target = join(cluster.folder, `got ${n}`)
    await (nodes[(n + 1) % nodes.length] ?? a).shoal('get', '/kept', target)
    assertSameTree(await digestTree(target), expected, `without ${away.name}`)
    await away.start()
    await cluster.connected()
  }
})

function segmentBytes({ home }: TestNode): Promise<number> {
  return bytesOfFiles(join(home, 'segments'))
}
