// Shards: verified against their stripe's header, put into the trash, brought back, and gone for
// good.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { KIB, SECOND_MS } from '../../../protocol/units.ts'
import { rebuildIndex } from '../../../node/store/recovery.ts'
import { Store } from '../../../node/store/store.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import {
  assertCounted,
  bytesOf,
  collect,
  openStore,
  putChunks,
  putShard,
  range,
  stripeIdOf,
  stripeOf,
} from './fixtures.ts'
import type { Opened } from './fixtures.ts'

const SEGMENT = 'segments/00000001.seg'

async function flipByte({ home }: Opened, at: number): Promise<void> {
  const path = join(home, SEGMENT)
  const bytes = await readFile(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(path, bytes)
}

test('a shard is verified as whole, damaged or missing by its root in the header', async (t) => {
  const opened = await openStore(t)
  const { store } = opened
  const stripe = stripeOf(1, 300 * KIB)
  assert.equal(await store.shards.verify(stripe.id, 1), 'missing')
  await putShard(store, stripe, 1)
  assert.equal(await store.shards.verify(stripe.id, 1), 'whole')
  await store.commit([])
  assert.equal(await store.shards.verify(stripe.id, 1), 'whole')
  const { segmentBytes } = store.usage()
  for (const at of [20, 80, segmentBytes - 1]) {
    await flipByte(opened, at)
    assert.equal(await store.shards.verify(stripe.id, 1), 'damaged', `byte ${at}`)
    await flipByte(opened, at)
    assert.equal(await store.shards.verify(stripe.id, 1), 'whole')
  }
})

test('a shard that contradicts its header is damaged, though its record is whole', async (t) => {
  const { store } = await openStore(t)
  const { id, headerBytes, shards } = stripeOf(1, 4 * KIB)
  const [first, second] = shards
  assert.ok(first !== undefined && second !== undefined)
  await store.shards.put(id, 0, headerBytes, second)
  await store.shards.put(id, 1, bytesOf(7, 50), second)
  await store.shards.put(id, 7, headerBytes, first)
  const header = bytesOf(9, 60)
  await store.shards.put(stripeIdOf(header), 0, header, first)
  for (const index of [0, 1, 7]) assert.equal(await store.shards.verify(id, index), 'damaged')
  assert.equal(await store.shards.verify(stripeIdOf(header), 0), 'damaged')
})

test('a put with verify replaces a damaged shard, and no other', async (t) => {
  const opened = await openStore(t)
  const { kv, store } = opened
  const stripe = stripeOf(1, 4 * KIB)
  await putShard(store, stripe, 0)
  await store.commit([])
  const { segmentBytes } = store.usage()
  await putShard(store, stripe, 0, { verify: true })
  assert.equal(store.usage().segmentBytes, segmentBytes)
  await flipByte(opened, segmentBytes - 1)
  await putShard(store, stripe, 0)
  assert.equal(await store.shards.verify(stripe.id, 0), 'damaged')
  await putShard(store, stripe, 0, { verify: true })
  await store.commit([])
  assert.equal(await store.shards.verify(stripe.id, 0), 'whole')
  assert.deepEqual(store.shards.indices(stripe.id), [0])
  assert.equal(store.usage().shardBytes, 2 * KIB)
  assert.equal(store.usage().reclaimableBytes, segmentBytes)
  await assertCounted(kv)
})

test('a trashed shard is not held, survives compaction and restart, can be restored', async (t) => {
  const options = { segmentBytesMax: 6000, reserveBytes: 0 }
  const { disk, clock, kv, store } = await openStore(t, options)
  const stripe = stripeOf(1, 4 * KIB)
  const chunks = await putChunks(store, range(0, 8), KIB)
  await putShard(store, stripe, 0)
  await putShard(store, stripe, 2)
  await store.commit([])
  store.shards.trash(stripe.id, 0)
  store.shards.trash(stripe.id, 0)
  store.shards.trash(stripe.id, 2)
  for (const id of chunks.keys()) store.chunks.delete(id)
  assert.deepEqual(store.shards.indices(stripe.id), [])
  assert.equal(store.shards.header(stripe.id), undefined)
  assert.equal(await store.shards.read(stripe.id, 0, 0, 10), undefined)
  assert.equal(await store.shards.verify(stripe.id, 0), 'missing')
  const { shardBytes, trashBytes } = store.usage()
  assert.deepEqual([shardBytes, trashBytes], [0, 4 * KIB])
  const files = await disk.list('segments')
  await store.compact()
  assert.ok((await disk.list('segments')).length < files.length)
  await store.close()
  await assertCounted(kv)

  const again = await Store.open({ disk, clock, kv }, options)
  t.after(() => again.close())
  assert.deepEqual(await collect(again.shards.scan()), [])
  assert.equal(again.usage().trashBytes, 4 * KIB)
  assert.equal(await again.shards.restore(stripe.id, 1), false)
  assert.equal(await again.shards.restore(stripe.id, 2), true)
  assert.deepEqual(again.shards.indices(stripe.id), [2])
  assert.deepEqual(again.shards.header(stripe.id), Uint8Array.from(stripe.headerBytes))
  assert.equal(await again.shards.verify(stripe.id, 2), 'whole')
  assert.equal(again.usage().trashBytes, 2 * KIB)
})

test('the trash is emptied of shards older than a limit, or of all', async (t) => {
  const clock = new ManualClock()
  const { kv, store } = await openStore(t, {}, clock)
  const [old, young] = [stripeOf(1, 4 * KIB), stripeOf(2, 4 * KIB)]
  for (const stripe of [old, young]) await putShard(store, stripe, 0)
  store.shards.trash(old.id, 0)
  clock.advance(10 * SECOND_MS)
  store.shards.trash(young.id, 0)
  assert.equal(await store.shards.emptyTrash(11 * SECOND_MS), 0)
  assert.equal(await store.shards.emptyTrash(10 * SECOND_MS), 2 * KIB)
  assert.equal(await store.shards.restore(old.id, 0), false)
  assert.equal(await store.shards.emptyTrash(), 2 * KIB)
  assert.equal(await store.shards.restore(young.id, 0), false)
  const { trashBytes, liveBytes } = store.usage()
  assert.deepEqual([trashBytes, liveBytes], [0, 0])
  await assertCounted(kv)
})

test('a put of a trashed shard restores it if it is whole, and else writes it', async (t) => {
  const opened = await openStore(t)
  const { kv, store } = opened
  const stripe = stripeOf(1, 4 * KIB)
  await putShard(store, stripe, 0)
  await store.commit([])
  const { segmentBytes } = store.usage()
  store.shards.trash(stripe.id, 0)
  await putShard(store, stripe, 0)
  assert.equal(store.usage().segmentBytes, segmentBytes)
  assert.deepEqual(store.shards.indices(stripe.id), [0])
  store.shards.trash(stripe.id, 0)
  await flipByte(opened, segmentBytes - 1)
  assert.equal(await store.shards.restore(stripe.id, 0), false)
  await putShard(store, stripe, 0)
  assert.equal(store.usage().segmentBytes, 2 * segmentBytes)
  assert.equal(store.usage().trashBytes, 0)
  await store.commit([])
  assert.equal(await store.shards.verify(stripe.id, 0), 'whole')
  await assertCounted(kv)
})

test('trashed shards are held again when a lost index is rebuilt', async (t) => {
  const { disk, clock, kv, store } = await openStore(t)
  const stripe = stripeOf(1, 4 * KIB)
  await putShard(store, stripe, 0)
  store.shards.trash(stripe.id, 0)
  await store.close()
  await rebuildIndex({ disk, kv })
  const again = await Store.open({ disk, clock, kv })
  t.after(() => again.close())
  assert.deepEqual(again.shards.indices(stripe.id), [0])
  assert.equal(again.usage().trashBytes, 0)
})

test('shards are listed in the order of their stripes, all or after a stripe', async (t) => {
  const { store } = await openStore(t)
  const stripes = range(0, 30).map((seed) => stripeOf(seed, 200))
  for (const stripe of stripes) for (const index of [2, 0]) await putShard(store, stripe, index)
  await store.commit([])
  const all = await collect(store.shards.scan())
  assert.equal(all.length, 60)
  assert.deepEqual(
    all.map(({ index }) => index),
    stripes.flatMap(() => [0, 2]),
  )
  const after = all[20]
  assert.ok(after !== undefined)
  const rest = await collect(store.shards.scan({ after: after.stripe }))
  assert.deepEqual(rest, all.slice(22))
})
