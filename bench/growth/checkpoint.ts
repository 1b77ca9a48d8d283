// The cost of a checkpoint, the first of a volume and the next one after few changes all over it:
// the real volume on this disk, in this process, which does nothing else.
import { readFile } from 'node:fs/promises'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { nameFromText } from '../../protocol/op/names.ts'
import { utf8 } from '../../protocol/bytes.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import { SerialQueue } from '../../node/jobs/serial-queue.ts'
import { Checkpoints } from '../../node/checkpoint/checkpoints.ts'
import { networkOf } from '../../test/node/log/wires.ts'
import { AnonymousPeak } from '../anonymous-peak.ts'
import { costOf } from './cost.ts'
import type { Cost } from './cost.ts'
import { DiskReplica } from './disk-replica.ts'
import { megabytes } from './figures.ts'
import type { Figures } from './figures.ts'

const FILES_PER_FOLDER = 1000
const CHANGES = 1000

/** One size a process: its memory is measured too. */
export async function measureCheckpoint(folder: string, size: number): Promise<Figures> {
  await using replica = await DiskReplica.founder(folder, 'node')
  const { clock, random, volume } = replica
  replica.store.durable = false
  const filled = await measured(replica, () => replica.fill(size, FILES_PER_FOLDER))
  replica.store.durable = true
  const checkpoints = new Checkpoints(
    {
      world: { clock, random, network: networkOf(replica.identity.peer, {}) },
      volume,
      queue: new SerialQueue(),
      onNew: () => undefined,
      onAttested: () => undefined,
      onBehind: () => undefined,
      log: (message, fields) => console.error(message, fields),
    },
    { entries: 1, everyMs: 0 },
  )
  const first = await measured(replica, () => checkpoints.look())
  const before = volume.checkpoint?.sealed
  if (before === undefined) throw new Error('no checkpoint was made')
  await change(replica, size)
  const next = await measured(replica, () => checkpoints.look())
  if (volume.checkpoint?.sealed === before) throw new Error('no second checkpoint was made')
  await checkpoints.stop()
  return {
    title: `Checkpoints of a volume of ${size} files, ${FILES_PER_FOLDER} a folder`,
    header: [
      'step',
      's',
      'CPU s',
      'CPU us a file',
      'peak RssAnon, MB',
      'written, MB',
      'longest block, ms',
      'index, MB',
    ],
    rows: [
      row('write the files', filled, size),
      row('first', first, size),
      row(`next, after ${CHANGES} changes`, next, CHANGES),
    ],
    notes: [`CPU of all threads; of the next checkpoint, by change. Index: at its end.`],
  }
}

interface Measured extends Cost {
  readonly peakBytes: number
  readonly writtenBytes: number
  /** The longest time in which nothing else ran. */
  readonly blockMs: number
  readonly indexBytes: number
}

async function measured(replica: DiskReplica, work: () => Promise<unknown>): Promise<Measured> {
  const peak = AnonymousPeak.watch(process.pid)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const before = await writtenBytes()
  delay.enable()
  const cost = await costOf(work)
  delay.disable()
  return {
    ...cost,
    peakBytes: await peak.end(),
    writtenBytes: (await writtenBytes()) - before,
    blockMs: delay.max / 1e6,
    indexBytes: await replica.store.kv.sizeBytes(),
  }
}

/** Bytes that this process has given to the disk. */
async function writtenBytes(): Promise<number> {
  return Number(/^write_bytes: (\d+)/m.exec(await readFile('/proc/self/io', 'utf8'))?.[1])
}

/** New content of files all over the volume. */
export async function change(replica: DiskReplica, size: number): Promise<void> {
  const { namespace, volume } = replica
  for (let n = 0; n < CHANGES; n++) {
    const file = Math.floor((n * size) / CHANGES)
    const dir = namespace.lookup(ROOT, nameFromText(`folder ${file - (file % FILES_PER_FOLDER)}`))
    const target = dir && namespace.lookup(dir.id, nameFromText(`file ${file}`))
    if (target?.kind !== 'inode') throw new Error(`file ${file} is not there`)
    const { base } = namespace.fileVersion(target)
    const content = { kind: 'inline', bytes: utf8(`changed ${n}`) } as const
    const modifiedNs = namespace.nowNs()
    namespace.putVersion(target.id, { content, size: content.bytes.length, base, modifiedNs })
    await volume.makeRoom()
  }
  await volume.commit()
}

function row(step: string, cost: Measured, count: number): readonly string[] {
  return [
    step,
    cost.seconds.toFixed(1),
    cost.cpuSeconds.toFixed(1),
    ((cost.cpuSeconds * 1e6) / count).toFixed(0),
    megabytes(cost.peakBytes),
    megabytes(cost.writtenBytes),
    cost.blockMs.toFixed(0),
    megabytes(cost.indexBytes),
  ]
}
