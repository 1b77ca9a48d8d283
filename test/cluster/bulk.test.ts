// Two nodes: the bytes of shards go over a bulk connection, and over streams where that is refused.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'

const BYTES: number = 16 * MIB
const REFUSING = new URL('./refuse-bulk.ts', import.meta.url).href

interface Line {
  readonly event: string
  readonly sent?: number
  readonly received?: number
}

/** Two nodes of one volume, and a file put on the first whose shards lie on the second too. */
async function placed(cluster: TestCluster, preload?: string): Promise<[TestNode, TestNode]> {
  const [a, b] = [cluster.node('n1'), cluster.node('n2')]
  await a.start({ preload })
  await b.start({ preload, ticket: await a.invite() })
  await cluster.connected()
  const source = join(cluster.folder, 'source')
  await writeFile(source, randomBytes(BYTES))
  await a.shoal('put', source, '/file')
  await eventually('its shards lie on both', async () => {
    const { stripes } = await a.volume()
    return stripes.full > 0 && stripes.degraded === 0 && stripes.atRisk === 0
  })
  const target = join(cluster.folder, 'target')
  await b.shoal('get', '/file', target)
  assert.ok((await readFile(source)).equals(await readFile(target)))
  return [a, b]
}

async function linesOf(node: TestNode): Promise<readonly Line[]> {
  const text = await readFile(join(node.home, 'logs/node.log'), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

test('shards go over a bulk connection', async () => {
  await using cluster = await TestCluster.create()
  const [a, b] = await placed(cluster)
  await a.kill('SIGTERM')
  await b.kill('SIGTERM')
  const ended = (await linesOf(b)).filter(({ event }) => event === 'bulk.ended')
  const bytes = ended.reduce((sum, { received = 0 }) => sum + received, 0)
  assert.ok(bytes >= BYTES, `${bytes} bytes came over ${ended.length} bulk connections`)
})

test('where bulk connections are refused, shards go over streams', async () => {
  await using cluster = await TestCluster.create()
  const nodes = await placed(cluster, REFUSING)
  const lines = (await Promise.all(nodes.map(linesOf))).flat()
  assert.ok(lines.some(({ event }) => event === 'bulk.streams'))
  assert.ok(!lines.some(({ event }) => event === 'bulk.open'))
})
