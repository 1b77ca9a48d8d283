// Put, get, and copying through the mount, on real node processes.
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TestCluster } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { run, seconds } from './copy.ts'
import type { CopyTimes, Work } from './copy.ts'
import type { Row, Table } from './table.ts'

/**
 * One node writes; the last of them reads: itself where there is one only, else over the network.
 */
export async function measureNodes(
  folder: string,
  work: Work,
  count: number,
  copied: CopyTimes,
): Promise<Table> {
  await using cluster = await TestCluster.start(count, { mounts: true })
  const writer = cluster.nodes[0] as TestNode
  const reader = cluster.nodes.at(-1) as TestNode
  const back = join(folder, 'back')
  const row = async (
    what: string,
    baseline: number,
    measured: () => Promise<unknown>,
  ): Promise<Row> => ({
    what,
    seconds: await seconds(measured),
    bytes: work.bytes,
    files: work.files,
    baseline,
  })
  const rows: Row[] = []
  rows.push(await row('put', copied.durable, () => writer.shoal('put', work.path, '/put')))
  if (count > 1) {
    rows.push(
      await row('until all shards are placed', copied.durable, () =>
        writer.shoal('put', '--ack', 'placed', work.path, '/put'),
      ),
    )
    await cluster.converged()
  }
  rows.push(await row('get', copied.copy, () => reader.shoal('get', '/put', back)))
  await rm(back, { recursive: true })
  rows.push(
    await row('cp -r into the mount, then sync', copied.durable, async () => {
      await run('cp', '-r', work.path, join(writer.mountFolder, 'copied'))
      await run('sync', '-f', writer.mountFolder)
    }),
  )
  const notes: string[] = []
  if (work.files === 1) {
    const before = await bytesIn(writer.home)
    rows.push(
      await row('cp within the mount, then sync', copied.durable, async () => {
        await run('cp', '-r', join(writer.mountFolder, 'put'), join(writer.mountFolder, 'again'))
        await run('sync', '-f', writer.mountFolder)
      }),
    )
    const grown = (await bytesIn(writer.home)) - before
    notes.push(`The copy within the mount took ${(grown / 1e3).toFixed(0)} kB of disk.`)
  }
  await cluster.converged()
  // The kernel has the pages of what was written: mount anew, so that they come from the node.
  await reader.shoal('unmount', reader.mountFolder)
  await reader.shoal('mount', reader.mountFolder)
  await mkdir(back)
  rows.push(
    await row('cp -r out of the mount', copied.copy, () =>
      run('cp', '-r', join(reader.mountFolder, 'copied'), back),
    ),
  )
  if (work.files === 1) {
    await reader.shoal('unmount', reader.mountFolder)
    await reader.shoal('mount', reader.mountFolder)
    const file = join(reader.mountFolder, 'put', 'file')
    rows.push(
      await row('sequential read of the mount (dd)', copied.copy, () =>
        run('dd', `if=${file}`, 'of=/dev/null', 'bs=1M', 'status=none'),
      ),
    )
  }
  await rm(back, { recursive: true })
  const peaks = await Promise.all(
    cluster.nodes.map(
      async (node) => `${node.name} ${((await node.peakBytes()) / 1e6).toFixed(0)} MB`,
    ),
  )
  return { baselineName: 'cp -r', rows, notes: [...notes, `Peak RSS: ${peaks.join(', ')}.`] }
}

/** The size of all files in a folder and below. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const stats = await Promise.all(files.map((file) => stat(join(file.parentPath, file.name))))
  return stats.reduce((sum, { size }) => sum + size, 0)
}
