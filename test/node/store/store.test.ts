// The promises of the local store while it runs: reads, commits, usage, failures of the disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalBytes, utf8 } from '../../../protocol/bytes.ts'
import { hasCode, ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { checkpointKey, prefixRange } from '../../../node/store/keys.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { bytesOf, chunkIdOf, collect, openStore, stripeIdOf } from './fixtures.ts'
import type { KvWrite } from '../../../node/store/kv.ts'

const clock = new SystemClock()

const note = (key: string): KvWrite => ({ kind: 'put', key, value: utf8('note') })
const failsWith = (code: ShoalError['code']) => (error: unknown) => hasCode(error, code)

test('a chunk is read at once, after a commit, and after the store is reopened', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const sealed = bytesOf(1, 5000)
  const id = chunkIdOf(sealed)
  assert.equal(store.chunks.has(id), false)
  assert.equal(await store.chunks.read(id), undefined)
  await store.chunks.put(id, sealed)
  assert.deepEqual(await store.chunks.read(id), sealed)
  await store.commit([])
  assert.deepEqual(await store.chunks.read(id), sealed)
  await store.close()
  const again = await Store.open({ disk, clock, kv })
  assert.equal(again.chunks.has(id), true)
  assert.equal(again.chunks.length(id), 5000)
  assert.deepEqual(await again.chunks.read(id), sealed)
  await again.close()
})

test('a partial read of a chunk is cut at its end, in memory and on disk', async (t) => {
  const { store } = await openStore(t)
  const sealed = bytesOf(2, 1000)
  const id = chunkIdOf(sealed)
  await store.chunks.put(id, sealed)
  for (const where of ['memory', 'disk']) {
    const read = (offset: number, length: number): Promise<Uint8Array | undefined> =>
      store.chunks.read(id, { offset, length })
    assert.deepEqual(await read(10, 20), sealed.slice(10, 30), where)
    assert.deepEqual(await read(990, 20), sealed.slice(990), where)
    assert.deepEqual(await read(2000, 20), new Uint8Array(0), where)
    await store.commit([])
  }
})

test('a chunk put twice, also concurrently, is stored once', async (t) => {
  const { store } = await openStore(t)
  const sealed = bytesOf(3, 300)
  const id = chunkIdOf(sealed)
  await Promise.all([store.chunks.put(id, sealed), store.chunks.put(id, sealed)])
  await store.chunks.put(id, sealed)
  await store.commit([])
  const { chunkBytes, segmentBytes } = store.usage()
  assert.equal(chunkBytes, 300)
  assert.ok(segmentBytes < 400)
})

test('a deleted chunk is gone at once and stays gone, and can be put again', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const sealed = bytesOf(4, 300)
  const id = chunkIdOf(sealed)
  await store.chunks.put(id, sealed)
  await store.commit([])
  store.chunks.delete(id)
  store.chunks.delete(id)
  assert.equal(await store.chunks.read(id), undefined)
  assert.equal(store.usage().chunkBytes, 0)
  await store.close()
  const again = await Store.open({ disk, clock, kv })
  assert.equal(again.chunks.has(id), false)
  await again.chunks.put(id, sealed)
  assert.deepEqual(await again.chunks.read(id), sealed)
  await again.close()
})

test('shards of a stripe are held by index, and its header while any shard is held', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const header = bytesOf(5, 200)
  const stripe = stripeIdOf(header)
  const shards = [bytesOf(6, 70 * KIB), bytesOf(7, 70 * KIB)] as const
  await store.shards.put(stripe, 8, header, shards[1])
  await store.shards.put(stripe, 0, header, shards[0])
  await store.shards.put(stripe, 0, header, shards[0])
  await store.close()

  const again = await Store.open({ disk, clock, kv })
  assert.deepEqual(again.shards.indices(stripe), [0, 8])
  assert.deepEqual(again.shards.header(stripe), header)
  assert.equal(again.shards.shardLength(stripe, 8), 70 * KIB)
  assert.equal(again.shards.shardLength(stripe, 3), undefined)
  assert.deepEqual(await again.shards.read(stripe, 8, 0, 1e9), shards[1])
  assert.deepEqual(await again.shards.read(stripe, 0, 65_536, 10), shards[0].slice(65_536, 65_546))
  assert.equal(await again.shards.read(stripe, 3, 0, 10), undefined)
  assert.equal(again.usage().shardBytes, 140 * KIB)
  assert.deepEqual(await collect(again.shards.scan()), [
    { stripe, index: 0, length: 70 * KIB },
    { stripe, index: 8, length: 70 * KIB },
  ])

  again.shards.delete(stripe, 0)
  assert.deepEqual(again.shards.indices(stripe), [8])
  assert.deepEqual(again.shards.header(stripe), header)
  again.shards.delete(stripe, 8)
  assert.equal(again.shards.header(stripe), undefined)
  assert.equal(again.usage().shardBytes, 0)
  await again.commit([])
  assert.deepEqual(await collect(again.shards.scan()), [])
  await again.close()
})

test('a commit makes its writes visible in the ordered store in one synced batch', async (t) => {
  const { kv, store } = await openStore(t)
  const sealed = bytesOf(8, 100)
  await store.chunks.put(chunkIdOf(sealed), sealed)
  await store.commit([note('e1'), note('e2')])
  const durable = kv.image().map(([key]) => key)
  assert.ok(durable.includes('e1') && durable.includes('e2'))
  assert.equal(kv.unsyncedCount, 0)
})

test('concurrent commits share a sync; one made during a sync waits for the next', async (t) => {
  const { disk, store } = await openStore(t)
  const put = async (seed: number): Promise<void> => {
    const sealed = bytesOf(seed, 100)
    await store.chunks.put(chunkIdOf(sealed), sealed)
    await store.commit([note(`e${seed}`)])
  }
  await put(999) // So that the next ones need not ask the disk for its space.
  disk.syncs = 0
  await Promise.all(Array.from({ length: 50 }, (_, i) => put(i)))
  assert.equal(disk.syncs, 1)

  const began = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  disk.onSync = () => {
    began.resolve()
    return gate.promise
  }
  const first = put(100)
  await began.promise
  const later = Promise.all(Array.from({ length: 50 }, (_, i) => put(200 + i)))
  gate.resolve()
  await Promise.all([first, later])
  assert.equal(disk.syncs, 3)
})

test('a commit with no new payload does not sync the segments', async (t) => {
  const { disk, store } = await openStore(t)
  const sealed = bytesOf(9, 100)
  await store.chunks.put(chunkIdOf(sealed), sealed)
  await store.commit([])
  disk.syncs = 0
  await store.commit([note('e1')])
  assert.equal(disk.syncs, 0)
})

test('records go on in a new segment when one is full; a long record has its own', async (t) => {
  const { disk, kv, store } = await openStore(t, { segmentBytesMax: 10_000 })
  const all = [4000, 4000, 4000, 30_000, 100].map((length, i) => bytesOf(i, length))
  for (const sealed of all) await store.chunks.put(chunkIdOf(sealed), sealed)
  for (const sealed of all) assert.deepEqual(await store.chunks.read(chunkIdOf(sealed)), sealed)
  await store.commit([])
  assert.deepEqual(
    await disk.list('segments'),
    [1, 2, 3, 4].map((n) => `0000000${n}.seg`),
  )
  const total = store.usage().segmentBytes
  await store.close()
  const again = await Store.open({ disk, clock, kv })
  for (const sealed of all) assert.deepEqual(await again.chunks.read(chunkIdOf(sealed)), sealed)
  assert.equal(again.usage().segmentBytes, total)
  await again.close()
})

test('puts without a commit use bounded memory, as large batches are written', async (t) => {
  const { disk, store } = await openStore(t)
  const sealed = Array.from({ length: 48 }, (_, i) => bytesOf(i, 16).slice())
  const large = sealed.map((seed) => {
    const bytes = new Uint8Array(1 * MIB)
    bytes.set(seed)
    return bytes
  })
  await Promise.all(large.map((bytes) => store.chunks.put(chunkIdOf(bytes), bytes)))
  assert.ok(disk.writes >= (48 - 16) / 5, `${disk.writes} writes`)
  for (const bytes of large) {
    const read = await store.chunks.read(chunkIdOf(bytes))
    assert.ok(read !== undefined && equalBytes(read, bytes))
  }
})

test('a failed sync stops the store for good; acknowledged data survives a restart', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const [kept, lost] = [bytesOf(1, 500), bytesOf(2, 500)] as const
  await store.chunks.put(chunkIdOf(kept), kept)
  await store.commit([])
  await store.chunks.put(chunkIdOf(lost), lost)
  disk.onSync = () => Promise.reject(new ShoalError('EIO', 'the disk said no'))
  await assert.rejects(store.commit([note('e1')]), failsWith('EIO'))
  disk.onSync = () => Promise.resolve()
  await assert.rejects(store.commit([]), /restart the node/)
  await assert.rejects(store.chunks.put(chunkIdOf(lost), lost), failsWith('EIO'))
  await assert.rejects(store.chunks.read(chunkIdOf(kept)), failsWith('EIO'))
  assert.throws(() => store.chunks.has(chunkIdOf(kept)), failsWith('EIO'))
  await assert.rejects(store.close(), failsWith('EIO'))
  assert.equal(kv.get('e1'), undefined)
  const again = await Store.open({ disk, clock, kv })
  assert.deepEqual(await again.chunks.read(chunkIdOf(kept)), kept)
  await again.close()
})

test('a failed write of the ordered store stops the store for good', async (t) => {
  const { kv, store } = await openStore(t)
  await kv.close()
  await assert.rejects(store.commit([note('e1')]), failsWith('EIO'))
  await assert.rejects(store.commit([]), failsWith('EIO'))
})

test('below the reserve, payloads are refused and deletes work', async (t) => {
  const { disk, kv, store } = await openStore(t, { reserveBytes: 50 * MIB })
  const [kept, refused] = [bytesOf(1, 500), bytesOf(2, 500)] as const
  await store.chunks.put(chunkIdOf(kept), kept)
  await store.commit([])
  disk.free = 50 * MIB + 100
  const large = new Uint8Array(20 * MIB)
  await assert.rejects(store.chunks.put(chunkIdOf(large), large), failsWith('ENOSPC'))
  await assert.rejects(store.chunks.put(chunkIdOf(refused), refused), failsWith('ENOSPC'))
  assert.equal(store.chunks.has(chunkIdOf(refused)), false)
  assert.deepEqual(await store.chunks.read(chunkIdOf(kept)), kept)
  store.chunks.delete(chunkIdOf(kept))
  await store.commit([note('deleted')])
  assert.ok(kv.image().some(([key]) => key === 'deleted'))
  disk.free = undefined
  await store.chunks.put(chunkIdOf(refused), refused)
  await store.commit([])
})

test('a commit that meets a full disk fails, loses nothing, and can be retried', async (t) => {
  const { disk, kv, store } = await openStore(t)
  const sealed = bytesOf(1, 5000)
  const id = chunkIdOf(sealed)
  await store.chunks.put(id, sealed)
  disk.onWrite = () => {
    throw new ShoalError('ENOSPC', 'no space')
  }
  await assert.rejects(store.commit([note('e1')]), failsWith('ENOSPC'))
  await assert.rejects(store.commit([note('e2')]), failsWith('ENOSPC'))
  assert.deepEqual(await store.chunks.read(id), sealed)
  assert.deepEqual(
    kv.image().filter(([key]) => key !== checkpointKey()),
    [],
  )
  disk.onWrite = () => undefined
  await store.commit([note('e3')])
  assert.deepEqual(await store.chunks.read(id), sealed)
  const durable = await collect(kv.scan(prefixRange('e')))
  assert.deepEqual(
    durable.map(([key]) => key),
    ['e3'],
  )
  const again = await Store.open({ disk, clock, kv: kv.crash() })
  assert.deepEqual(await again.chunks.read(id), sealed)
  await again.close()
})
