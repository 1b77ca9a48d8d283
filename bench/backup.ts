// `node bench/backup.ts`: backups of one big file and of many small ones, and 30 daily ones of a
// folder of which 1 % changes each day, by Shoal, restic and borg, to a folder of the same disk in
// the same run. Each command is a process of its own; CPU is that of all processes, of the node
// too. What Shoal backs up is in its volume already. --mib, --files: sizes; --days; --rounds N:
// medians of so many, another one first each time. What is not installed is left out.
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { TestCluster } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { Scores, contenderNamed, installedOf, orderOf, restoredIn } from './contenders.ts'
import type { Contender } from './contenders.ts'
import { run } from './copy.ts'
import type { Work } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { recordRatio } from './record.ts'
import { bigWork, command, describeMachine, made, smallWork } from './works.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '5000' },
    days: { type: 'string', default: '30' },
    only: { type: 'string', default: 'shoal,restic,borg' },
  },
})

/** A program that makes backups of a folder. */
interface BackupProgram extends Contender {
  /** The folder is as it is now; not timed. */
  see(path: string): Promise<unknown>
  backUp(path: string): Promise<unknown>
  /** The newest, into a folder that is there and empty. */
  restore(path: string, into: string): Promise<unknown>
  readonly place: string
}

const CONTENDERS: Readonly<Record<string, (folder: string) => Promise<BackupProgram>>> = {
  shoal,
  restic,
  borg,
}
const names = installedOf(values.only)

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(describeMachine())
  await measure(await bigWork(folder, Number(values.mib)))
  await measure(await smallWork(folder, Number(values.files)))
  await measureDays()
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(work: Work): Promise<void> {
  const scores = new Scores()
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of orderOf(names, round)) {
      const within = await made(folder, `${name}-${round}`)
      await using contender = await contenderNamed(CONTENDERS, name)(within)
      await contender.see(work.path)
      const back = await made(within, 'back')
      await scores.time('backup', name, contender, () => contender.backUp(work.path))
      await scores.time('again', name, contender, () => contender.backUp(work.path))
      await scores.time('restore', name, contender, () => contender.restore(work.path, back))
      await run('diff', '-r', work.path, restoredIn(name, work.path, back))
      await rm(within, { recursive: true, force: true, maxRetries: 5 })
    }
  }
  const title = `backup of ${work.name}`
  scores.show(work, ['backup', 'again', 'restore'], names, { title, rounds: values.rounds })
}

/** One percent of the files written anew each day, and one of the big one, in place. */
async function measureDays(): Promise<void> {
  const [days, files] = [Number(values.days), Number(values.files)]
  const path = await made(folder, 'days')
  const big = await bigWork(path, Number(values.mib), 'big')
  const small = await smallWork(path, files)
  const contenders = new Map<string, BackupProgram>()
  const first = new Map<string, number>()
  try {
    for (const name of names)
      contenders.set(
        name,
        await contenderNamed(CONTENDERS, name)(await made(folder, `${name}-days`)),
      )
    for (let day = 0; day < days; day++) {
      if (day > 0) await change(join(big.path, 'file'), small.path, day)
      for (const [name, contender] of contenders) {
        await contender.see(path)
        await contender.backUp(path)
        if (day === 0) first.set(name, await bytesOf(contender.place))
      }
    }
    const rows: string[][] = []
    const shoals = await bytesOf(contenders.get('shoal')?.place ?? path)
    for (const [name, { place }] of contenders) {
      const bytes = await bytesOf(place)
      if (name !== 'shoal')
        recordRatio(`space of ${days} daily backups, beside ${name}`, bytes / shoals)
      const megabytes = (number: number): string => (number / 1e6).toFixed(1)
      rows.push([
        name,
        megabytes(first.get(name) ?? 0),
        megabytes(bytes),
        (bytes / shoals).toFixed(3),
      ])
    }
    const title = `${days} daily backups, 1 % changed each day`
    const header = ['what', 'first, MB', 'all, MB', 'times that of Shoal']
    console.log(`\n${formatFigures({ title, header, rows })}`)
  } finally {
    for (const contender of contenders.values()) await contender[Symbol.asyncDispose]()
  }
}

async function change(big: string, small: string, day: number): Promise<void> {
  const bytes = Math.floor((Number(values.mib) * MIB) / 100)
  const fresh = join(folder, 'fresh')
  await writeRandomFile(fresh, Math.ceil(bytes / MIB))
  const from = await open(fresh)
  const to = await open(big, 'r+')
  const { buffer } = await from.read(Buffer.alloc(bytes), 0, bytes, 0)
  // Days apart from each other, at no round place.
  await to.write(buffer, 0, bytes, ((day * 37) % 99) * bytes + 12_345)
  await Promise.all([from.close(), to.close()])
  const entries = await readdir(small, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
  for (let at = day; at < paths.length; at += 100) {
    const file = await open(paths[at] ?? '', 'r+')
    const { size } = await file.stat()
    await file.write(buffer, at * 13, size, 0)
    await file.close()
  }
}

async function bytesOf(place: string): Promise<number> {
  const entries = await readdir(place, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

async function shoal(within: string): Promise<BackupProgram> {
  const cluster = await TestCluster.start(1)
  const node = cluster.nodes[0] as TestNode
  const place = await made(within, 'repository')
  await node.shoal('mkdir', '/work')
  await node.shoal('backup', 'add', 'b', '/work', '--to', `dir:${place}`)
  return {
    node,
    place,
    see: async (path) => {
      await command(node, 'sync', '--delete', `${path}/`, 'main:/work')
      // The coding and placing in the background is no part of the backup.
      await node.ask((client) => client.settle('placed'))
    },
    backUp: () => command(node, 'backup', 'run', 'b'),
    restore: (_path, into) => command(node, 'backup', 'restore', 'b', join(into, 'work')),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

async function restic(within: string): Promise<BackupProgram> {
  const place = join(within, 'repository')
  const repository = ['--repo', place, '--cache-dir', join(within, 'cache')]
  const resticOf = (...words: readonly string[]): Promise<void> =>
    run('restic', ...repository, '--quiet', ...words)
  process.env['RESTIC_PASSWORD'] = 'bench'
  await resticOf('init')
  return {
    place,
    see: async () => undefined,
    backUp: (path) => resticOf('backup', path),
    restore: (_path, into) => resticOf('restore', 'latest', '--target', into),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function borg(within: string): Promise<BackupProgram> {
  const place = join(within, 'repository')
  process.env['BORG_PASSPHRASE'] = 'bench'
  process.env['BORG_BASE_DIR'] = within
  await run('borg', '--error', 'init', '--encryption', 'repokey-blake2', place)
  let made = 0
  return {
    place,
    see: async () => undefined,
    backUp: (path) => run('borg', 'create', `${place}::${++made}`, path),
    restore: (_path, into) =>
      run('sh', '-c', 'cd "$1" && exec borg extract "$2"', 'sh', into, `${place}::${made}`),
    [Symbol.asyncDispose]: async () => undefined,
  }
}
