// `node bench/growth.ts [PART]... [--full]`: how costs grow with what is there, which should be not
// at all. Without PART all parts in a small form; --full: the sizes that RESULTS.md tells of.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { show } from './copy.ts'
import { measureAntiEntropy } from './growth/anti-entropy.ts'
import { measureApply } from './growth/apply.ts'
import { measureCheckpoint } from './growth/checkpoint.ts'
import { measureDirectory, measureNamespace } from './growth/directory.ts'
import { measureGossip } from './growth/gossip.ts'
import { measureJoin } from './growth/join.ts'
import { measureListing } from './growth/listing.ts'
import { measureNode } from './growth/node-memory.ts'
import { formatFigures } from './growth/figures.ts'
import { measureSnapshot } from './growth/snapshot.ts'
import type { Figures } from './growth/figures.ts'

type Part = (folder: string, full: boolean) => Promise<Figures>

const PARTS: Readonly<Record<string, Part>> = {
  'anti-entropy': (folder, full) =>
    measureAntiEntropy(folder, full ? [1e3, 1e4, 1e5, 1e6] : [1e3, 1e4]),
  apply: (folder, full) => measureApply(folder, full ? 100_000 : 20_000, 3),
  checkpoint: (folder, full) => measureCheckpoint(folder, full ? 1e6 : 1e4),
  snapshot: (folder, full) => measureSnapshot(folder, full ? [1e3, 1e5, 1e6] : [1e3, 1e4]),
  listing: (_folder, full) => measureListing(full ? [1e3, 1e4, 1e5, 1e6] : [1e3, 1e4]),
  directory: (folder, full) => measureDirectory(folder, full ? [1e2, 1e4, 1e6] : [1e2, 1e4]),
  namespace: (folder, full) => measureNamespace(folder, full ? [1e2, 1e4, 1e6] : [1e2, 1e4]),
  node: (_folder, full) => measureNode(full ? [1e2, 1e6] : [1e2, 1e4], full ? 20_000 : 2000),
  join: (_folder, full) =>
    full ? measureJoin(100_000, [100_000, 1_000_000]) : measureJoin(5000, [5000, 50_000]),
  gossip: (_folder, full) => (full ? measureGossip(20, 200) : measureGossip(5, 40)),
}

const { values, positionals } = parseArgs({
  options: { full: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const [only, ...more] = positionals
if (only !== undefined && more.length === 0) {
  await measure(only)
} else {
  // Each in a process of its own: its memory is measured too.
  const flags = values.full ? ['--full'] : []
  for (const name of only === undefined ? Object.keys(PARTS) : positionals)
    await show(process.execPath, import.meta.filename, name, ...flags)
}

async function measure(name: string): Promise<void> {
  const part = PARTS[name]
  if (part === undefined)
    throw new Error(`there is no part "${name}"; parts: ${Object.keys(PARTS).join(', ')}`)
  const folder = await mkdtemp(join(tmpdir(), 'shoal-growth-'))
  // The timers of a node keep no process alive, and here nothing else does.
  const alive = setInterval(() => undefined, 1000)
  try {
    console.log(`${formatFigures(await part(folder, values.full))}\n`)
  } finally {
    clearInterval(alive)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
