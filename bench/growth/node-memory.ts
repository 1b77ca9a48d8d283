// Memory and speed of a real node that holds very many files in one folder: started on a home that
// the real volume has filled, then written to and listed through its control socket.
import { utf8 } from '../../protocol/bytes.ts'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { TestCluster } from '../../test/cluster/cluster.ts'
import { seconds } from '../copy.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'

/** Calls under way at a time. */
const LANES = 16

/** sizes: files in the folder before; then `more` are made. */
export async function measureNode(sizes: readonly number[], more: number): Promise<Figures> {
  const rows: (readonly string[])[] = []
  for (const size of sizes) rows.push(await measureSize(size, more))
  return {
    title: 'A node with many files in one folder',
    header: ['files', 's to start', `creates/s, ${more} more`, 's to list', 'peak RSS, MB'],
    rows,
    notes: [`Creates: through the control socket, ${LANES} at a time, durable at the end.`],
  }
}

async function measureSize(size: number, more: number): Promise<readonly string[]> {
  await using cluster = await TestCluster.create()
  {
    await using author = await DiskReplica.founder(cluster.folder, 'n1')
    author.store.durable = false
    await author.fill(size)
  }
  const node = cluster.node('n1')
  const started = await seconds(() => node.start())
  const client = openClient({ home: node.home })
  try {
    const created = await seconds(() => createFiles(client, more))
    let listed = 0
    const listing = await seconds(async () => {
      for await (const page of client.list('/')) listed += page.length
    })
    if (listed !== size + more) throw new Error(`${listed} files are listed of ${size + more}`)
    return [
      String(size),
      started.toFixed(1),
      (more / created).toFixed(0),
      listing.toFixed(1),
      ((await node.peakBytes()) / 1e6).toFixed(0),
    ]
  } finally {
    client.close()
  }
}

async function createFiles(client: Client, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, file) => file).values()
  const lane = async (): Promise<void> => {
    for (const file of numbers)
      await client.writeFile(`/new ${file}`, content(`new ${file}`), {}, { ack: 'none' })
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await client.settle('local')
}

async function* content(text: string): AsyncGenerator<Uint8Array> {
  yield utf8(text)
}
