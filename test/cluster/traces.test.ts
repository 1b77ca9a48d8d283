// Traces of real nodes, as a collector gets them.
import assert from 'node:assert/strict'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { SeededRandom } from '../../simulations/random.ts'
import { asked } from '../cli/ask-http.ts'
import { TestCluster, eventually } from './cluster.ts'
import { Collector, attribute } from './collector.ts'
import type { TestNode } from './cluster.ts'
import type { CollectedSpan } from './collector.ts'

const NAME = 'canary-of-a-name'
const SECRET = 'canary-of-a-token'
const SIZE = 300_000
const CLIENT = 3

test('one trace spans two nodes, from the door of one to the disk of the other', async () => {
  await using collector = await Collector.open()
  await using cluster = await TestCluster.create()
  const [ben, anna] = [cluster.node('ben'), cluster.node('anna')]
  await ready(ben, collector)
  await ready(anna, collector, 'doors: [{ http: 127.0.0.1:0 }]\n')
  await ben.start({ mount: ben.mountFolder })
  // Who may only read holds no shards.
  await anna.start({ ticket: await ben.invite('--role', 'reader') })
  await cluster.connected()
  const content = join(cluster.folder, NAME)
  const canary = Buffer.from('canary of the content')
  await writeFile(
    content,
    Buffer.concat([new SeededRandom('traces', 'content').bytes(SIZE), canary]),
  )
  await ben.shoal('put', content, '/')
  await cluster.converged()
  const [door] = await anna.ask((client) => client.listDoors())
  const { token } = await anna.ask((client) => client.doorToken())
  const { status } = await asked(new URL(door?.url ?? ''), `/v1/files/main/${NAME}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(status, 200)
  const isRead = ({ name }: CollectedSpan): boolean => name === 'http.GET'
  await eventually('the trace has come whole', () => {
    const root = collector.spans.find(isRead)
    const nodes = new Set(of(collector, root?.traceId).map(({ node }) => node))
    return Promise.resolve(nodes.size === 2)
  })
  const [root, ...others] = collector.spans.filter(isRead)
  assert.ok(root !== undefined && others.length === 0)
  assert.equal(root.parentSpanId, undefined)
  assert.equal(attribute(root.attributes, 'http.response.status_code'), '200')
  const trace = of(collector, root.traceId)
  const [served] = trace.filter(({ node }) => node !== root.node)
  assert.ok(served !== undefined)
  const above = ancestors(trace, served).map(({ name, kind, node }) => {
    return `${node === root.node ? 'anna' : 'ben'} ${name} ${kind}`
  })
  assert.match(
    above.join(', '),
    /^ben shard\.(get|chunk) 2, anna shard\.\1 3, anna chunk\.gather 1, anna api\.readFile 1, anna http\.GET 2$/,
  )
  const call = trace.find(({ spanId }) => spanId === served.parentSpanId)
  assert.equal(attribute(served.attributes, 'shoal.peer'), root.node)
  assert.equal(attribute(call?.attributes ?? [], 'shoal.peer'), served.node)
  assert.ok(Number(attribute(call?.attributes ?? [], 'shoal.bytes')) > 0)
  for (const { startTimeUnixNano, endTimeUnixNano } of trace)
    assert.ok(BigInt(startTimeUnixNano) <= BigInt(endTimeUnixNano))
  // Exchanges of logs are of one trace, too.
  await eventually('both sides of an exchange have come', () => {
    const [opened] = collector.spans.filter(
      ({ name, kind, spanId }) =>
        name === 'log.exchange' &&
        kind === CLIENT &&
        collector.spans.some(({ parentSpanId }) => parentSpanId === spanId),
    )
    return Promise.resolve(opened !== undefined)
  })
  // The kernel asks for what a door does not.
  await writeFile(join(ben.mountFolder, `${NAME} too`), canary)
  await eventually('calls of the kernel have come, and what waited for the disk', () => {
    const names = new Set(collector.spans.map(({ name }) => name))
    return Promise.resolve(names.has('mount.create') && names.has('store.commit'))
  })
  // The token goes to the collector alone; nothing else of the user's goes even there.
  assert.ok(collector.headers.every(({ authorization }) => authorization === `Bearer ${SECRET}`))
  const told = collector.bodies.join('\n')
  for (const secret of [NAME, SECRET, token, canary.toString(), 'main', cluster.folder])
    assert.ok(!told.includes(secret), secret)
  const log = await readFile(join(anna.home, 'logs', 'node.log'), 'utf8')
  assert.match(log, /traces\.open/)
  assert.ok(!log.includes(SECRET))
})

/** Make a home whose node tells of every request. */
async function ready(node: TestNode, collector: Collector, more: string = ''): Promise<void> {
  await node.shoal('init')
  const traces = { to: collector.url, sample: 1, headers: { authorization: `Bearer ${SECRET}` } }
  await appendFile(join(node.home, 'config.yaml'), `traces: ${JSON.stringify(traces)}\n${more}`)
}

function of({ spans }: Collector, traceId: string | undefined): readonly CollectedSpan[] {
  return spans.filter((span) => span.traceId === traceId)
}

/** A span, its parent, and so on. */
function ancestors(trace: readonly CollectedSpan[], span: CollectedSpan): CollectedSpan[] {
  const parent = trace.find(({ spanId }) => spanId === span.parentSpanId)
  return [span, ...(parent === undefined ? [] : ancestors(trace, parent))]
}
