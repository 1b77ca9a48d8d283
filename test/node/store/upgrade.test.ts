// A store that an earlier Shoal wrote, which did not count what is live in which segment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KIB } from '../../../protocol/units.ts'
import { checkpointKey, decodeCheckpoint } from '../../../node/store/keys.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { assertCounted, openStore, putChunks, putShard, range, stripeOf } from './fixtures.ts'
import type { KvImage } from '../../../node/store/memory-kv.ts'

const OPTIONS = { segmentBytesMax: 11_000, reserveBytes: 0 }

/** As version 1 had it: no rows of segments, and the bytes of all segments in the checkpoint. */
function asVersion1(image: KvImage, segmentBytes: number): KvImage {
  return image.flatMap(([key, value]) => {
    if (key.startsWith('s')) return []
    if (key !== checkpointKey()) return [[key, value] as const]
    const { segment, offset, chunkBytes, shardBytes } = decodeCheckpoint(value)
    const view = new DataView(new ArrayBuffer(33))
    view.setUint8(0, 1)
    view.setUint32(1, segment)
    view.setUint32(5, offset)
    for (const [i, count] of [segmentBytes, chunkBytes, shardBytes].entries()) {
      view.setBigUint64(9 + 8 * i, BigInt(count))
    }
    return [[key, new Uint8Array(view.buffer)] as const]
  })
}

test('a store of version 1 is counted when opened, and can be compacted', async (t) => {
  const { disk, clock, kv, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 45), KIB)
  const stripe = stripeOf(1, 4 * KIB)
  for (const index of [0, 1, 2]) await putShard(store, stripe, index)
  for (const id of [...all.keys()].slice(0, 18)) {
    store.chunks.delete(id)
    all.delete(id)
  }
  await store.commit([])
  const usage = store.usage()
  const image = asVersion1(kv.image(), usage.segmentBytes)
  // Behind its checkpoint, as a crash leaves it.
  for (const [id, sealed] of await putChunks(store, [100], KIB)) all.set(id, sealed)
  await store.close()

  const old = MemoryKv.open(image)
  const again = await Store.open({ disk, clock, kv: old }, OPTIONS)
  t.after(() => again.close())
  await assertCounted(old)
  const { liveBytes, segmentBytes, reclaimableBytes } = again.usage()
  assert.equal(liveBytes, usage.liveBytes + KIB + 54)
  assert.equal(segmentBytes, usage.segmentBytes + KIB + 54)
  assert.equal(reclaimableBytes, 18 * (KIB + 54))
  assert.ok((await again.compact()).freedBytes > 10 * KIB)
  for (const [id, sealed] of all) assert.deepEqual(await again.chunks.read(id), sealed)
  for (const index of [0, 1, 2]) assert.equal(await again.shards.verify(stripe.id, index), 'whole')
  assert.equal(old.get(checkpointKey())?.[0], 2)
})
