// `node bench/remote-read.ts --mib 256`: files read on a node that holds nothing of them, from
// three others on loopback: by `shoal get`, and through its mount in order with requests of several
// sizes; each reads a file of its own, which nobody has read yet. Then one of them again, from the
// cache on disk, and 4 KiB at random, of which is told how much was fetched for it. The reader's
// processor time is steadier than the clock where others use the machine.
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster, eventually } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { run, seconds } from './copy.ts'
import { formatFigures } from './growth/figures.ts'
import { processorSeconds } from './processor-time.ts'

const HOLDERS = 3
const RANDOM_READS = 500
const RANDOM_BYTES = 4096

const { values } = parseArgs({ options: { mib: { type: 'string', default: '256' } } })
const mebibytes = Number(values.mib)
const bytes = mebibytes * 2 ** 20

/** A file of this name is read by `read`. */
interface Way {
  readonly name: string
  readonly read: (reader: TestNode) => Promise<unknown>
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  await measure()
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(): Promise<void> {
  await using cluster = await TestCluster.start(HOLDERS)
  const [writer] = cluster.nodes as [TestNode]
  const reader = cluster.node('reader')
  const ticket = await writer.invite('--role', 'reader')
  await reader.start({ ticket, mount: reader.mountFolder })
  await cluster.connected()
  const ways = [get('get'), dd('4K'), dd('128K'), dd('1M'), dd('128K direct'), dd('1M direct')]
  for (const { name } of [...ways, { name: 'random' }]) {
    const source = join(folder, 'source')
    await writeRandomFile(source, mebibytes)
    await writer.shoal('put', '--ack', 'placed', source, `/${name}`)
  }
  await eventually('all is placed', async () => (await writer.volume()).unplacedBytes === 0)
  await cluster.converged()

  const rows: string[][] = []
  let baseline: number | undefined
  for (const { name, read } of ways) {
    const cpu = await processorSeconds(reader.pid)
    const time = await seconds(() => read(reader))
    baseline ??= time
    const used = ((await processorSeconds(reader.pid)) - cpu).toFixed(1)
    const speed = (bytes / 1e6 / time).toFixed(0)
    rows.push([name, time.toFixed(1), speed, (baseline / time).toFixed(2), used])
  }
  await reader.shoal('unmount', reader.mountFolder)
  await reader.shoal('mount', reader.mountFolder)
  const cpu = await processorSeconds(reader.pid)
  const again = await seconds(() => dd('1M').read(reader))
  const used = ((await processorSeconds(reader.pid)) - cpu).toFixed(1)
  const speed = (bytes / 1e6 / again).toFixed(0)
  rows.push([
    '1M, read before',
    again.toFixed(1),
    speed,
    ((baseline ?? 0) / again).toFixed(2),
    used,
  ])

  const title = `Reading ${mebibytes} MiB from ${HOLDERS} nodes, on one that holds nothing`
  const header = ['request size', 's', 'MB/s', 'ratio to get', 's of CPU']
  const notes = [
    await readAtRandom(reader),
    `Peak RSS of the reader: ${((await reader.peakBytes()) / 1e6).toFixed(0)} MB.`,
  ]
  console.log(`\n${formatFigures({ title, header, rows, notes })}`)
}

function get(name: string): Way {
  return { name, read: (reader) => reader.shoal('get', `/${name}`, join(folder, name)) }
}

function dd(name: string): Way {
  const [size, direct] = name.split(' ')
  const flags = direct === undefined ? [] : ['iflag=direct']
  return {
    name,
    read: ({ mountFolder }) =>
      run(
        'dd',
        `if=${join(mountFolder, name)}`,
        'of=/dev/null',
        `bs=${size}`,
        'status=none',
        ...flags,
      ),
  }
}

async function readAtRandom(reader: TestNode): Promise<string> {
  const fetched = async (): Promise<number> => (await reader.status()).node.cache.fetchedBytes
  const before = await fetched()
  await using file = await open(join(reader.mountFolder, 'random'))
  const time = await seconds(async () => {
    for (let read = 0; read < RANDOM_READS; read++) {
      const position = Math.floor((Math.random() * bytes) / RANDOM_BYTES) * RANDOM_BYTES
      await file.read(Buffer.alloc(RANDOM_BYTES), 0, RANDOM_BYTES, position)
    }
  })
  const each = ((await fetched()) - before) / RANDOM_READS / 1000
  const took = ((1000 * time) / RANDOM_READS).toFixed(1)
  return (
    `${RANDOM_READS} random reads of 4 KiB: ${took} ms ` +
    `and ${each.toFixed(0)} kB fetched for each.`
  )
}
