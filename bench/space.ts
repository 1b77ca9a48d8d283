// `node bench/space.ts --mib 240`: what the homes of two and of six nodes take on their disks for a
// file of random bytes, by `du`: once it is placed, with the copy that its writer keeps, and once
// that is released. Beside it how long the writer takes to release it, and to read the file with
// and without its copy.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIB } from '../protocol/units.ts'
import { TestCluster } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { diskBytes } from '../test/cluster/disk-use.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { seconds } from './copy.ts'

const { values } = parseArgs({ options: { mib: { type: 'string', default: '240' } } })
const mebibytes = Number(values.mib)

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  const source = join(folder, 'source')
  await writeRandomFile(source, mebibytes)
  await measure(source, 2, 'copies2')
  await measure(source, 6, 'rs4+2')
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(source: string, count: number, cls: string): Promise<void> {
  await using cluster = await TestCluster.start(count)
  const writer = cluster.nodes[0] as TestNode
  await writer.shoal('volume', 'set', 'main', `class=${cls}`)
  await cluster.converged()
  await writer.shoal('put', '--ack', 'placed', source, '/file')
  const got = join(writer.folder, 'got')
  const read = async (): Promise<string> => {
    const took = await seconds(() => writer.shoal('get', '/file', got))
    await rm(got)
    return `${((mebibytes * MIB) / 1e6 / took).toFixed(0)} MB/s`
  }
  console.log(`\n${count} nodes, ${cls}, ${mebibytes} MiB`)
  await show('with the copy', cluster.nodes)
  console.log(`  read with the copy: ${await read()}`)
  await writer.shoal('volume', 'set', 'main', 'keep-local=placed')
  const took = await seconds(() => writer.shoal('gc'))
  await show('released', cluster.nodes)
  console.log(
    `  released in ${took.toFixed(1)} s; read then: ${await read()}, again ${await read()}`,
  )
}

async function show(what: string, nodes: readonly TestNode[]): Promise<void> {
  const times = (await diskBytes(nodes)) / (mebibytes * MIB)
  const own = nodes[0] === undefined ? undefined : (await nodes[0].status()).node
  const { shardBytes = 0, copyBytes = 0 } = own?.holds ?? {}
  const log = own?.indexBytes ?? 0
  console.log(
    `  ${what}: ${times.toFixed(3)} times; the writer has ${megabytes(shardBytes)} of shards, ` +
      `${megabytes(copyBytes)} of copies, ${megabytes(log)} of log and index`,
  )
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
