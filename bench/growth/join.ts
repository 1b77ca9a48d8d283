// How long a new member takes to have what there is, with much history behind the same live files:
// two real nodes on loopback. The history is written by the real volume into the home from which
// the first node then starts.
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { TestCluster, eventually } from '../../test/cluster/cluster.ts'
import type { NodeApi } from '../../node/control/api.ts'
import { openClient } from '../../node/control/client.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { seconds } from '../copy.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'

const FILES_PER_FOLDER = 1000
const CHECKPOINT_MS = 1_800_000
const JOIN_MS = 600_000

/** histories: in ops, each at least `files`. */
export async function measureJoin(files: number, histories: readonly number[]): Promise<Figures> {
  const rows: (readonly string[])[] = []
  let first: number | undefined
  for (const ops of histories) {
    const { prepared, checkpointed, joined, entries, peakBytes } = await joinOnce(files, ops)
    first ??= joined
    rows.push([
      String(files),
      String(ops),
      String(entries),
      joined.toFixed(2),
      (joined / first).toFixed(2),
      ...peakBytes.map((bytes) => (bytes / 1e6).toFixed(0)),
      prepared.toFixed(0),
      checkpointed.toFixed(0),
    ])
  }
  return {
    title: 'Joining a volume',
    header: [
      'live files',
      'ops of history',
      'entries the joiner holds',
      's to join',
      'ratio to the first',
      'peak RSS, MB',
      'of the joiner',
      's to prepare',
      's to checkpoint',
    ],
    rows,
  }
}

interface Joined {
  /** Seconds. */
  readonly prepared: number
  /** Until the first node has made a checkpoint, most of it spent on waiting for it to look. */
  readonly checkpointed: number
  readonly joined: number
  /** In the joiner's log. */
  readonly entries: number
  /** The peak memory of the first node and of the joiner. */
  readonly peakBytes: readonly [first: number, joiner: number]
}

async function joinOnce(files: number, ops: number): Promise<Joined> {
  await using cluster = await TestCluster.create()
  const prepared = await seconds(async () => {
    await using author = await DiskReplica.founder(cluster.folder, 'n1')
    author.store.durable = false
    await writeHistory(author, files, ops)
  })
  const [member, joiner] = [cluster.node('n1'), cluster.node('n2')]
  await member.start()
  await joiner.start()
  const [here, there] = [openClient({ home: member.home }), openClient({ home: joiner.home })]
  try {
    const checkpointed = await seconds(() => makeCheckpoint(here))
    const { ticket } = await here.invite({})
    const joined = await seconds(async () => {
      await there.join(ticket)
      await eventually('the joiner has all', () => sameHeads(here, there), JOIN_MS)
    })
    await there.stat(`/folder ${Math.floor((files - 1) / FILES_PER_FOLDER)}/file ${files - 1}`)
    const { entries } = await there.volumeInfo('main')
    const peakBytes = [await member.peakBytes(), await joiner.peakBytes()] as const
    return { prepared, checkpointed, joined, entries, peakBytes }
  } finally {
    here.close()
    there.close()
  }
}

/**
 * Have the node make a checkpoint and drop the log below it: it looks now and then whether one is
 * due.
 */
async function makeCheckpoint(node: NodeApi): Promise<void> {
  const { entries } = await node.setVolume('main', { checkpoint: '1' })
  const isDropped = async (): Promise<boolean> =>
    (await node.volumeInfo('main')).entries < entries / 2
  await eventually('the log below a checkpoint is dropped', isDropped, CHECKPOINT_MS)
}

async function sameHeads(one: NodeApi, other: NodeApi): Promise<boolean> {
  const [here, there] = [await one.volumeInfo('main'), await other.volumeInfo('main')]
  return here.heads.join() === there.heads.join()
}

/** `files` files by one op each, and the rest of the ops are new contents of them. */
async function writeHistory(author: DiskReplica, files: number, ops: number): Promise<void> {
  const { namespace, volume } = author
  const made: Extract<ViewTarget, { kind: 'inode' }>[] = []
  let dir: NodeId = ROOT
  for (let file = 0; file < files; file++) {
    if (file % FILES_PER_FOLDER === 0) {
      const name = nameFromText(`folder ${file / FILES_PER_FOLDER}`)
      dir = namespace.makeDir(ROOT, name, { mode: 0o755 })
    }
    made.push(namespace.create(dir, nameFromText(`file ${file}`), { mode: 0o644, uid: 0, gid: 0 }))
    await volume.makeRoom()
  }
  for (let op = files; op < ops; op++) {
    const target = made[op % files]
    if (target === undefined) throw new Error('no file to write to')
    const bytes = utf8(`content by op ${op}`)
    const { base } = namespace.fileVersion(target)
    namespace.putVersion(target.id, {
      content: { kind: 'inline', bytes },
      size: bytes.length,
      base,
      modifiedNs: namespace.nowNs(),
    })
    await volume.makeRoom()
  }
  await volume.commit()
}
