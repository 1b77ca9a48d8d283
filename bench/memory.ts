// `node bench/memory.ts --files 54690 --bytes 208 --nodes 1 --idle 10`: the memory that a node has
// before it is given so many small files, after, so many idle minutes later, and after a restart:
// RssAnon of /proc, which no page cache blurs. The files are put on the first node; on the others
// they arrive.
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { MINUTE_MS, SECOND_MS } from '../protocol/units.ts'
import { TestCluster } from '../test/cluster/cluster.ts'
import { anonymousBytes } from './anonymous-peak.ts'
import { formatFigures } from './growth/figures.ts'
import type { TestNode } from '../test/cluster/cluster.ts'

const FILES_A_FOLDER = 200
/** After a start, until what it does first is done. */
const STARTED_MS: number = 20 * SECOND_MS

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '54690' },
    bytes: { type: 'string', default: '208' },
    nodes: { type: 'string', default: '1' },
    idle: { type: 'string', default: '10' },
    mounts: { type: 'boolean', default: false },
  },
})
const count = Number(values.nodes)
await using cluster = await TestCluster.start(count, { mounts: values.mounts })
const source = join(cluster.folder, 'source')
await makeFiles(source, Number(values.files), Number(values.bytes))
const [first] = cluster.nodes as [TestNode]
await sleep(STARTED_MS)
const before = await all()
await first.shoal('put', source, '/files')
await cluster.converged()
const after = await all()
await sleep(Number(values.idle) * MINUTE_MS)
const idle = await all()
for (const node of cluster.nodes) await node.kill('SIGTERM')
for (const node of cluster.nodes)
  await node.start({ mount: values.mounts ? node.mountFolder : undefined })
await sleep(STARTED_MS)
const restarted = await all()
const rows = cluster.nodes.map(({ name }, at) => [
  name,
  ...[before, after, idle, restarted].map((bytes) => inMegabytes(bytes[at])),
  ((idle[at] ?? 0) / (restarted[at] ?? 0)).toFixed(2),
])
const title = `RssAnon in MB around ${values.files} files of ${values.bytes} bytes`
const header = ['node', 'before', 'after', `${values.idle} min later`, 'restarted', 'ratio']
console.log(formatFigures({ title, header, rows }))

function all(): Promise<number[]> {
  return Promise.all(cluster.nodes.map(({ pid }) => anonymousBytes(pid)))
}

function inMegabytes(bytes = 0): string {
  return (bytes / 1e6).toFixed(0)
}

async function makeFiles(folder: string, files: number, bytes: number): Promise<void> {
  for (let file = 0; file < files; file++) {
    const parent = join(folder, `folder ${Math.floor(file / FILES_A_FOLDER)}`)
    if (file % FILES_A_FOLDER === 0) await mkdir(parent, { recursive: true })
    await writeFile(join(parent, `file ${file}`), randomBytes(bytes))
  }
}
