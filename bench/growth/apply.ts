// Ops applied from a remote log per second: entries in wire form, as an exchange delivers them,
// into a volume on this disk. The baseline is the very records that this writes, as bare batches
// into another LevelDB.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEntry, encodeEntry } from '../../protocol/log/entry.ts'
import { nameFromText } from '../../protocol/op/names.ts'
import { ROOT } from '../../protocol/tree/records.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { KvWrite } from '../../node/store/kv.ts'
import { LevelKv } from '../../node/store/level-kv.ts'
import { recordRatio } from '../record.ts'
import { costOf } from './cost.ts'
import type { Cost } from './cost.ts'
import { DiskReplica } from './disk-replica.ts'
import type { Figures } from './figures.ts'

const TITLE = 'Ops applied from a remote log'
/** Per so many files one folder, one rename and one unlink. */
const FILES_PER_FOLDER = 40
const FILES_PER_RENAME = 4
const FILES_PER_UNLINK = 4

/** Write a log of about `ops` ops on one replica and apply it on another. */
export async function measureApply(folder: string, ops: number, runs: number): Promise<Figures> {
  await using author = await DiskReplica.founder(folder, 'author')
  author.store.durable = false
  const made = await writeOps(author, ops)
  const rows: (readonly string[])[] = []
  for (let run = 1; run <= runs; run++) {
    const { applied, raw, records } = await applyOnce(folder, author, `reader-${run}`)
    recordRatio(`${TITLE}: CPU`, raw.cpuSeconds / applied.cpuSeconds)
    rows.push([
      String(run),
      String(made),
      applied.seconds.toFixed(2),
      (made / applied.seconds).toFixed(0),
      ((applied.cpuSeconds * 1e6) / made).toFixed(0),
      String(records),
      raw.seconds.toFixed(2),
      (raw.seconds / applied.seconds).toFixed(2),
      (raw.cpuSeconds / applied.cpuSeconds).toFixed(2),
    ])
  }
  return {
    title: TITLE,
    header: [
      'run',
      'ops',
      's',
      'ops/s',
      'CPU µs each',
      'records',
      's of bare puts',
      'ratio to bare puts',
      'ratio of CPU',
    ],
    rows,
  }
}

interface Applied {
  readonly applied: Cost
  readonly raw: Cost
  readonly records: number
}

async function applyOnce(folder: string, author: DiskReplica, name: string): Promise<Applied> {
  await using reader = await author.member(folder, name)
  const { volume } = reader
  await author.volume.commit()
  const [held, theirs] = [author.volume.durableVector(), volume.durableVector()]
  const log = [...author.volume.entries.between(theirs, held)].map(({ entry }) =>
    encodeEntry(entry),
  )
  const batches: (readonly KvWrite[])[] = []
  reader.store.onCommit = (writes) => batches.push(writes)
  const applied = await costOf(async () => {
    for (const bytes of log) {
      const verdict = volume.receive(decodeEntry(bytes))
      if (verdict !== 'applied') throw new Error(`an entry was not applied: ${verdict}`)
      await volume.makeRoom()
    }
    await volume.commit()
  })
  const kv = await LevelKv.open(await made(join(folder, `${name}-raw`)))
  try {
    const raw = await costOf(async () => {
      for (const batch of batches) await kv.write(batch, { sync: true })
    })
    return { applied, raw, records: batches.flat().length }
  } finally {
    await kv.close()
  }
}

async function made(parent: string): Promise<string> {
  await mkdir(parent)
  return join(parent, 'index')
}

/**
 * Files with a little content in folders, some moved, some removed again. returns how many ops that
 * was.
 */
async function writeOps(author: DiskReplica, count: number): Promise<number> {
  const { namespace, volume } = author
  let made = 0
  let dir: NodeId = ROOT
  let before: NodeId = ROOT
  for (let file = 0; made < count; file++) {
    if (file % FILES_PER_FOLDER === 0) {
      before = dir
      dir = namespace.makeDir(ROOT, nameFromText(`folder ${file}`), { mode: 0o755 })
      made++
    }
    author.write(dir, fileName(file), `content of file ${file}, `.repeat(1 + (file % 16)))
    made += 2
    if (file % FILES_PER_RENAME === 1) {
      namespace.rename(dir, nameFromText(fileName(file)), before, nameFromText(`moved ${file}`))
      made++
    }
    if (file % FILES_PER_UNLINK === 2) {
      namespace.unlink(dir, nameFromText(fileName(file)))
      made++
    }
    await volume.makeRoom()
  }
  await volume.commit()
  return made
}

function fileName(file: number): string {
  return `file ${file}.txt`
}
