// `npm run bench`: what people wait for, each beside `cp -r` on the same disk in the same run: one big random file and a
// tree of small ones, through the command and through the mount, on one node and on three; the mount beside other file
// systems (mount.ts); a cold tier beside other programs that use an S3 server (cold.ts); shards to a peer; repair
// (repair.ts); reads from others (remote-read.ts), also without some of the holders (degraded-read.ts); how soon a change
// shows elsewhere (visible.ts); Reed-Solomon beside a native library; and how costs grow with what there is (growth.ts, in
// its small form).
// --mib N (1024), --files N (5000), --nodes 1,3 scale it down while working on something.
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { writeRandomFile, writeSmallTree } from '../test/cluster/trees.ts'
import { measureNodes } from './nodes.ts'
import { measureShards } from './shards.ts'
import { formatTable } from './table.ts'
import { show, timeCopy } from './copy.ts'
import type { Work } from './copy.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '5000' },
    nodes: { type: 'string', default: '1,3' },
  },
})
const mebibytes = Number(values.mib)
const fileCount = Number(values.files)

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
  )
  const source = join(folder, 'source')
  await mkdir(join(source, 'big'), { recursive: true })
  await mkdir(join(source, 'tree'))
  await writeRandomFile(join(source, 'big', 'file'), mebibytes)
  const works: readonly Work[] = [
    {
      name: `one file of ${mebibytes} MiB`,
      path: join(source, 'big'),
      bytes: mebibytes * MIB,
      files: 1,
    },
    {
      name: `${fileCount} small files`,
      path: join(source, 'tree'),
      bytes: await writeSmallTree(join(source, 'tree'), fileCount),
      files: fileCount,
    },
  ]
  await show(process.execPath, fileURLToPath(new URL('./growth.ts', import.meta.url)))
  await show(process.execPath, fileURLToPath(new URL('./reed-solomon.ts', import.meta.url)))
  console.log(formatTable(await measureShards(folder, mebibytes)))
  const repair = fileURLToPath(new URL('./repair.ts', import.meta.url))
  await show(process.execPath, repair, '--mib', values.mib)
  const degraded = fileURLToPath(new URL('./degraded-read.ts', import.meta.url))
  await show(process.execPath, degraded, '--mib', values.mib)
  const remoteRead = fileURLToPath(new URL('./remote-read.ts', import.meta.url))
  await show(process.execPath, remoteRead, '--mib', values.mib)
  await show(process.execPath, fileURLToPath(new URL('./visible.ts', import.meta.url)))
  await show(process.execPath, fileURLToPath(new URL('./mount.ts', import.meta.url)))
  const cold = fileURLToPath(new URL('./cold.ts', import.meta.url))
  await show(process.execPath, cold, '--mib', String(mebibytes / 8), '--files', values.files)
  for (const count of values.nodes.split(',').map(Number)) {
    for (const work of works) {
      const copied = await timeCopy(work, join(folder, 'copied'))
      console.log(`\n## ${work.name}, ${count === 1 ? 'one node' : `${count} nodes`}\n`)
      console.log(formatTable(await measureNodes(folder, work, count, copied)))
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
