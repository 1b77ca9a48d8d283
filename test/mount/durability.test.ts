// The promises of fsync(2), fsync of a folder, O_SYNC and msync(2) hold when the node is killed at
// once. Many more kills are in test/long/durability.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { killWhileWriting } from './durability.ts'
import { skip } from './mounted.ts'

const ROUNDS = 4

test(
  `synced data survives each of ${ROUNDS} kills of the node`,
  { skip, timeout: 300_000 },
  async () => {
    await using cluster = await TestCluster.start(1, { mounts: true })
    const [node] = cluster.nodes as [TestNode]
    assert.ok((await killWhileWriting(node, ROUNDS)) > 10 * ROUNDS)
  },
)
