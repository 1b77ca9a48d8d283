// `node bench/backups.ts`: one big file and a tree of small ones, put and got back, by Shoal on one
// node and by backup programs that cut, encrypt and store as it does (restic, borg), on the same
// disk in the same run. Each command is a process of its own; CPU is that of all processes, of the
// node too. --rounds N (3): medians of so many, another one first each time; --mib, --files: sizes.
// What is not installed is left out. `put` and the others all end with the data synced to the disk.
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { AnonymousPeak } from './anonymous-peak.ts'
import { run, seconds } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { childrenProcessorSeconds, processorSeconds } from './processor-time.ts'
import { recordRatio } from './record.ts'
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
interface Contender extends AsyncDisposable {
  /** The process that runs on between commands. */
  readonly node?: TestNode
  put(work: Work): Promise<unknown>
  /** Into a folder that is there and empty. */
  get(work: Work, folder: string): Promise<unknown>
}

interface Did {
  readonly seconds: number
  readonly processorSeconds: number
  /** The highest RssAnon of the node, in bytes. */
  readonly peakBytes: number | undefined
}

const CONTENDERS: Readonly<Record<string, (folder: string) => Promise<Contender>>> = {
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
  const names = values.only.split(',').filter((name) => name === 'shoal' || isInstalled(name))
  const scores = new Map<string, Did[]>()
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = names.map((_, at) => names[(at + round) % names.length] ?? '')
    for (const name of order) {
      const within = await made(folder, `${name}-${round}`)
      await using contender = await (CONTENDERS[name] ?? unknown(name))(within)
      const back = await made(within, 'back')
      note(scores, `put ${name}`, await timed(contender, () => contender.put(work)))
      note(scores, `get ${name}`, await timed(contender, () => contender.get(work, back)))
      await run('diff', '-r', work.path, await gotFolder(name, work, back))
      await rm(within, { recursive: true, force: true, maxRetries: 5 })
    }
  }
  show(work, names, scores)
}

function show(work: Work, names: readonly string[], scores: ReadonlyMap<string, Did[]>): void {
  const middle = (key: string, of: (did: Did) => number): number =>
    median((scores.get(key) ?? []).map(of))
  const rows = ['put', 'get'].flatMap((way) =>
    names.map((name) => {
      const time = middle(`${way} ${name}`, (did) => did.seconds)
      const ratio = time / middle(`${way} shoal`, (did) => did.seconds)
      if (name !== 'shoal') recordRatio(`${work.name}: ${way}, beside ${name}`, ratio)
      const peak = middle(`${way} ${name}`, (did) => did.peakBytes ?? Number.NaN)
      return [
        `${way} ${name}`,
        time.toFixed(2),
        middle(`${way} ${name}`, (did) => did.processorSeconds).toFixed(2),
        (work.bytes / 1e6 / time).toFixed(0),
        (work.files / time).toFixed(0),
        name === 'shoal' ? '' : ratio.toFixed(2),
        Number.isNaN(peak) ? '' : (peak / 1e6).toFixed(0),
      ]
    }),
  )
  const title = `${work.name}, medians of ${values.rounds}`
  const header = ['what', 's', 'CPU s', 'MB/s', 'files/s', 'Shoal, times as fast', 'RssAnon, MB']
  console.log(`\n${formatFigures({ title, header, rows })}`)
}

function note(scores: Map<string, Did[]>, key: string, did: Did): void {
  scores.set(key, [...(scores.get(key) ?? []), did])
}

async function timed({ node }: Contender, action: () => Promise<unknown>): Promise<Did> {
  await run('sync')
  const used = async (): Promise<number> =>
    (await childrenProcessorSeconds()) + (node === undefined ? 0 : await processorSeconds(node.pid))
  const before = await used()
  await using peak = node === undefined ? undefined : AnonymousPeak.watch(node.pid)
  const time = await seconds(action)
  const processor = (await used()) - before
  return { seconds: time, processorSeconds: processor, peakBytes: await peak?.end() }
}

async function shoal(): Promise<Contender> {
  const cluster = await TestCluster.start(1)
  const node = cluster.nodes[0] as TestNode
  return {
    node,
    put: ({ path }) => command(node, 'put', path, '/work'),
    get: (_work, into) => command(node, 'get', '/work', join(into, 'work')),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  }
}

async function restic(within: string): Promise<Contender> {
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

async function borg(within: string): Promise<Contender> {
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

/** Backup programs restore below the whole former path. */
async function gotFolder(name: string, { path }: Work, back: string): Promise<string> {
  return name === 'shoal' ? join(back, 'work') : join(back, path)
}

function isInstalled(program: string): boolean {
  const isThere = spawnSync(program, ['--version']).error === undefined
  if (!isThere) console.log(`${program} is not installed.`)
  return isThere
}

function unknown(name: string): never {
  throw new Error(`no program is called ${name}; there are ${Object.keys(CONTENDERS).join(', ')}`)
}
