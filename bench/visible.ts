// `node bench/visible.ts --nodes 2,5 --count 500`: how soon what a program does in the mount of one
// node is seen through the mount of another. Real nodes on loopback, nothing else going on; the
// time runs from the beginning of the call on the first node to the end of the call on the last
// that sees it, which asks again each millisecond.
import { open, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { TestCluster, eventually } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { formatFigures } from './growth/figures.ts'
import { quantile } from './growth/quantile.ts'

/** Asking more often would be the load that is measured. */
const ASK_MS = 1

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '2,5' },
    count: { type: 'string', default: '500' },
  },
})

/** A change on one side, and whether the other sees it. */
interface Change {
  readonly what: string
  readonly make: (round: number) => Promise<void>
  readonly isSeen: (round: number) => Promise<boolean>
}

for (const nodes of values.nodes.split(',').map(Number)) await measure(nodes, Number(values.count))

async function measure(nodes: number, count: number): Promise<void> {
  await using cluster = await TestCluster.start(nodes, { mounts: true })
  const first = cluster.nodes[0] as TestNode
  const last = cluster.nodes.at(-1) as TestNode
  for (const name of ['small', 'large']) {
    await writeFile(join(first.mountFolder, name), '')
    await eventually('the file is there', () => isThere(join(last.mountFolder, name)))
  }
  const rows: string[][] = []
  for (const change of changes(first.mountFolder, last.mountFolder)) {
    const times: number[] = []
    for (let round = 0; round < count; round++) times.push(await timeOf(change, round))
    rows.push([change.what, ...[0.5, 0.99, 1].map((part) => quantile(times, part).toFixed(0))])
  }
  const title = `Until visible in the mount of another node, ${nodes} nodes, ${count} of each`
  console.log(formatFigures({ title, header: ['operation', 'p50 ms', 'p99 ms', 'max ms'], rows }))
}

/** Milliseconds until it is seen, which it is not before it is made. */
async function timeOf({ make, isSeen }: Change, round: number): Promise<number> {
  if (await isSeen(round)) throw new Error('seen before it was made')
  const start = performance.now()
  const made = make(round)
  while (!(await isSeen(round))) await setTimeout(ASK_MS)
  const time = performance.now() - start
  await made
  return time
}

function changes(here: string, there: string): readonly Change[] {
  const created = (round: number): string => `new ${round}`
  const renamed = (round: number): string => `other ${round}`
  return [
    {
      what: 'write and close; open, fstat, read',
      make: (round) => writeFile(join(here, 'small'), `changed ${round}`),
      isSeen: (round) => hasText(join(there, 'small'), `changed ${round}`),
    },
    {
      what: 'the same with 1 MiB',
      make: (round) => writeFile(join(here, 'large'), large(round)),
      isSeen: (round) => hasText(join(there, 'large'), large(round)),
    },
    {
      what: 'create; stat of a name absent before',
      make: (round) => writeFile(join(here, created(round)), ''),
      isSeen: (round) => isThere(join(there, created(round))),
    },
    {
      what: 'rename; stat of the new name',
      make: (round) => rename(join(here, created(round)), join(here, renamed(round))),
      isSeen: (round) => isThere(join(there, renamed(round))),
    },
    {
      what: 'unlink; stat',
      make: (round) => unlink(join(here, renamed(round))),
      isSeen: async (round) => !(await isThere(join(there, renamed(round)))),
    },
  ]
}

function large(round: number): string {
  return `changed ${round}`.padEnd(2 ** 20, `${round}`)
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** Does a program that opens the file find this in it, and fstat its length? */
async function hasText(path: string, text: string): Promise<boolean> {
  await using file = await open(path)
  const { size } = await file.stat()
  return size === text.length && (await file.readFile('utf8')) === text
}
