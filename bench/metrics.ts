// `node bench/metrics.ts --rounds 5`: what metrics and traces cost. Three nodes of the same
// machine, one that serves metrics, one that makes traces, and one that does neither, do the same
// by turns: put a large file, put small files, make files in the mount. The CPU time of each node,
// as a ratio; and what one observation and one span take.
import { AsyncLocalStorage } from 'node:async_hooks'
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PrometheusMeter } from '../node/metrics/prometheus.ts'
import { Recorder } from '../node/traces/recorder.ts'
import { carrySpans, currentSpan, traced, within } from '../node/traces/span.ts'
import { SystemClock } from '../node/world/clock.ts'
import { SystemRandom } from '../node/world/random.ts'
import { MIB, SECOND_MS } from '../protocol/units.ts'
import { Collector } from '../test/cluster/collector.ts'
import { TestCluster } from '../test/cluster/cluster.ts'
import { writeRandomFile, writeSmallTree } from '../test/cluster/trees.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { processorSeconds } from './processor-time.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import type { PeerId } from '../protocol/ids.ts'

const FILE_MIB = 128
const FILES = 1000
const OBSERVATIONS = 1_000_000
const AWAITED = 100_000
const NS_PER_MS = 1e6

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } })
const rounds = Number(values.rounds)

interface Taken {
  readonly ms: number
  readonly processorMs: number
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
await using plain = await TestCluster.start(1, { mounts: true })
await using measured = await TestCluster.start(1, { mounts: true, metrics: true })
await using collector = await Collector.open()
await using tracing = await TestCluster.create()
await startTracing()
try {
  const [large, small] = [join(folder, 'large'), join(folder, 'small')]
  await writeRandomFile(large, FILE_MIB)
  await mkdir(small)
  await writeSmallTree(small, FILES)
  const works = {
    [`put a file of ${FILE_MIB} MiB`]: (node: TestNode, to: string) => node.shoal('put', large, to),
    [`put ${FILES} small files`]: (node: TestNode, to: string) => node.shoal('put', small, to),
    [`make ${FILES} files in the mount`]: makeFiles,
  }
  const rows: (readonly string[])[] = []
  for (const [what, work] of Object.entries(works)) rows.push([what, ...(await compare(work))])
  const title = `Metrics and traces on and off, ${rounds} rounds by turns`
  const cells = ['off', 'metrics', 'traces'].flatMap((who) => [`${who}: ms`, 'CPU ms'])
  const header = ['work', ...cells, 'metrics to off, CPU', 'traces to off, CPU']
  console.log(formatFigures({ title, header, rows, notes: [observationNote(), await spanNote()] }))
} finally {
  await rm(folder, { recursive: true })
}

/** A node with the settings that a collector alone makes. */
async function startTracing(): Promise<void> {
  const node = tracing.node('traced')
  await node.shoal('init')
  await appendFile(join(node.home, 'config.yaml'), `traces: { to: ${collector.url} }\n`)
  await node.start({ mount: node.mountFolder })
}

async function compare(
  work: (node: TestNode, to: string) => Promise<unknown>,
): Promise<readonly string[]> {
  const taken: readonly [Taken[], Taken[], Taken[]] = [[], [], []]
  for (let round = 0; round <= rounds; round++) {
    for (const [at, { nodes }] of [plain, measured, tracing].entries()) {
      const [node] = nodes
      if (node === undefined) continue
      const one = await timeOf(node, () => work(node, `/round ${round} ${Math.random()}`))
      // The first warms up.
      if (round > 0) taken[at]?.push(one)
    }
  }
  const medians = taken.map((all) => ({
    ms: median(all.map(({ ms }) => ms)),
    processorMs: median(all.map(({ processorMs }) => processorMs)),
  }))
  const [off, ...on] = medians
  if (off === undefined) return []
  const cells = medians.flatMap(({ ms, processorMs }) => [ms, processorMs])
  const ratios = on.map(({ processorMs }) => processorMs / off.processorMs)
  return [...cells.map((ms) => ms.toFixed(0)), ...ratios.map((ratio) => ratio.toFixed(3))]
}

async function timeOf(node: TestNode, work: () => Promise<unknown>): Promise<Taken> {
  const before = await processorSeconds(node.pid)
  const begin = performance.now()
  await work()
  const ms = performance.now() - begin
  return { ms, processorMs: ((await processorSeconds(node.pid)) - before) * SECOND_MS }
}

async function makeFiles(node: TestNode, to: string): Promise<void> {
  const at = join(node.mountFolder, to)
  await mkdir(at)
  for (let i = 0; i < FILES; i++) await writeFile(join(at, `${i}`), `content of ${i}`)
}

function observationNote(): string {
  const meter = new PrometheusMeter()
  const peer = 'peer' as PeerId
  const each = {
    'a call': () => meter.called('mount', 'write', 0.2, false),
    'a frame of a peer': () => meter.moved(peer, '/shoal/shard/1', 'in', MIB),
    'a sync': () => meter.synced(0.5),
  }
  const costs = Object.entries(each).map(([what, observe]) => costOf(what, observe))
  return `An observation: ${costs.join(', ')}.`
}

function costOf(what: string, run: () => void): string {
  for (let i = 0; i < OBSERVATIONS / 10; i++) run()
  const begin = performance.now()
  for (let i = 0; i < OBSERVATIONS; i++) run()
  const ns = ((performance.now() - begin) / OBSERVATIONS) * NS_PER_MS
  return `${what} ${ns.toFixed(1)} ns`
}

async function awaitedNs(run: () => Promise<unknown>): Promise<number> {
  for (let i = 0; i < AWAITED / 10; i++) await run()
  const begin = performance.now()
  for (let i = 0; i < AWAITED; i++) await run()
  return ((performance.now() - begin) / AWAITED) * NS_PER_MS
}

/** With traces off, then on; of traces that are not told of. */
async function spanNote(): Promise<string> {
  const work = (): Promise<void> => Promise.resolve()
  const part = (): Promise<void> => traced('part', work)
  const bare = await awaitedNs(work)
  const off = [
    costOf('to ask for the span under way, off', () => currentSpan()?.child('part').end()),
    `a part around a promise, off ${((await awaitedNs(part)) - bare).toFixed(0)} ns`,
  ]
  carrySpans(() => new AsyncLocalStorage())
  const recorder = new Recorder(
    { clock: new SystemClock(), random: new SystemRandom(), take: () => {} },
    { sample: 0, slowMs: Infinity },
  )
  const on = [costOf('a root, on', () => recorder.root('root', { door: 'http' }).end())]
  const root = recorder.root('root', { door: 'http' })
  const parts = await within(root, () => awaitedNs(part))
  root.end()
  return `Spans: ${[...off, ...on, `a part, on ${(parts - bare).toFixed(0)} ns`].join(', ')}.`
}
