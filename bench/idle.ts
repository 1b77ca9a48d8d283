// `node bench/idle.ts --nodes 1,6 --settle 60 --seconds 60`: what nodes cost that have nothing to
// do. So many node processes on loopback, each with a mount, of one volume with a small tree; once
// they are settled, what each takes of a core, and how often it wakes (voluntary context switches
// of all its threads; those of the main thread beside them).
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { SECOND_MS } from '../protocol/units.ts'
import { TestCluster } from '../test/cluster/cluster.ts'
import { writeSmallTree } from '../test/cluster/trees.ts'
import { formatFigures } from './growth/figures.ts'
import { processorSeconds } from './processor-time.ts'
import { wakeUps } from './wake-ups.ts'
import type { TestNode } from '../test/cluster/cluster.ts'

const FILES = 100

interface Reading {
  readonly atMs: number
  readonly processorSeconds: number
  readonly wakeUps: ReadonlyMap<string, number>
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1,6' },
    settle: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '60' },
    threads: { type: 'boolean', default: false },
    mdns: { type: 'boolean', default: false },
  },
})
const rows: (readonly string[])[] = []
const notes: string[] = []
for (const count of values.nodes.split(',').map(Number)) await measure(count)
const title = `Idle nodes, over ${values.seconds} s after ${values.settle} s of rest`
const header = ['nodes', '% of a core each', 'wake-ups/s each', 'of the main thread']
console.log(formatFigures({ title, header, rows, notes }))

async function measure(count: number): Promise<void> {
  await using cluster = await TestCluster.start(count, { mounts: true, mdns: values.mdns })
  const tree = join(cluster.folder, 'tree')
  await mkdir(tree)
  await writeSmallTree(tree, FILES)
  await cluster.nodes[0]?.shoal('put', tree, '/tree')
  await cluster.converged()
  await sleep(Number(values.settle) * SECOND_MS)
  const before = await Promise.all(cluster.nodes.map(read))
  await sleep(Number(values.seconds) * SECOND_MS)
  const after = await Promise.all(cluster.nodes.map(read))
  const totals = new Map<string, number>()
  let share = 0
  after.forEach((now, at) => {
    const then = before[at]
    if (then === undefined) return
    const seconds = (now.atMs - then.atMs) / SECOND_MS
    share += (now.processorSeconds - then.processorSeconds) / seconds / count
    for (const [thread, switches] of now.wakeUps) {
      const rate = (switches - (then.wakeUps.get(thread) ?? 0)) / seconds / count
      const name = thread.replace(/^\d+ /, '')
      totals.set(name, (totals.get(name) ?? 0) + rate)
    }
  })
  const all = totals.values().reduce((sum, rate) => sum + rate, 0)
  const main = totals.get('main') ?? 0
  rows.push([String(count), (share * 100).toFixed(2), all.toFixed(1), main.toFixed(1)])
  const others = [...totals].filter(([, rate]) => rate >= 0.05)
  const named = others.map(([name, rate]) => `${name} ${rate.toFixed(1)}`).join(', ')
  if (values.threads) notes.push(`Wake-ups/s of the threads, ${count} nodes: ${named}.`)
}

async function read(node: TestNode): Promise<Reading> {
  const { pid } = node
  return {
    atMs: performance.now(),
    processorSeconds: await processorSeconds(pid),
    wakeUps: await wakeUps(pid),
  }
}
