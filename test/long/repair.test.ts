// Machines that break for good: the swarm rebuilds their shards on the remaining and on new ones,
// unasked and though the nodes that repair are killed meanwhile, and the data survives the loss of
// further machines.
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { bytesOfFiles, digestFile, writeRandomFile } from '../cluster/trees.ts'

const FILE_MIB = 24

test('nine nodes lose three, gain three, lose three others, and keep every byte', async (t) => {
  await using cluster = await TestCluster.start(9)
  const [first, ...others] = cluster.nodes as [TestNode, ...TestNode[]]
  const source = join(cluster.folder, 'source.bin')
  await writeRandomFile(source, FILE_MIB)
  const digest = await digestFile(source)

  await t.test('a file is placed as rs6+3, with all its stripes full', async () => {
    await first.shoal('volume', 'set', 'main', 'class=rs6+3', 'grace=2s')
    await first.shoal('put', '--ack', 'placed', source, '/file.bin')
    await cluster.converged()
    assert.deepEqual(await unhealthy(first), { degraded: 0, atRisk: 0, lost: 0 })
  })

  await t.test('three nodes are lost with their disks, and three fresh ones join', async () => {
    for (const node of others.slice(5)) {
      await node.kill('SIGKILL')
      await rm(node.home, { recursive: true })
    }
    const ticket = await first.invite('--uses', '3')
    assert((await first.volume()).stripes.atRisk > 0)
    const fresh = ['n10', 'n11', 'n12'].map((name) => cluster.node(name))
    const joining = fresh.map((node) => node.start({ ticket }))
    await eventually('one is given a shard', async () => {
      const given = await Promise.all(fresh.map(storedBytes))
      return given.some((bytes) => bytes >= MIB)
    })
    // Whoever repairs is most likely among these; who is left admits the others.
    const repairing = others.slice(0, 5)
    await Promise.all(repairing.map((node) => node.kill('SIGKILL')))
    await Promise.all([...joining, ...repairing.map((node) => node.start())])
  })

  await t.test(
    'missing shards are rebuilt unasked, though the nodes that repaired were killed',
    async () => {
      await eventually('all stripes are whole again', async () => {
        const { stripes, tolerates } = await first.volume()
        return (
          stripes.full > 0 &&
          stripes.atRisk + stripes.degraded + stripes.lost === 0 &&
          tolerates === 3
        )
      })
      await cluster.converged()
    },
  )

  await t.test('three other nodes are lost, and the file is read byte for byte', async () => {
    for (const node of [first, ...others.slice(0, 2)]) await node.kill('SIGKILL')
    const reader = cluster.nodes.at(-1)
    assert(reader?.isRunning)
    const got = join(cluster.folder, 'got.bin')
    await reader.shoal('get', '/file.bin', got)
    assert.equal(await digestFile(got), digest)
  })
})

/** The bytes stored by a node that may have just been started. */
function storedBytes(node: TestNode): Promise<number> {
  return bytesOfFiles(join(node.home, 'segments')).catch(() => 0)
}

async function unhealthy(node: TestNode): Promise<object> {
  const { degraded, atRisk, lost } = (await node.volume()).stripes
  return { degraded, atRisk, lost }
}
