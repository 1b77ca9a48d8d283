// `node bench/backups.ts`: one big file and a tree of small ones, put and got back, by Shoal on one
// node and by backup programs that cut, encrypt and store as it does (restic, borg), on the same
// disk in the same run. Each command is a process of its own; CPU is that of all processes, of the
// node too. --rounds N (3): medians of so many, another one first each time; --mib, --files: sizes.
// What is not installed is left out. `put` and the others all end with the data synced to the disk.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { Scores, contenderNamed, installedOf, orderOf, restoredIn } from './contenders.ts'
import type { Contender } from './contenders.ts'
import { run } from './copy.ts'
import type { Work } from './copy.ts'
import { bigWork, command, describeMachine, made, smallWork } from './works.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    mib: { type: 'string', default: '1024' },
    files: { type: 'string', default: '5000' },
    only: { type: 'string', default: 'shoal,restic,borg' },
  },
})

/** A program that keeps files and gives them back. */
interface Keeper extends Contender {
  put(work: Work): Promise<unknown>
  /** Into a folder that is there and empty. */
  get(work: Work, folder: string): Promise<unknown>
}

const CONTENDERS: Readonly<Record<string, (folder: string) => Promise<Keeper>>> = {
  shoal,
  restic,
  borg,
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(describeMachine())
  await measure(await bigWork(folder, Number(values.mib)))
  await measure(await smallWork(folder, Number(values.files)))
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(work: Work): Promise<void> {
  const names = installedOf(values.only)
  const scores = new Scores()
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const name of orderOf(names, round)) {
      const within = await made(folder, `${name}-${round}`)
      await using contender = await contenderNamed(CONTENDERS, name)(within)
      const back = await made(within, 'back')
      await scores.time('put', name, contender, () => contender.put(work))
      await scores.time('get', name, contender, () => contender.get(work, back))
      await run('diff', '-r', work.path, restoredIn(name, work.path, back))
      await rm(within, { recursive: true, force: true, maxRetries: 5 })
    }
  }
  scores.show(work, ['put', 'get'], names, { title: work.name, rounds: values.rounds })
}

async function shoal(): Promise<Keeper> {
  const cluster = await TestCluster.start(1)
  const node = cluster.nodes[0] as TestNode
  return {
    node,
    put: ({ path }) => command(node, 'put', path, '/work'),
    get: (_work, into) => command(node, 'get', '/work', join(into, 'work')),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

async function restic(within: string): Promise<Keeper> {
  const repository = ['--repo', join(within, 'repository'), '--cache-dir', join(within, 'cache')]
  const command = (...words: readonly string[]): Promise<void> =>
    run('restic', ...repository, '--quiet', ...words)
  process.env['RESTIC_PASSWORD'] = 'bench'
  await command('init')
  return {
    put: ({ path }) => command('backup', path),
    get: (_work, into) => command('restore', 'latest', '--target', into),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function borg(within: string): Promise<Keeper> {
  const repository = join(within, 'repository')
  process.env['BORG_PASSPHRASE'] = 'bench'
  process.env['BORG_BASE_DIR'] = within
  await run('borg', '--error', 'init', '--encryption', 'repokey-blake2', repository)
  return {
    put: ({ path }) => run('borg', 'create', `${repository}::work`, path),
    get: (_work, into) =>
      run('sh', '-c', 'cd "$1" && exec borg extract "$2"', 'sh', into, `${repository}::work`),
    [Symbol.asyncDispose]: async () => undefined,
  }
}
