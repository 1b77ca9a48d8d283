// The cost of a folder's listing through the mount of a real node, with the attributes of each
// entry, the first time and again, and after one more file was made in it: CPU time of the node.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TestCluster } from '../../test/cluster/cluster.ts'
import type { TestNode } from '../../test/cluster/cluster.ts'
import { run } from '../copy.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'

export async function measureListing(sizes: readonly number[]): Promise<Figures> {
  const rows: (readonly string[])[] = []
  for (const size of sizes) rows.push(await measureSize(size))
  return {
    title: 'Listing a folder in the mount, with attributes',
    header: [
      'entries',
      'first, us an entry',
      'again',
      'after one more file',
      'readdir alone, after another',
    ],
    rows,
    notes: ['CPU time of the node, by entry; `ls -lU`, and for the last column `ls -U`.'],
  }
}

async function measureSize(size: number): Promise<readonly string[]> {
  await using cluster = await TestCluster.create()
  {
    await using author = await DiskReplica.founder(cluster.folder, 'n1')
    author.store.durable = false
    await author.fill(size)
  }
  const node = cluster.node('n1')
  await node.start({ mount: node.mountFolder })
  const micros = (how: string): Promise<number> => cpuMicros(node, size, how)
  const first = await micros('-lU')
  const again = await micros('-lU')
  await writeFile(join(node.mountFolder, 'one more'), 'x')
  const more = await micros('-lU')
  await writeFile(join(node.mountFolder, 'another'), 'x')
  const names = await micros('-U')
  return [String(size), ...[first, again, more, names].map((each) => each.toFixed(1))]
}

/** CPU time of the node while the folder is listed, by entry. */
async function cpuMicros(node: TestNode, size: number, how: string): Promise<number> {
  const before = await node.cpuSeconds()
  await run('sh', '-c', 'ls "$0" "$1" > /dev/null', how, node.mountFolder)
  return (((await node.cpuSeconds()) - before) * 1e6) / size
}
