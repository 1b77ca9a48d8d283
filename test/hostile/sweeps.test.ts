// A writer that condemns every stripe and sweeps it in the same breath.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'

test('a writer that sweeps what lives takes nothing away', async () => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const node = cluster.node('mallory')
  await node.start({ ticket: await first.invite() })
  await first.shoal('volume', 'set', 'main', 'class=rs2+1')
  await node.kill('SIGTERM')
  const file = join(cluster.folder, 'file')
  await writeRandomFile(file, 3)
  await first.shoal('put', '--ack', 'placed', file, '/file')
  await cluster.converged()
  await node.start()
  await cluster.converged()
  await using mallory = await HostileMember.of(node)
  const victims = [first, second, third]
  const stripes = []
  for await (const id of mallory.map.stripes()) stripes.push(id)
  const { header } = await mallory.write(victims, [{ kind: 'condemn', stripes }])
  await mallory.write(victims, [{ kind: 'sweep', condemned: header.hlc, stripes }])
  await cluster.converged()

  const got = join(cluster.folder, 'got')
  await third.shoal('get', '/file', got)
  assert.equal(await digestFile(got), await digestFile(file))
  await eventually(
    'all of it is in use again, and whole',
    async () => {
      const { stripes: counts } = await second.volume()
      return counts.full >= stripes.length && counts.degraded + counts.lost === 0
    },
    120_000,
  )
  await first.kill('SIGKILL')
  const gotWithout = join(cluster.folder, 'got-without-the-first')
  await second.shoal('get', '/file', gotWithout)
  assert.equal(await digestFile(gotWithout), await digestFile(file))
})
