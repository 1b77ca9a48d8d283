// Over many kills of the node, all data that programs were told is durable is present.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { killWhileWriting } from '../mount/durability.ts'
import { skip } from '../mount/mounted.ts'

const ROUNDS = 500

test(`synced data survives each of ${ROUNDS} kills of the node`, { skip }, async (t) => {
  await using cluster = await TestCluster.start(1, { mounts: true })
  const [node] = cluster.nodes as [TestNode]
  const changes = await killWhileWriting(node, ROUNDS)
  t.diagnostic(`${changes} changes`)
  assert.ok(changes > 10 * ROUNDS)
})
