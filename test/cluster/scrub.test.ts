// Three real nodes, of which one has its disk damaged under it: a bit flipped, a segment cut short,
// a segment deleted. A scrub there finds it, and the swarm is whole again.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import type { ScrubEvent, ScrubFinding } from '../../node/control/upkeep.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

const DAMAGES: Readonly<Record<string, (path: string, size: number) => Promise<void>>> = {
  'a flipped bit': async (path, size) => {
    const bytes = await readFile(path)
    const middle = Math.floor(size / 2)
    bytes[middle] = (bytes[middle] ?? 0) ^ 1
    await writeFile(path, bytes, { flag: 'r+' })
  },
  'a segment that is cut short': (path, size) => truncate(path, Math.floor(size / 2)),
  'a deleted segment': (path) => rm(path),
}

test('what was damaged on the disk of a node is found by scrub and repaired from the others', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 100)
  await writeFile(join(source, 'large'), xorshiftBytes(1, 60 * MIB))
  await a.shoal('put', '--ack', 'placed', source, '/data')
  await cluster.converged()
  await eventually('all is whole at first', () => areWhole([a, b, c]))

  for (const [name, damage] of Object.entries(DAMAGES)) {
    await t.test(name, async () => {
      // What the node still had in memory of it is gone.
      await b.kill('SIGKILL')
      const { path, size } = await largestSegment(b)
      await damage(path, size)
      await b.start()
      await cluster.connected()
      const found = await findingsOf(b)
      assert.ok(found.length > 0, 'something is found')
      for (const finding of found) {
        const { kind, state, action } = finding
        const isDealtWith = kind === 'shard' ? action === 'recorded' : action === 'dropped'
        assert.ok(state === 'damaged' && isDealtWith, JSON.stringify(finding))
      }
      await Promise.all([a, b, c].map((node) => node.shoal('repair')))
      await eventually('all is whole again', () => areWhole([a, b, c]))
      assert.match(await b.shoal('scrub'), /no errors/)
    })
  }

  await t.test('and every byte is read back with either of the other nodes away', async () => {
    const expected = await digestTree(source)
    for (const [n, away] of [a, c].entries()) {
      await away.kill('SIGKILL')
      const target = join(cluster.folder, `got ${n}`)
      await b.shoal('get', '/data', target)
      assertSameTree(await digestTree(target), expected, `without ${away.name}`)
      await away.start()
      await cluster.connected()
    }
  })
})

/** Every node says that every stripe has all its shards. */
async function areWhole(nodes: readonly TestNode[]): Promise<boolean> {
  const all = await Promise.all(nodes.map(async (node) => (await node.volume()).stripes))
  return all.every(({ full, degraded, atRisk, lost }) => full > 0 && degraded + atRisk + lost === 0)
}

async function largestSegment(node: TestNode): Promise<{ path: string; size: number }> {
  const folder = join(node.home, 'segments')
  const all = (await readdir(folder)).map(async (file) => {
    const path = join(folder, file)
    return { path, size: (await stat(path)).size }
  })
  const [largest] = (await Promise.all(all)).toSorted((x, y) => y.size - x.size)
  assert.ok(largest !== undefined)
  return largest
}

async function findingsOf(node: TestNode): Promise<ScrubFinding[]> {
  const lines = (await node.shoal('--json', 'scrub')).trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as ScrubEvent)
    .filter((event) => event.kind !== 'progress')
}
