// Three real nodes, of which one has its disk damaged under it: a bit flipped, a segment cut short,
// a segment deleted. A scrub there finds it, and the swarm is whole again.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import type { CheckedAlerts } from '../../node/control/observe/alerts.ts'
import type { ScrubEvent, ScrubFinding } from '../../node/control/upkeep.ts'
import { xorshiftBytes } from '../protocol/vectors.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

const STRIPES = 3
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

test('damage on the disk of a node is found by scrub and repaired from the others', async (t) => {
  await using cluster = await TestCluster.start(3)
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 30)
  await a.shoal('put', '--ack', 'placed', source, '/data')
  // Stripes of their own, of which each damage hits some.
  for (let n = 0; n < STRIPES; n++) {
    const large = join(source, `large ${n}`)
    await writeFile(large, xorshiftBytes(n + 1, 4 * MIB))
    await a.shoal('put', '--ack', 'placed', large, '/data/')
  }
  await cluster.converged()
  await eventually('all is whole at first', () => areWhole([a, b, c]))

  for (const [name, damage] of Object.entries(DAMAGES)) {
    await t.test(name, async () => {
      // What the node still had in memory of it is gone.
      await b.kill('SIGKILL')
      const { path, size } = await newestSegment(b)
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
      const { raised } = await b.json<CheckedAlerts>('alerts')
      assert.ok(raised.some(({ name }) => name === 'corruption-found'))
      await Promise.all([a, b, c].map((node) => node.shoal('repair')))
      await eventually('all is whole again', () => areWhole([a, b, c]))
      assert.match(await b.shoal('scrub'), /no errors/)
    })
  }

  await t.test('every byte is read back with either of the other nodes offline', async () => {
    const expected = await digestTree(source)
    for (const [n, away] of [a, c].entries()) {
      if (!a.isRunning) await a.start()
      await cluster.connected()
      await away.kill('SIGKILL')
      const target = join(cluster.folder, `got ${n}`)
      await b.shoal('get', '/data', target)
      assertSameTree(await digestTree(target), expected, `without ${away.name}`)
    }
  })
})

/** Every node says that every stripe has all its shards. */
async function areWhole(nodes: readonly TestNode[]): Promise<boolean> {
  const all = await Promise.all(nodes.map(async (node) => (await node.volume()).stripes))
  return all.every(({ full, degraded, atRisk, lost }) => full > 0 && degraded + atRisk + lost === 0)
}

/** The segment with the last repairs; an older one may hold nothing that anybody still wants. */
async function newestSegment(node: TestNode): Promise<{ path: string; size: number }> {
  const folder = join(node.home, 'segments')
  const newest = (await readdir(folder)).toSorted().at(-1)
  assert.ok(newest !== undefined)
  const path = join(folder, newest)
  return { path, size: (await stat(path)).size }
}

async function findingsOf(node: TestNode): Promise<ScrubFinding[]> {
  const lines = (await node.shoal('--json', 'scrub')).trim().split('\n')
  return lines
    .map((line) => JSON.parse(line) as ScrubEvent)
    .filter((event) => event.kind !== 'progress')
}
