// The shard protocol between a client and a holder, on a simulated network and disk: what members
// get, what is kept and what is refused.
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { SHARD_LEAF } from '../../../protocol/limits.ts'
import { verifyShardRange } from '../../../protocol/stripe/shard-tree.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { PAYLOAD_PIECE } from '../../../protocol/wire/shard.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'
import { chunkIdOf } from '../store/fixtures.ts'
import {
  LARGE,
  STRIPE,
  assertSame,
  assertServes,
  failsWith,
  scenario,
  shardOf,
  stripeOf,
  whole,
} from './shard-swarm.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import type { ShardSwarm } from './shard-swarm.ts'

/** Bytes of a shard as the holder has them. */
function heldBy(
  { holder }: ShardSwarm,
  stripe: CodedStripe,
  index: number,
): Promise<Uint8Array | undefined> {
  return holder.store.shards.read(stripe.id, index, 0, stripe.header.shardBytes)
}

describe('shard protocol, members', () => {
  scenario(
    'a shard that was put survives a power failure, and was announced once durable',
    async (swarm) => {
      const { signal, self } = swarm
      const { client } = await swarm.asker('writer', 'writer')
      await Promise.all([
        client.put(self, shardOf(STRIPE, 2), { signal }),
        client.put(self, shardOf(STRIPE, 0), { signal }),
        client.put(self, shardOf(LARGE, 0), { signal }),
      ])
      assert.deepEqual([...swarm.kept].sort(), [STRIPE.id, STRIPE.id, LARGE.id].sort())
      assert.deepEqual(await client.have(self, STRIPE.id, { signal }), [0, 2])
      await swarm.crash()
      assertSame(await heldBy(swarm, STRIPE, 0), STRIPE.shards[0])
      assertSame(await heldBy(swarm, STRIPE, 2), STRIPE.shards[2])
      assertSame(await heldBy(swarm, LARGE, 0), LARGE.shards[0])
      assertSame(swarm.holder.store.shards.header(STRIPE.id), STRIPE.headerBytes)
    },
  )

  scenario('puts at the same time share syncs of the disk', async (swarm) => {
    const { client } = await swarm.asker('writer', 'writer')
    const stripes = Array.from({ length: 16 }, (_, i) => stripeOf(i + 10, 64 * KIB, 1, 0))
    const { signal, self } = swarm
    const { disk } = swarm.holder
    disk.onSync = () => swarm.sleep(500)
    const before = disk.syncs
    await Promise.all(stripes.map((stripe) => client.put(self, shardOf(stripe, 0), { signal })))
    // Four channels: each sync serves what came during the last.
    assert.ok(disk.syncs - before <= 8, `${disk.syncs - before} syncs`)
  })

  scenario('a shard that is held is acknowledged again, and not stored again', async (swarm) => {
    const { client } = await swarm.asker('writer', 'writer')
    await client.put(swarm.self, shardOf(LARGE, 0), { signal: swarm.signal })
    const { segmentBytes } = swarm.holder.store.usage()
    await client.put(swarm.self, shardOf(LARGE, 0), { signal: swarm.signal })
    assert.equal(swarm.holder.store.usage().segmentBytes, segmentBytes)
    assert.equal(swarm.kept.length, 2)
  })

  scenario('a shard that is put again where it is damaged is whole again', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('writer', 'writer')
    await client.put(self, shardOf(LARGE, 0), { signal })
    await swarm.rot(MIB)
    assert.equal(await swarm.holder.store.shards.verify(LARGE.id, 0), 'damaged')
    await client.put(self, shardOf(LARGE, 0), { signal })
    assert.equal(await swarm.holder.store.shards.verify(LARGE.id, 0), 'whole')
    const range = { stripe: LARGE.id, index: 0, offset: MIB, length: SHARD_LEAF }
    const { bytes } = await client.get(self, range, { proof: true, signal })
    assertSame(bytes, LARGE.shards[0]?.subarray(MIB, MIB + SHARD_LEAF))
  })

  scenario('a shard that is damaged proves nothing, also of its good leaves', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('writer', 'writer')
    await client.put(self, shardOf(LARGE, 0), { signal })
    await swarm.rot(2 * MIB)
    const range = { stripe: LARGE.id, index: 0, offset: 0, length: 1 }
    await assert.rejects(client.get(self, range, { proof: true, signal }), failsWith('corrupt'))
    assert.deepEqual(swarm.damaged, [`${LARGE.id} 0`])
    await assertServes(swarm, { ...(await swarm.asker('other', 'writer')) })
  })

  scenario('a shard that is read through with proofs is hashed once', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('writer', 'writer')
    await client.put(self, shardOf(LARGE, 0), { signal })
    const { shardBytes, shardRoots } = LARGE.header
    const { store } = swarm.holder
    const read = store.shards.read.bind(store.shards)
    let bytesRead = 0
    store.shards.read = (stripe, index, offset, length) => {
      bytesRead += Math.min(length, shardBytes - offset)
      return read(stripe, index, offset, length)
    }
    for (let offset = 0; offset < shardBytes; offset += SHARD_LEAF) {
      const range = { stripe: LARGE.id, index: 0, offset, length: 1 }
      const { bytes, proof } = await client.get(self, range, { proof: true, signal })
      const root = shardRoots[0] ?? new Uint8Array(0)
      assert.ok(verifyShardRange(root, shardBytes, offset / SHARD_LEAF, bytes, proof))
    }
    assert.equal(bytesRead, 2 * shardBytes)
  })

  scenario(
    'any range of a shard is as it was put, one beyond its end is refused',
    async (swarm) => {
      const { signal, self } = swarm
      const { client } = await swarm.asker('writer', 'writer')
      await client.put(self, shardOf(LARGE, 0), { signal })
      const { shardBytes } = LARGE.header
      const stripe = LARGE.id
      for (const [offset, length] of [
        [0, 1],
        [shardBytes - 1, 1],
        [PAYLOAD_PIECE - 10, 20],
        [1000, PAYLOAD_PIECE],
        [1, shardBytes - 1],
      ] as const) {
        const { bytes } = await client.get(
          self,
          { stripe, index: 0, offset, length },
          { proof: false, signal },
        )
        assertSame(bytes, LARGE.shards[0]?.subarray(offset, offset + length))
      }
      const beyond = { stripe, index: 0, offset: 1, length: shardBytes }
      for (const proof of [false, true]) {
        await assert.rejects(client.get(self, beyond, { proof, signal }), failsWith('malformed'))
      }
    },
  )

  scenario('the proof of a range proves whole leaves against the header', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('writer', 'writer')
    await client.put(self, shardOf(STRIPE, 1), { signal })
    const { shardBytes, shardRoots } = STRIPE.header
    const root = shardRoots[1]
    assert.ok(root !== undefined)
    for (const [offset, length] of [
      [0, 1],
      [SHARD_LEAF - 1, 2],
      [SHARD_LEAF, SHARD_LEAF],
      [shardBytes - 1, 1],
      [0, shardBytes],
    ] as const) {
      const range = { stripe: STRIPE.id, index: 1, offset, length }
      const { bytes, proof } = await client.get(self, range, { proof: true, signal })
      const firstLeaf = Math.floor(offset / SHARD_LEAF)
      assert.ok(verifyShardRange(root, shardBytes, firstLeaf, bytes, proof))
      assert.ok(firstLeaf * SHARD_LEAF + bytes.length >= offset + length)
    }
  })

  scenario('a chunk is given whole, and what is not held is ENOENT', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('reader', 'reader')
    const sealed = xorshiftBytes(5, 2 * MIB + 7)
    await swarm.holder.store.chunks.put(chunkIdOf(sealed), sealed)
    assertSame(await client.chunk(self, chunkIdOf(sealed), { signal }), sealed)
    const other = chunkIdOf(Uint8Array.of(1))
    await assert.rejects(client.chunk(self, other, { signal }), failsWith('ENOENT'))
    for (const proof of [false, true]) {
      await assert.rejects(
        client.get(self, whole(STRIPE, 0), { proof, signal }),
        failsWith('ENOENT'),
      )
    }
    assert.deepEqual(await client.have(self, STRIPE.id, { signal }), [])
  })
})

describe('shard protocol, refusals', () => {
  scenario(
    'who is no member gets nothing, and is served on the same channels once it is one',
    async (swarm) => {
      const { signal, self } = swarm
      const sealed = xorshiftBytes(6, 1000)
      await swarm.holder.store.chunks.put(chunkIdOf(sealed), sealed)
      await swarm.holder.store.shards.put(
        STRIPE.id,
        1,
        STRIPE.headerBytes,
        STRIPE.shards[1] ?? sealed,
      )
      swarm.stripes.set(STRIPE.id, { holders: [[], [], []] })
      const stranger = await swarm.asker('stranger')
      const { client } = stranger
      for (const refused of [
        () => client.put(self, shardOf(LARGE, 0), { signal }),
        () => client.get(self, whole(STRIPE, 1), { proof: false, signal }),
        () => client.get(self, whole(STRIPE, 1), { proof: true, signal }),
        () => client.chunk(self, chunkIdOf(sealed), { signal }),
        () => client.have(self, STRIPE.id, { signal }),
      ]) {
        await assert.rejects(refused(), failsWith('not-a-member'))
      }
      assert.deepEqual(swarm.holder.store.shards.indices(STRIPE.id), [1])
      assert.deepEqual([swarm.holder.store.shards.indices(LARGE.id), swarm.kept], [[], []])
      swarm.members.add(stranger.self)
      swarm.allowed.add(stranger.self)
      await assertServes(swarm, stranger, LARGE)
    },
  )

  scenario('a reader reads, and does not put', async (swarm) => {
    const { signal, self } = swarm
    const { client } = await swarm.asker('reader', 'reader')
    await swarm.holder.store.shards.put(
      STRIPE.id,
      1,
      STRIPE.headerBytes,
      STRIPE.shards[1] ?? new Uint8Array(),
    )
    swarm.stripes.set(STRIPE.id, { holders: [[], [], []] })
    await assert.rejects(client.put(self, shardOf(LARGE, 0), { signal }), failsWith('EACCES'))
    assert.equal(
      (await client.get(self, whole(STRIPE, 1), { proof: false, signal })).proof.length,
      0,
    )
  })

  scenario('a shard that is not what its header says is refused and not kept', async (swarm) => {
    const { signal, self } = swarm
    const writer = await swarm.asker('writer', 'writer')
    const good = shardOf(LARGE, 0)
    const flipped = Uint8Array.from(good.shard)
    flipped[2 * MIB] = (flipped[2 * MIB] ?? 0) ^ 1
    for (const [bad, code] of [
      [{ ...good, shard: flipped }, 'corrupt'],
      [{ ...good, shard: good.shard.subarray(64) }, 'malformed'],
      [{ ...good, index: 1 }, 'malformed'],
      [{ ...good, header: good.header.subarray(1) }, 'malformed'],
      [{ ...good, header: STRIPE.headerBytes }, 'malformed'],
    ] as const) {
      await assert.rejects(writer.client.put(self, bad, { signal }), failsWith(code))
    }
    assert.equal(swarm.holder.store.usage().segmentBytes, 0)
    assert.deepEqual(swarm.kept, [])
    await assertServes(swarm, writer, LARGE)
  })

  scenario('a full disk is answered, reads go on, and puts when there is space', async (swarm) => {
    const { signal, self } = swarm
    const writer = await swarm.asker('writer', 'writer')
    await assertServes(swarm, writer)
    swarm.holder.disk.free = 1000
    const put = (stripe: CodedStripe): Promise<unknown> =>
      writer.client.put(self, shardOf(stripe, 0), { signal })
    const large = stripeOf(7, 20 * MIB, 1, 0)
    await assert.rejects(put(large), failsWith('ENOSPC'))
    await assert.rejects(put(large), failsWith('ENOSPC'))
    await assertServes(swarm, writer)
    assert.deepEqual(await writer.client.have(self, large.id, { signal }), [])
    swarm.holder.disk.free = undefined
    await put(large)
    assertSame(await heldBy(swarm, large, 0), large.shards[0])
  })

  scenario('a failed sync is answered, and nothing is acknowledged', async (swarm) => {
    const { client } = await swarm.asker('writer', 'writer')
    swarm.holder.disk.onSync = () => Promise.reject(new Error('the disk is gone'))
    for (const stripe of [STRIPE, LARGE]) {
      const put = client.put(swarm.self, shardOf(stripe, 0), { signal: swarm.signal })
      await assert.rejects(put, failsWith('EIO'))
    }
    assert.deepEqual(swarm.kept, [])
  })
})

describe('shard protocol, shutdown', () => {
  scenario('stopping ends every channel, and new ones are refused', async (swarm) => {
    const { signal, self, holder } = swarm
    const writer = await swarm.asker('writer', 'writer')
    await assertServes(swarm, writer)
    const ended = failsWith('unreachable', 'stopped')
    const put = assert.rejects(writer.client.put(self, shardOf(LARGE, 0), { signal }), ended)
    await swarm.sleep(20) // amid the payload
    await holder.server.stop()
    const { segmentBytes } = holder.store.usage()
    await put
    await assert.rejects(writer.client.have(self, STRIPE.id, { signal }), ended)
    assert.equal(holder.store.usage().segmentBytes, segmentBytes)
  })

  scenario('stopping waits for the commit under way', async (swarm) => {
    const { signal, self, holder } = swarm
    const { client } = await swarm.asker('writer', 'writer')
    let synced = false
    holder.disk.onSync = async () => {
      await swarm.sleep(1000)
      synced = true
    }
    const put = client.put(self, shardOf(STRIPE, 0), { signal }).catch(() => undefined)
    await swarm.sleep(500)
    await holder.server.stop()
    assert.ok(synced)
    await put
  })
})
