// `npm run bench`: what people wait for, each beside `cp -r` on the same disk in the same run:
// one big random file and a tree of small ones, through the command and through the mount, on
// one node and on three (nodes.ts); put and get, and backups, beside backup programs
// (backups.ts, backup.ts); six nodes beside GlusterFS (coded.ts); the mount beside other file
// systems (mount.ts); a cold tier beside other programs that use an S3 server (cold.ts); the
// WebDAV door beside rclone (webdav.ts), the S3 door beside radosgw (s3.ts); shards to a peer;
// repair (repair.ts); reads from others (remote-read.ts), also without some of the holders
// (degraded-read.ts); what homes take for it on their disks (space.ts); how soon a change shows
// elsewhere (visible.ts); how soon the command and a node start (start.ts); what idle nodes take
// of a core (idle.ts), and keep in memory after many small files (memory.ts); what metrics and
// traces cost (metrics.ts); what large files cost in processor time and memory (data-path.ts);
// Reed-Solomon beside a native library; and how costs grow with what there is (growth.ts, in its
// small form).
// --mib N (1024), --files N (5000), --nodes 1,3: sizes --only PART,...: some of PARTS --rounds
// N: all of it N times; three or more show how far figures scatter --json FILE: write the ratios
// to baselines --compare FILE: compare them with those that --json wrote before (compare.ts)
// Exit code: 0 done, 1 something became slower than in FILE by more than its noise.
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { writeRandomFile, writeSmallTree } from '../test/cluster/trees.ts'
import { compare, formatComparison } from './compare.ts'
import { measureNodes } from './nodes.ts'
import { RECORD_VARIABLE, recordedIn } from './record.ts'
import { measureShards } from './shards.ts'
import { showTable } from './table.ts'
import { show, timeCopy } from './copy.ts'
import type { Figure } from './compare.ts'
import type { Work } from './copy.ts'
import { describeMachine } from './works.ts'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '5000' },
    nodes: { type: 'string', default: '1,3' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    json: { type: 'string' },
    compare: { type: 'string' },
  },
})
const mebibytes = Number(values.mib)
const fileCount = Number(values.files)

/** Written by --json. */
interface Figures {
  readonly machine: string
  readonly figures: readonly Figure[]
}

const PARTS: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  'data-path': () =>
    program(new URL('./data-path.ts', import.meta.url), '--mib', String(mebibytes / 2)),
  start: () => program(new URL('./start.ts', import.meta.url)),
  growth: () => program(new URL('./growth.ts', import.meta.url)),
  'reed-solomon': () => program(new URL('./reed-solomon.ts', import.meta.url)),
  shards: async (folder) => {
    const table = await measureShards(await made(folder, 'shards'), mebibytes)
    showTable(`Shards of 4 MiB to a peer, ${mebibytes} MiB`, table)
  },
  repair: () => program(new URL('./repair.ts', import.meta.url), '--mib', values.mib),
  'degraded-read': () =>
    program(new URL('./degraded-read.ts', import.meta.url), '--mib', values.mib),
  'remote-read': () => program(new URL('./remote-read.ts', import.meta.url), '--mib', values.mib),
  space: () => program(new URL('./space.ts', import.meta.url)),
  visible: () => program(new URL('./visible.ts', import.meta.url)),
  idle: () => program(new URL('./idle.ts', import.meta.url)),
  metrics: () => program(new URL('./metrics.ts', import.meta.url)),
  memory: () => program(new URL('./memory.ts', import.meta.url)),
  mount: () => program(new URL('./mount.ts', import.meta.url)),
  cold: () =>
    program(
      new URL('./cold.ts', import.meta.url),
      '--mib',
      String(mebibytes / 8),
      '--files',
      values.files,
    ),
  s3: () =>
    program(
      new URL('./s3.ts', import.meta.url),
      '--mib',
      String(mebibytes / 2),
      '--files',
      values.files,
    ),
  webdav: () =>
    program(
      new URL('./webdav.ts', import.meta.url),
      '--mib',
      String(mebibytes / 2),
      '--files',
      values.files,
    ),
  backups: () =>
    program(new URL('./backups.ts', import.meta.url), '--mib', values.mib, '--files', values.files),
  backup: () =>
    program(
      new URL('./backup.ts', import.meta.url),
      '--mib',
      String(mebibytes / 2),
      '--files',
      values.files,
    ),
  coded: () => program(new URL('./coded.ts', import.meta.url)),
  nodes: measureWorks,
}

const before =
  values.compare === undefined
    ? undefined
    : (JSON.parse(readFileSync(values.compare, 'utf8')) as Figures)
const parts = values.only?.split(',') ?? Object.keys(PARTS)
const machine = describeMachine()
const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(machine)
  const record = join(folder, 'record')
  process.env[RECORD_VARIABLE] = record
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const name of parts) {
      const part = PARTS[name]
      if (part === undefined)
        throw new Error(`no part is called ${name}; parts: ${Object.keys(PARTS).join(', ')}`)
      await part(await made(folder, `${name}-${round}`))
    }
  }
  const now: Figures = { machine, figures: recordedIn(record) }
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify(now, undefined, 2)}\n`)
  if (before !== undefined) process.exitCode = judge(before, now)
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** Print what changed. returns the exit code. */
function judge(then: Figures, now: Figures): number {
  const compared = compare(then.figures, now.figures)
  if (then.machine !== now.machine)
    console.log(`\nThe earlier figures are of another machine: ${then.machine}`)
  console.log(`\n${formatComparison(compared, then.figures).join('\n')}`)
  return compared.some(({ isSlower }) => isSlower) ? 1 : 0
}

async function program(file: URL, ...words: readonly string[]): Promise<void> {
  await show(process.execPath, fileURLToPath(file), ...words)
}

/** Put, get and copy the big file and the small ones, on as many nodes as are asked for. */
async function measureWorks(within: string): Promise<void> {
  const source = await made(within, 'source')
  const [big, tree] = [await made(source, 'big'), await made(source, 'tree')]
  await writeRandomFile(join(big, 'file'), mebibytes)
  const works: readonly Work[] = [
    { name: `one file of ${mebibytes} MiB`, path: big, bytes: mebibytes * MIB, files: 1 },
    {
      name: `${fileCount} small files`,
      path: tree,
      bytes: await writeSmallTree(tree, fileCount),
      files: fileCount,
    },
  ]
  for (const count of values.nodes.split(',').map(Number)) {
    for (const work of works) {
      const copied = await timeCopy(work, join(within, 'copied'))
      const title = `${work.name}, ${count === 1 ? 'one node' : `${count} nodes`}`
      showTable(title, await measureNodes(within, work, count, copied))
    }
  }
  await rm(within, { recursive: true, maxRetries: 5 })
}

async function made(parent: string, name: string): Promise<string> {
  const path = join(parent, name)
  await mkdir(path)
  return path
}
