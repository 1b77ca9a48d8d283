// `node bench/reed-solomon.ts`: coding a stripe's worth of data and rebuilding as much of it as may
// be lost, beside @ronomon/reed-solomon, the fastest native library of npm that builds here: the
// same data, in turns, one thread each. It is installed and compiled in a folder of its own, for
// the run; without a network or a compiler there are only our rows.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encodeParity, reconstruct } from '../protocol/stripe/reed-solomon.ts'
import { MIB } from '../protocol/units.ts'
import { showTable } from './table.ts'
import type { Row } from './table.ts'

const LIBRARY = '@ronomon/reed-solomon'
const CODES = [
  { k: 4, m: 2 },
  { k: 6, m: 3 },
  { k: 10, m: 4 },
] as const
const STRIPE_BYTES: number = 24 * MIB
/** The best of so many counts: others on the machine can only slow one down. */
const ROUNDS = 40

/** The part of the library that is used; sources and targets are bits by shard. */
interface Native {
  readonly create: (k: number, m: number) => object
  readonly encode: (
    context: object,
    sources: number,
    targets: number,
    data: Buffer,
    dataOffset: number,
    dataBytes: number,
    parity: Buffer,
    parityOffset: number,
    parityBytes: number,
    done: (error: Error | undefined) => void,
  ) => void
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  // `-march=native` after `--` lets the compiler use all that this processor has.
  const native = await install(folder, process.argv.slice(2))
  const rows: Row[] = []
  for (const { k, m } of CODES) rows.push(...(await measure(k, m, native)))
  const notes = [
    `Best CPU time of ${ROUNDS}; MB of data, of which m of k shards are lost where it is rebuilt.`,
  ]
  showTable('Reed-Solomon', { baselineName: LIBRARY, rows, notes })
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function measure(k: number, m: number, native: Native | undefined): Promise<Row[]> {
  const shardBytes = Math.floor(STRIPE_BYTES / k / 64) * 64
  const data = randomBytes(k * shardBytes)
  const shards = split(data, k)
  const parity = encodeParity(shards, m)
  const left = [...shards.map((shard, i) => (i < m ? undefined : shard)), ...parity]
  const lost = Array.from({ length: m }, (_, i) => i)
  for (const [i, shard] of reconstruct(k, m, left, lost).entries())
    assert.ok(Buffer.compare(shard, shards[i] ?? data) === 0, `shard ${i} is rebuilt`)
  const theirs = native === undefined ? undefined : await coder(native, k, m, data)
  const encode = await inTurns(() => void encodeParity(shards, m), theirs?.encode)
  const decode = await inTurns(() => void reconstruct(k, m, left, lost), theirs?.decode)
  return [
    { what: `encode ${k}+${m}`, bytes: data.length, ...encode },
    { what: `rebuild ${m} of ${k}+${m}`, bytes: data.length, ...decode },
  ]
}

/** The library on a copy of the data. */
async function coder(
  native: Native,
  k: number,
  m: number,
  data: Buffer,
): Promise<{ readonly encode: () => Promise<void>; readonly decode: () => Promise<void> }> {
  const context = native.create(k, m)
  const copy = Buffer.from(data)
  const parity = Buffer.alloc((copy.length / k) * m)
  const run = (sources: number, targets: number, into: Buffer): Promise<void> =>
    promisify(native.encode)(
      context,
      sources,
      targets,
      copy,
      0,
      copy.length,
      into,
      0,
      into.length,
    ) as Promise<void>
  const [all, dataBits, lostBits] = [k + m, k, m].map((count) => 2 ** count - 1) as [
    number,
    number,
    number,
  ]
  await run(dataBits, all - dataBits, parity)
  copy.fill(0, 0, (copy.length / k) * m)
  return {
    // Into fresh memory, as ours: a stripe's parity is on its way while the next one is coded.
    encode: () => run(dataBits, all - dataBits, Buffer.allocUnsafeSlow(parity.length)),
    async decode() {
      await run(all - lostBits, lostBits, parity)
      assert.ok(copy.subarray(0, 64).equals(data.subarray(0, 64)), 'rebuilt')
    },
  }
}

/** The best of both, which take turns. */
async function inTurns(
  ours: () => void,
  theirs: (() => Promise<void>) | undefined,
): Promise<{ readonly seconds: number; readonly baseline: number | undefined }> {
  let best = Infinity
  let bestOfTheirs = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    best = Math.min(best, await cpuSeconds(async () => ours()))
    if (theirs !== undefined) bestOfTheirs = Math.min(bestOfTheirs, await cpuSeconds(theirs))
  }
  return { seconds: best, baseline: theirs === undefined ? undefined : bestOfTheirs }
}

/**
 * CPU of all threads: each works on one, and what others do on this machine counts less than in
 * elapsed time.
 */
async function cpuSeconds(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

function split(data: Uint8Array, k: number): Uint8Array[] {
  const shardBytes = data.length / k
  return Array.from({ length: k }, (_, i) => data.subarray(i * shardBytes, (i + 1) * shardBytes))
}

/** cflags: more for the compiler. */
async function install(at: string, cflags: readonly string[]): Promise<Native | undefined> {
  const run = promisify(execFile)
  const options = { cwd: at, maxBuffer: 16 * MIB }
  try {
    const packages = [`${LIBRARY}@6.0.0`, 'node-api-headers@1']
    await run('npm', ['install', '--prefix', at, '--ignore-scripts', ...packages], options)
    const modules = join(at, 'node_modules')
    const source = join(modules, LIBRARY, 'binding.c')
    const headers = join(modules, 'node-api-headers', 'include')
    const built = join(at, 'binding.node')
    // As its install script does.
    const flags = ['-std=c99', '-O3', '-fPIC', '-shared', `-I${headers}`, ...cflags]
    await run('cc', [...flags, source, '-o', built], options)
    return createRequire(import.meta.url)(built) as Native
  } catch (error) {
    console.error(`${LIBRARY} cannot be built here: ${(error as Error).message}`)
    return undefined
  }
}
