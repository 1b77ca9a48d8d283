// `node bench/metrics.ts --rounds 5`: what metrics cost. Two nodes of the same machine, one that
// serves metrics and one that does not, do the same by turns: put a large file, put small files,
// make files in the mount. The CPU time of each node, as a ratio; and what one observation takes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PrometheusMeter } from '../node/metrics/prometheus.ts'
import { MIB, SECOND_MS } from '../protocol/units.ts'
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
  const title = `Metrics on and off, ${rounds} rounds by turns`
  const header = ['work', 'off: ms', 'CPU ms', 'on: ms', 'CPU ms', 'on to off, CPU']
  console.log(formatFigures({ title, header, rows, notes: [observationNote()] }))
} finally {
  await rm(folder, { recursive: true })
}

async function compare(
  work: (node: TestNode, to: string) => Promise<unknown>,
): Promise<readonly string[]> {
  const taken: readonly [Taken[], Taken[]] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    for (const [at, { nodes }] of [plain, measured].entries()) {
      const [node] = nodes
      if (node === undefined) continue
      const one = await timeOf(node, () => work(node, `/round ${round} ${Math.random()}`))
      // The first warms up.
      if (round > 0) taken[at]?.push(one)
    }
  }
  const [off, on] = taken.map((all) => ({
    ms: median(all.map(({ ms }) => ms)),
    processorMs: median(all.map(({ processorMs }) => processorMs)),
  }))
  if (off === undefined || on === undefined) return []
  const cells = [off, on].flatMap(({ ms, processorMs }) => [ms, processorMs])
  return [...cells.map((ms) => ms.toFixed(0)), (on.processorMs / off.processorMs).toFixed(3)]
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
  const costs = Object.entries(each).map(([what, observe]) => {
    for (let i = 0; i < OBSERVATIONS / 10; i++) observe()
    const begin = performance.now()
    for (let i = 0; i < OBSERVATIONS; i++) observe()
    const ns = ((performance.now() - begin) / OBSERVATIONS) * NS_PER_MS
    return `${what} ${ns.toFixed(0)} ns`
  })
  return `An observation: ${costs.join(', ')}.`
}
