// `node bench/data-path.ts --mib 512 --nodes 1,3 --rounds 3`: what moving the bytes of one large
// file costs the nodes: user and system time of all their processes for each GB of the file, and
// the highest RssAnon of any of them. The file is put on the first node, until its shards are
// placed, and got from the last: over the network where there are several.
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster } from '../test/cluster/cluster.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { AnonymousPeak } from './anonymous-peak.ts'
import { seconds } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { processorSeconds } from './processor-time.ts'
import type { TestNode } from '../test/cluster/cluster.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    nodes: { type: 'string', default: '1,3' },
    rounds: { type: 'string', default: '3' },
  },
})
const mebibytes = Number(values.mib)
const gigabytes = (mebibytes * 2 ** 20) / 1e9

interface Cost {
  readonly seconds: number
  readonly processorSeconds: number
  readonly peakBytes: number
}

const rows: string[][] = []
for (const count of values.nodes.split(',').map(Number)) {
  const puts: Cost[] = []
  const gets: Cost[] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    await using cluster = await TestCluster.start(count)
    const nodes = cluster.nodes as [TestNode, ...TestNode[]]
    const source = join(cluster.folder, 'source')
    await writeRandomFile(source, mebibytes)
    const ack = count > 1 ? 'placed' : 'local'
    puts.push(await measure(nodes, () => nodes[0].shoal('put', '--ack', ack, source, '/file')))
    await cluster.converged()
    const reader = nodes.at(-1) ?? nodes[0]
    const back = join(cluster.folder, 'back')
    gets.push(await measure(nodes, () => reader.shoal('get', '/file', back)))
  }
  const where = count === 1 ? 'one node' : `${count} nodes`
  rows.push(row(`put, ${where}`, puts), row(`get, ${where}`, gets))
}
const title = `Cost of ${mebibytes} MiB of random bytes, medians of ${values.rounds}`
const header = ['', 'MB/s', 'CPU s/GB of all nodes', 'peak RssAnon, MB']
console.log(formatFigures({ title, header, rows }))

async function measure(nodes: readonly TestNode[], work: () => Promise<unknown>): Promise<Cost> {
  const peaks = nodes.map(({ pid }) => AnonymousPeak.watch(pid))
  const before = await processorSum(nodes)
  const taken = await seconds(work)
  const after = await processorSum(nodes)
  const peakBytes = Math.max(...(await Promise.all(peaks.map((peak) => peak.end()))))
  return { seconds: taken, processorSeconds: after - before, peakBytes }
}

async function processorSum(nodes: readonly TestNode[]): Promise<number> {
  const each = await Promise.all(nodes.map(({ pid }) => processorSeconds(pid)))
  return each.reduce((sum, one) => sum + one, 0)
}

function row(what: string, costs: readonly Cost[]): string[] {
  const of = (figure: (cost: Cost) => number): number => median(costs.map(figure))
  return [
    what,
    ((1e3 * gigabytes) / of((cost) => cost.seconds)).toFixed(0),
    of((cost) => cost.processorSeconds / gigabytes).toFixed(1),
    of((cost) => cost.peakBytes / 1e6).toFixed(0),
  ]
}
