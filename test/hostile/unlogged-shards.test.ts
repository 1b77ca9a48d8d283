// A member that hands over shard after shard, of stripes that it never logs.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { hasCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { chunkIdFromCid, encodeCid, CODEC_RAW, MULTIHASH_BLAKE3 } from '../../protocol/ids.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { HostileMember } from './hostile-member.ts'

const CHUNK_BYTES = 4 * MIB
/** The bound for a disk of a GB. */
const SHARDS_MAX = 100

test('shards that no stripe names are taken within bounds only', async () => {
  await using cluster = await TestCluster.create()
  const victim: TestNode = cluster.node('victim')
  await victim.shoal('init', '--name', 'victim', '--capacity', '1GB')
  await victim.start()
  const node = cluster.node('mallory')
  await node.start({ ticket: await victim.invite('--role', 'keeper') })
  await cluster.converged()
  await using mallory = await HostileMember.of(node)
  const peer = await mallory.dial(victim)
  let taken = 0
  let refusal: unknown
  while (refusal === undefined && taken < SHARDS_MAX) {
    const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, randomBytes(32)))
    const { headerBytes: header, shards } = codeStripe(
      [{ id, bytes: randomBytes(CHUNK_BYTES) }],
      1,
      0,
    )
    const shard = shards[0] ?? assert.fail()
    try {
      await mallory.shards.put(peer, { header, index: 0, shard }, { signal: mallory.deadline() })
      taken++
    } catch (error) {
      refusal = error
    }
  }
  assert(
    hasCode(refusal, 'EBUSY') || hasCode(refusal, 'ENOSPC'),
    `${taken} taken: ${String(refusal)}`,
  )
  assert.match(String(refusal), /no stripe/)
  assert((await victim.status()).node.usedBytes < 200 * MIB, 'most of the disk is free')
})
