// A keeper that says of every shard that nobody holds it, and tells the holders to forget them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { hexIdBytes, stripeIdBytes } from '../../protocol/ids.ts'
import type { Op } from '../../protocol/op/op.ts'
import { SHARD_PROTOCOL } from '../../protocol/wire/shard.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { digestFile, writeRandomFile } from '../cluster/trees.ts'
import { HostileMember } from './hostile-member.ts'

test('a keeper that says that nobody holds anything takes no shard from anybody', async () => {
  await using cluster = await TestCluster.start(3)
  const [first, second, third] = cluster.nodes as [TestNode, TestNode, TestNode]
  const node = cluster.node('mallory')
  await node.start({ ticket: await first.invite('--role', 'keeper') })
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
  const ids = []
  for await (const id of mallory.map.stripes()) ids.push(id)
  assert(ids.length > 0, 'the keeper knows the stripes')
  const denials = ids.map((stripe): Op => {
    const holders = mallory.map.stripe(stripe)?.holders ?? []
    const changes = holders.flatMap((peers, index) =>
      peers.map((peer) => ({ index, peer, isHeld: false })),
    )
    return { kind: 'shards', stripe, changes }
  })
  await mallory.write(victims, denials)
  await cluster.converged()
  for (const victim of victims)
    for (const stripe of ids)
      for (const index of [0, 1, 2]) {
        const vol = hexIdBytes(mallory.volume.id)
        const drop = { v: 1, op: 'drop', vol, stripe: stripeIdBytes(stripe), index }
        const answer = await mallory.ask(victim, SHARD_PROTOCOL, encodeCbor(drop))
        assert.equal(
          (decodeCbor(answer, 'answer') as { ok: boolean }).ok,
          false,
          'nothing is dropped',
        )
      }

  for (const victim of victims) {
    const { stripes } = await victim.volume()
    assert.deepEqual([stripes.full > 0, stripes.degraded, stripes.lost], [true, 0, 0])
  }
  await first.kill('SIGKILL')
  const got = join(cluster.folder, 'got')
  await eventually(
    'the others read it',
    async () => (await second.run('get', '/file', got)).code === 0,
  )
  assert.equal(await digestFile(got), await digestFile(file))
})
