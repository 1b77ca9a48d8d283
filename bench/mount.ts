// `node bench/mount.ts`: what programs do on a file system (mount-work.ts) on a Shoal mount, on the
// disk it lies on, and on other file systems of user space on the same disk in the same run:
// gocryptfs, which encrypts as Shoal does, and bindfs, which does nothing. One that is not
// installed is left out. Wants root: cold means that the kernel's caches were dropped. --mib N
// (512), --files N (10000), --only NAME,... scale it down while working on something.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TestCluster } from '../test/cluster/cluster.ts'
import { run } from './copy.ts'
import { recordRatio } from './record.ts'
import { describeMachine } from './works.ts'

type Rates = Readonly<Record<string, number>>

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '512' },
    files: { type: 'string', default: '10000' },
    only: { type: 'string', default: 'ext4,gocryptfs,bindfs,shoal --sync always,shoal' },
  },
})

async function work(folder: string): Promise<Rates> {
  const program = fileURLToPath(new URL('./mount-work.ts', import.meta.url))
  const { mib, files } = values
  const words = [program, '--folder', folder, '--mib', mib, '--files', files]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const said = await text(child.stdout)
  const [code] = (await exited) as [number | null]
  if (code !== 0) throw new Error(`the work in ${folder} ended with ${code}`)
  return JSON.parse(said) as Rates
}

async function onDisk(folder: string): Promise<Rates> {
  return work(folder)
}

async function onGocryptfs(folder: string): Promise<Rates> {
  const [cipher, plain] = await twoFolders(folder)
  await run('gocryptfs', '-q', '-init', '-extpass', 'echo bench', cipher)
  await run('gocryptfs', '-q', '-extpass', 'echo bench', cipher, plain)
  return unmountedAfter(plain)
}

async function onBindfs(folder: string): Promise<Rates> {
  const [source, shown] = await twoFolders(folder)
  await run('bindfs', source, shown)
  return unmountedAfter(shown)
}

async function onShoal(...options: readonly string[]): Promise<Rates> {
  await using cluster = await TestCluster.start(1, { mounts: true })
  const [node] = cluster.nodes
  if (node === undefined) throw new RangeError('a cluster has at least one node')
  if (options.length > 0) {
    await node.shoal('unmount', node.mountFolder)
    await node.shoal('mount', ...options, node.mountFolder)
  }
  const rates = await work(node.mountFolder)
  console.log(`Peak RSS of the node: ${((await node.peakBytes()) / 1e6).toFixed(0)} MB.\n`)
  return rates
}

async function twoFolders(folder: string): Promise<[below: string, above: string]> {
  const below = join(folder, 'below')
  const above = join(folder, 'above')
  await mkdir(below)
  await mkdir(above)
  return [below, above]
}

async function unmountedAfter(mountPoint: string): Promise<Rates> {
  try {
    return await work(mountPoint)
  } finally {
    await run('umount', mountPoint)
  }
}

const FILE_SYSTEMS: Readonly<Record<string, (folder: string) => Promise<Rates>>> = {
  ext4: onDisk,
  gocryptfs: onGocryptfs,
  bindfs: onBindfs,
  'shoal --sync always': () => onShoal('--sync', 'always'),
  shoal: () => onShoal(),
}

/** Below the rates, what Shoal's are of each. */
function format(results: ReadonlyMap<string, Rates>): string {
  const shoal = results.get('shoal')
  const others = [...results.keys()].filter((name) => name !== 'shoal')
  const names = [
    ...results.keys(),
    ...(shoal === undefined ? [] : others.map((name) => `of ${name}`)),
  ]
  const lines = Object.keys([...results.values()][0] ?? {}).map((what) => {
    const rates = [...results.values()].map((of) => (of[what] ?? Number.NaN).toPrecision(3))
    const ratios = others.map((name) =>
      ((shoal?.[what] ?? Number.NaN) / (results.get(name)?.[what] ?? Number.NaN)).toFixed(2),
    )
    return [
      what,
      ...rates.map((rate) => String(Number(rate))),
      ...(shoal === undefined ? [] : ratios),
    ]
  })
  const rows = [['operation', ...names], ['', ...names].map(() => '---'), ...lines]
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Records Shoal's rates as shares of those of the others. */
function record(results: ReadonlyMap<string, Rates>): void {
  const { mib, files } = values
  for (const [name, rates] of results)
    for (const [what, rate] of Object.entries(rates)) {
      const ours = results.get('shoal')?.[what]
      if (name === 'shoal' || ours === undefined) continue
      recordRatio(`A mount, ${mib} MiB, ${files} files: ${what}, of ${name}`, ours / rate)
    }
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  console.log(`${describeMachine()}\n`)
  const results = new Map<string, Rates>()
  for (const name of values.only.split(',')) {
    const within = join(folder, name)
    await mkdir(within)
    try {
      const rates = await FILE_SYSTEMS[name]?.(within)
      if (rates !== undefined) results.set(name, rates)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      console.log(`${name} is not installed.\n`)
    }
  }
  console.log(format(results))
  record(results)
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
