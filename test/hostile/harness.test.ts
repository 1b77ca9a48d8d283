// That the hostile member of these tests is heard at all: what it may say arrives, so what is
// refused elsewhere is refused for what it is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

test('what a member in the hands of a test may say is taken by the others', async () => {
  await using cluster = await TestCluster.start(1)
  const [admin] = cluster.nodes as [TestNode]
  await using mallory = await HostileMember.join(admin, { role: 'reader' })
  const { peer } = mallory.identity
  const op = { kind: 'member-info', peer, name: 'renamed', zone: '', capacityBytes: 1 } as const
  const answers = await mallory.give(admin, [mallory.entry([op])])
  assert.equal(answers.at(-1)?.kind, 'durable')
  await eventually('the admin calls it so', async () =>
    (await admin.status()).peers.some(({ name }) => name === 'renamed'),
  )
})
