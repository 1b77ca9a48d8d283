// `node bench/degraded-read.ts --mib 256`: a file read through the mount of a node that stores
// nothing itself, from six holders as rs4+2: all of them well, two frozen just before (they take
// connections, and answer nothing), and two killed. How fast, and how long until the first byte of
// a file that nobody has read yet. The network is loopback.
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster, eventually } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { run, seconds } from './copy.ts'
import { showTable } from './table.ts'
import type { Row } from './table.ts'

const HOLDERS = 6
const LOST = 2
/** Files of a MiB each, of which the first byte is timed. */
const FIRSTS = 12

const { values } = parseArgs({ options: { mib: { type: 'string', default: '256' } } })

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  await measure(Number(values.mib))
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(mebibytes: number): Promise<void> {
  await using cluster = await TestCluster.start(HOLDERS)
  const [writer, ...others] = cluster.nodes as [TestNode, ...TestNode[]]
  await writer.shoal('volume', 'set', 'main', 'class=rs4+2')
  const reader = cluster.node('reader')
  const ticket = await writer.invite('--role', 'reader')
  await reader.start({ ticket, mount: reader.mountFolder })
  await cluster.connected()
  for (const state of ['well', 'frozen', 'killed']) {
    const source = join(folder, state)
    await mkdir(source)
    await writeRandomFile(join(source, 'large'), mebibytes)
    for (let n = 0; n < FIRSTS; n++) await writeRandomFile(join(source, `first ${n}`), 1)
    await writer.shoal('put', '--ack', 'placed', source, `/${state}`)
  }
  await eventually('all is placed', async () => {
    const { stripes } = await writer.volume()
    return stripes.full > 0 && stripes.degraded + stripes.atRisk + stripes.lost === 0
  })
  await cluster.converged()

  const lost = others.slice(-LOST)
  const [well, wellNote] = await read(reader, 'well', mebibytes, undefined)
  for (const { pid } of lost) process.kill(pid, 'SIGSTOP')
  const [frozen, frozenNote] = await read(reader, 'frozen', mebibytes, well)
  for (const node of lost) await node.kill('SIGKILL')
  const [killed, killedNote] = await read(reader, 'killed', mebibytes, well)
  const rows = [well, frozen, killed]
  const notes = ['Time to the first byte of a file:', wellNote, frozenNote, killedNote]
  const title = `Degraded read: ${mebibytes} MiB as rs4+2, through the mount of a seventh node`
  showTable(title, { baselineName: 'all well', rows, notes })
}

/** The files of this name, which nobody has read yet. */
async function read(
  reader: TestNode,
  state: string,
  mebibytes: number,
  baseline: Row | undefined,
): Promise<readonly [Row, string]> {
  const source = join(reader.mountFolder, state)
  const firsts: number[] = []
  for (let n = 0; n < FIRSTS; n++) firsts.push(await firstByteMs(join(source, `first ${n}`)))
  const time = await seconds(() =>
    run('dd', `if=${join(source, 'large')}`, 'of=/dev/null', 'bs=1M', 'status=none'),
  )
  const sorted = firsts.toSorted((a, b) => a - b)
  const [first = 0] = firsts
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const what = state === 'well' ? 'all holders well' : `${LOST} of ${HOLDERS} holders ${state}`
  const row = { what, seconds: time, bytes: mebibytes * 1024 * 1024, baseline: baseline?.seconds }
  const times = [first, median, sorted.at(-1) ?? 0].map((ms) => ms.toFixed(0))
  return [row, `- ${what}: ${times[0]} ms at first, median ${times[1]} ms, most ${times[2]} ms`]
}

async function firstByteMs(path: string): Promise<number> {
  const begin = performance.now()
  const file = await open(path)
  try {
    await file.read(new Uint8Array(1), 0, 1, 0)
    return performance.now() - begin
  } finally {
    await file.close()
  }
}
