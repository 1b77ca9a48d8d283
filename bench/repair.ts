// `node bench/repair.ts --mib 1024`: nine nodes as rs6+3, one of each three killed for good, three
// fresh ones in their place. How long until somebody notices, how fast the swarm makes the lost
// shards anew, and what crosses the network for each byte of them; beside copying as much on the
// same disk. The network is loopback, which carries nothing else.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TestCluster, eventually } from '../test/cluster/cluster.ts'
import type { TestNode } from '../test/cluster/cluster.ts'
import { writeRandomFile } from '../test/cluster/trees.ts'
import { run, seconds } from './copy.ts'
import { showTable } from './table.ts'

const NODES = 9
const K = 6
const LOST = 3
const WAIT_MS = 30 * 60 * 1000

const { values } = parseArgs({ options: { mib: { type: 'string', default: '1024' } } })

const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
try {
  await measure(Number(values.mib))
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

async function measure(mebibytes: number): Promise<void> {
  await using cluster = await TestCluster.start(NODES)
  const [first, ...others] = cluster.nodes as [TestNode, ...TestNode[]]
  const source = join(folder, 'source')
  await writeRandomFile(source, mebibytes)
  const copy = await seconds(async () => {
    await run('cp', source, join(folder, 'copied'))
    await run('sync', '-f', folder)
  })
  // With a short grace, and no spare left, nothing is waited for.
  await first.shoal('volume', 'set', 'main', `class=rs${K}+${LOST}`, 'grace=2s')
  await first.shoal('put', '--ack', 'placed', source, '/file')
  await cluster.converged()
  const fresh = Array.from({ length: LOST }, (_, i) => cluster.node(`n${NODES + 1 + i}`))
  const ticket = await first.invite('--uses', String(LOST))
  for (const node of others.slice(-LOST)) {
    await node.kill('SIGKILL')
    await rm(node.home, { recursive: true })
  }
  const begin = performance.now()
  await Promise.all(fresh.map((node) => node.start({ ticket })))
  const before = await loopbackBytes()
  const total = (await first.volume()).stripes
  const stripes = total.full + total.degraded + total.atRisk + total.lost
  await eventually('a stripe is repaired', async () => (await whole(first)) > 0, WAIT_MS)
  const noticed = (performance.now() - begin) / 1000
  const repair = await seconds(() =>
    eventually('all stripes are', async () => (await whole(first)) === stripes, WAIT_MS),
  )
  const sent = (await loopbackBytes()) - before
  let repaired = 0
  for (const node of cluster.nodes.filter(({ isRunning }) => isRunning)) {
    repaired += (await node.volume()).upkeep.repairedBytes
  }
  const row = { what: 'rebuild of lost shards', seconds: repair, bytes: repaired }
  const baseline = (copy * repaired) / (mebibytes * 1024 * 1024)
  showTable(`Repair: ${mebibytes} MiB as rs${K}+${LOST}, ${LOST} of ${NODES} nodes lost`, {
    baselineName: 'cp and sync',
    rows: [{ ...row, baseline }],
    notes: [
      `The first stripe was whole again ${noticed.toFixed(1)} s after the last kill. ` +
        `For each rebuilt byte ${(sent / repaired).toFixed(2)} crossed the network; ` +
        `the least is ${((K - 1 + LOST) / LOST).toFixed(2)}, ` +
        'if one holder of each stripe rebuilds all its lost shards.',
    ],
  })
}

async function whole(node: TestNode): Promise<number> {
  return (await node.volume()).stripes.full
}

/** The bytes that the loopback interface has received since the machine started. */
async function loopbackBytes(): Promise<number> {
  const text = await readFile('/proc/net/dev', 'utf8')
  return Number(/^\s*lo:\s*(\d+)/m.exec(text)?.[1])
}
