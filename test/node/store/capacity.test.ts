// A node that may use less than its disk: it takes what fits, and goes on with everything else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { utf8 } from '../../../protocol/bytes.ts'
import { hasCode, ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import {
  assertCounted,
  openStore,
  putChunks,
  putShard,
  range,
  segmentSizes,
  stripeOf,
} from './fixtures.ts'
import { Store } from '../../../node/store/store.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { Kv } from '../../../node/store/kv.ts'
import type { Disk } from '../../../node/world/world.ts'
import type { ChunkId } from '../../../protocol/ids.ts'

const OPTIONS = { segmentBytesMax: 11_000, reserveBytes: 10 * KIB, capacityBytes: 100 * KIB }

const isFull = (error: unknown): boolean => hasCode(error, 'ENOSPC')

async function diskBytes(disk: Disk): Promise<number> {
  return [...(await segmentSizes(disk)).values()].reduce((sum, size) => sum + size, 0)
}

test('puts fail at the capacity less its reserve; reads, deletes and metadata go on', async (t) => {
  const { disk, kv, store } = await openStore(t, OPTIONS)
  assert.deepEqual(await store.space(), { freeBytes: 90 * KIB, totalBytes: 100 * KIB })
  const all = await putChunks(store, range(0, 80), KIB)
  assert.equal(await store.freeBytes(), 90 * KIB - store.usage().segmentBytes)
  await assert.rejects(putChunks(store, range(80, 100), KIB), isFull)
  await assert.rejects(putShard(store, stripeOf(1, 20 * KIB), 0), isFull)
  await store.commit([{ kind: 'put', key: 'e', value: utf8('an entry') }])
  assert.ok((await diskBytes(disk)) <= 90 * KIB)
  for (const [id, sealed] of all) assert.deepEqual(await store.chunks.read(id), sealed)
  for (const id of [...all.keys()].slice(0, 20)) store.chunks.delete(id)
  await store.commit([])
  assert.equal(await store.shards.verify(stripeOf(1, KIB).id, 0), 'missing')
  await putShard(store, stripeOf(1, 20 * KIB), 0)
  assert.ok((await diskBytes(disk)) <= 100 * KIB)
  await store.commit([])
  await assertCounted(kv)
})

test('when space is short, trash and dead records are removed, and held ones kept', async (t) => {
  const { disk, kv, store } = await openStore(t, OPTIONS)
  const stripes = range(0, 8).map((seed) => stripeOf(seed, 20 * KIB))
  for (const stripe of stripes) await putShard(store, stripe, 0)
  await store.commit([])
  const [first, second, ...others] = stripes
  assert.ok(first !== undefined && second !== undefined)
  store.shards.trash(first.id, 0)
  store.shards.trash(second.id, 0)
  const put = stripeOf(50, 20 * KIB)
  await putShard(store, put, 0)
  assert.equal(store.usage().trashBytes, 0)
  await store.commit([])
  for (const { id } of [...others, put]) assert.equal(await store.shards.verify(id, 0), 'whole')
  assert.ok((await diskBytes(disk)) <= 90 * KIB)
  await assertCounted(kv)
})

test('a full node that deletes and puts again and again never exceeds its capacity', async (t) => {
  const { disk, kv, store } = await openStore(t, OPTIONS)
  const held = await putChunks(store, range(0, 55), KIB)
  for (let n = 100; n < 400; n++) {
    const ids = [...held.keys()]
    const id = ids[(n * 7) % ids.length]
    assert.ok(id !== undefined)
    store.chunks.delete(id)
    held.delete(id)
    for (const [added, sealed] of await putChunks(store, [n], KIB)) held.set(added, sealed)
    if (n % 10 === 0) {
      await store.commit([])
      assert.ok((await diskBytes(disk)) <= 100 * KIB)
    }
  }
  for (const [id, sealed] of held) assert.deepEqual(await store.chunks.read(id), sealed)
  await store.commit([])
  await assertCounted(kv)
})

test('deletes free space on a full node of any size, and copies never use it up', async (t) => {
  for (const capacityBytes of [2 * MIB, 30 * MIB]) {
    const { disk, kv, store } = await openStore(t, { capacityBytes })
    const length = capacityBytes / 1024
    const held = new Map<ChunkId, Uint8Array>()
    await assert.rejects(async () => {
      for (let n = 0; ; n++)
        for (const [id, sealed] of await putChunks(store, [n], length)) held.set(id, sealed)
    }, isFull)
    await store.commit([])
    for (const [i, id] of [...held.keys()].entries()) {
      if (i % 5 < 2) continue
      store.chunks.delete(id)
      held.delete(id)
    }
    await store.commit([])
    await store.compact()
    assert.ok(store.usage().reclaimableBytes < capacityBytes / 10, `of ${capacityBytes}`)
    assert.ok((await store.freeBytes()) > capacityBytes / 2, `of ${capacityBytes}`)
    assert.ok((await diskBytes(disk)) < capacityBytes / 2, `of ${capacityBytes}`)
    for (const [id, sealed] of held) assert.deepEqual(await store.chunks.read(id), sealed)
    await assertCounted(kv)
  }
})

test('compaction brings a store down to a capacity that was lowered', async (t) => {
  const { disk, clock, kv, store } = await openStore(t, { capacityBytes: 30 * MIB })
  const held = [...(await putChunks(store, range(0, 900), 20 * KIB)).keys()]
  for (const id of held.filter((_, i) => i % 3 > 0)) store.chunks.delete(id)
  await store.close()
  const smaller = await Store.open({ disk, clock, kv }, { capacityBytes: 10 * MIB })
  assert.equal(await smaller.freeBytes(), 0)
  await smaller.compact()
  assert.ok((await smaller.freeBytes()) > 2 * MIB)
  await assertCounted(kv)
  await smaller.close()
})

test('the default reserve is a fiftieth of the capacity', async (t) => {
  const { store } = await openStore(t, { capacityBytes: 10 * MIB })
  assert.equal(await store.freeBytes(), 10 * MIB - Math.floor((10 * MIB) / 50))
})

test('segment figures of a commit that failed for lack of space are in the next one', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const all = await putChunks(store, range(0, 5), KIB)
  disk.onWrite = () => {
    throw new ShoalError('ENOSPC', 'no space')
  }
  await assert.rejects(store.commit([]), isFull)
  for (const id of [...all.keys()].slice(1)) store.chunks.delete(id)
  disk.onWrite = () => undefined
  await store.commit([])
  await assertCounted(kv)
  assert.equal(store.usage().liveBytes, KIB + 54)
})

test('the index counts towards the capacity; when it fills it, the store is full', async (t) => {
  const { disk, kv } = await openStore(t, OPTIONS)
  const clock = new ManualClock()
  let indexBytes = 0
  const grown: Kv = {
    get: (key) => kv.get(key),
    scan: (range) => kv.scan(range),
    write: (writes, options) => kv.write(writes, options),
    sizeBytes: async () => indexBytes,
    close: () => kv.close(),
  }
  const store = await Store.open({ disk, clock, kv: grown }, OPTIONS)
  indexBytes = 30 * KIB
  assert.equal(await store.freeBytes(), 60 * KIB)
  await putChunks(store, range(0, 50), KIB)
  await assert.rejects(putChunks(store, range(50, 100), KIB), isFull)
  // Payloads leave the log some room.
  assert.ok(!store.isFull)
  indexBytes = 100 * KIB - store.usage().segmentBytes - 5 * KIB
  const entry = { kind: 'put', key: 'e', value: new Uint8Array(5 * MIB) } as const
  await store.commit([entry])
  // The disk is asked.
  while (!store.isFull) await setImmediate()
  await store.commit([{ kind: 'delete', key: 'e' }])
  indexBytes = 0
  clock.advance(6000)
  assert.ok(store.isFull, 'as it was when it was last looked at')
  while (store.isFull) await setImmediate()
  await store.close()
})
