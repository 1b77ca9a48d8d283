// The cost of a snapshot by how many files there are, right after a checkpoint, and after as many
// changes in each; of comparing it with one before; and of telling garbage collection what it
// names: the real volume on this disk, in this process.
import { join } from 'node:path'
import { SerialQueue } from '../../node/jobs/serial-queue.ts'
import { Checkpoints } from '../../node/checkpoint/checkpoints.ts'
import { Snapshots } from '../../node/checkpoint/snapshots.ts'
import { viewOf } from '../../node/log/volume-trees.ts'
import type { Snapshot } from '../../node/state/snapshots.ts'
import { snapshotVersions } from '../../node/tree/snapshot-versions.ts'
import { differences } from '../../node/volume/snapshot-diff.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { networkOf } from '../../test/node/log/wires.ts'
import { change } from './checkpoint.ts'
import { costOf } from './cost.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'

const FILES_PER_FOLDER = 1000
/** In each volume. */
const CHANGES = 1000

export async function measureSnapshot(folder: string, sizes: readonly number[]): Promise<Figures> {
  const rows: (readonly string[])[] = []
  for (const size of sizes) rows.push([String(size), ...(await measureOne(folder, size))])
  const ms = ['snapshot', `after ${CHANGES} changes`, 'compare the two', 'what they name']
  return {
    title: `Snapshots by the number of files, ${FILES_PER_FOLDER} a folder`,
    header: ['files', ...ms.map((step) => `${step}, ms`)],
    rows,
    notes: ['The first right after a checkpoint, as is the checkpoint compared with.'],
  }
}

async function measureOne(folder: string, size: number): Promise<readonly string[]> {
  await using replica = await DiskReplica.founder(join(folder, String(size)), 'node')
  const { clock, random, volume } = replica
  replica.store.durable = false
  await replica.fill(size, FILES_PER_FOLDER)
  replica.store.durable = true
  const queue = new SerialQueue()
  const world = { clock, random, network: networkOf(replica.identity.peer, {}) }
  const nothing = (): undefined => undefined
  const log = (message: string, fields: object): void => console.error(message, fields)
  const checkpoints = new Checkpoints(
    { world, volume, queue, onNew: nothing, onAttested: nothing, onBehind: nothing, log },
    { entries: 1, everyMs: 0 },
  )
  await checkpoints.look()
  if (volume.checkpoint === undefined) throw new Error('no checkpoint was made')
  const fetch = (): Promise<void> => Promise.reject(new Error('nobody is asked'))
  const snapshots = new Snapshots({ world, volume, queue, peers: () => [], fetch, log })
  const create = (name: string): Promise<Snapshot> =>
    snapshots.create({ name, folder: ROOT }, async (make) => make())
  const [one, first] = await timed(() => create('one'))
  await change(replica, size)
  const [two, next] = await timed(() => create('two'))
  const views = [viewOf(volume, one.root), viewOf(volume, two.root)] as const
  const [found, compared] = await timed(() =>
    differences(volume, views, { pause: async () => undefined }),
  )
  if (found.length !== CHANGES) throw new Error(`${found.length} differences`)
  const [, walked] = await timed(async () => {
    for await (const _ of snapshotVersions(volume, [two, one]));
  })
  await snapshots.stop()
  await checkpoints.stop()
  return [first, next, compared, walked]
}

async function timed<Result>(run: () => Promise<Result>): Promise<[result: Result, ms: string]> {
  let result: Result | undefined
  const { seconds } = await costOf(async () => void (result = await run()))
  return [result as Result, (seconds * 1000).toFixed(0)]
}
