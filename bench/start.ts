// `node bench/start.ts --runs 10`: how long the command takes, and a node until it answers, from
// the bundle and from the sources (SHOAL_FROM_SOURCE), by turns. Beside it what Node takes to do
// nothing, and what the look takes whether the bundle is stale.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { formatFigures } from './growth/figures.ts'
import { median } from './growth/quantile.ts'
import { childrenProcessorSeconds, processorSeconds } from './processor-time.ts'
import type { ChildProcess } from 'node:child_process'

const SHOAL = fileURLToPath(new URL('../cli/shoal.mjs', import.meta.url))
const FIND = new URL('../cli/bundle.mjs', import.meta.url).href
const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** A node that is alone. */
const UP = ['up', '--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0']
const KINDS = ['bundle', 'sources'] as const

type Kind = (typeof KINDS)[number]

interface Taken {
  readonly ms: number
  readonly processorMs: number
}

const { values } = parseArgs({ options: { runs: { type: 'string', default: '10' } } })
const runs = Number(values.runs)
const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
const env = { ...process.env, HOME: folder, SHOAL_HOME: join(folder, 'home') }
try {
  await measure()
} finally {
  await rm(folder, { recursive: true })
}

async function measure(): Promise<void> {
  const rows: string[][] = []
  const empty = join(folder, 'empty.mjs')
  const look = join(folder, 'look.mjs')
  await writeFile(empty, '')
  await writeFile(
    look,
    `import { findBundle } from ${JSON.stringify(FIND)}
     const start = process.threadCpuUsage()
     const { reason } = findBundle(${JSON.stringify(ROOT)})
     const { user, system } = process.threadCpuUsage(start)
     console.log((user + system) / 1000)
     if (reason !== undefined) throw new Error(reason)`,
  )
  const looks = await repeated(() => outputOf(run('bundle', look)))
  rows.push(['check for changed sources', '', '', milliseconds(looks.map(Number))])
  await add(rows, 'node empty.mjs', '', () => timeOf('bundle', empty))
  const node = (kind: Kind): Promise<Taken> => timeOfNode(kind)
  for (const kind of KINDS) await node(kind) // makes the home, and leaves compiled code
  await addBoth(rows, 'shoal up, to the first answer', node)
  const server = run('bundle', SHOAL, ...UP)
  await answering(server)
  for (const words of [['--help'], ['status']])
    await addBoth(rows, `shoal ${words.join(' ')}`, (kind) => timeOf(kind, SHOAL, ...words))
  await ended(server, 'SIGTERM')
  const title = `Start times, medians of ${runs} runs`
  console.log(formatFigures({ title, header: ['command', 'from', 'ms', 'ms of CPU'], rows }))
}

async function addBoth(
  rows: string[][],
  what: string,
  timed: (kind: Kind) => Promise<Taken>,
): Promise<void> {
  const pairs = await repeated(async () => [await timed('bundle'), await timed('sources')] as const)
  KINDS.forEach((kind, at) =>
    rows.push(
      row(
        what,
        kind,
        pairs.flatMap((pair) => pair[at] ?? []),
      ),
    ),
  )
}

async function add(
  rows: string[][],
  what: string,
  kind: string,
  timed: () => Promise<Taken>,
): Promise<void> {
  rows.push(row(what, kind, await repeated(timed)))
}

function row(what: string, kind: string, taken: readonly Taken[]): string[] {
  return [
    what,
    kind,
    milliseconds(taken.map((one) => one.ms)),
    milliseconds(taken.map((one) => one.processorMs)),
  ]
}

function milliseconds(times: readonly number[]): string {
  return median(times).toFixed(0)
}

async function repeated<Result>(timed: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  for (let count = 0; count < runs; count++) results.push(await timed())
  return results
}

function run(kind: Kind, ...words: readonly string[]): ChildProcess {
  return spawn(process.execPath, words, {
    env: { ...env, SHOAL_FROM_SOURCE: kind === 'sources' ? '1' : '' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

async function timeOf(kind: Kind, ...words: readonly string[]): Promise<Taken> {
  const before = await childrenProcessorSeconds()
  const start = performance.now()
  await ended(run(kind, ...words))
  const ms = performance.now() - start
  return { ms, processorMs: ((await childrenProcessorSeconds()) - before) * 1000 }
}

async function timeOfNode(kind: Kind): Promise<Taken> {
  const start = performance.now()
  const child = run(kind, SHOAL, ...UP)
  await answering(child)
  const taken = {
    ms: performance.now() - start,
    processorMs: (await processorSeconds(child.pid ?? 0)) * 1000,
  }
  await ended(child, 'SIGTERM')
  return taken
}

/** It says so when it does. */
async function answering({ stdout }: ChildProcess): Promise<void> {
  assert(stdout !== null)
  await once(stdout, 'data')
}

async function ended(child: ChildProcess, signal?: NodeJS.Signals): Promise<void> {
  child.stdout?.resume()
  if (signal !== undefined) child.kill(signal)
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0)
}

async function outputOf(child: ChildProcess): Promise<string> {
  assert(child.stdout !== null)
  const [parts] = await Promise.all([child.stdout.toArray(), once(child, 'close')])
  return parts.join('')
}
