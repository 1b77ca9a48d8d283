// Compaction frees the space of dead records, on real files, unnoticed by concurrent reads and
// writes.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { equalBytes } from '../../../protocol/bytes.ts'
import { hasCode, ShoalError } from '../../../protocol/errors.ts'
import { KIB, MIB } from '../../../protocol/units.ts'
import { rebuildIndex } from '../../../node/store/recovery.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import {
  assertCounted,
  bytesOf,
  chunkIdOf,
  collect,
  openStore,
  putChunks,
  putShard,
  range,
  segmentSizes,
  stripeOf,
} from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { Disk } from '../../../node/world/world.ts'

/** Ten chunks of KIB fill a segment. */
const OPTIONS = { segmentBytesMax: 11_000, reserveBytes: 0 }

async function diskBytes(disk: Disk): Promise<number> {
  return [...(await segmentSizes(disk)).values()].reduce((sum, size) => sum + size, 0)
}

async function assertAllHeld(store: Store, all: ReadonlyMap<ChunkId, Uint8Array>): Promise<void> {
  for (const [id, sealed] of all) {
    const read = await store.chunks.read(id)
    assert.ok(read !== undefined && equalBytes(read, sealed), `chunk ${id}`)
  }
}

/** Forget those of the chunks that `isDeleted` says, by their place. */
function deleteSome(
  store: Store,
  all: Map<ChunkId, Uint8Array>,
  isDeleted: (place: number) => boolean,
): void {
  for (const [place, id] of [...all.keys()].entries()) {
    if (!isDeleted(place)) continue
    store.chunks.delete(id)
    all.delete(id)
  }
}

test('usage tells what is live and what can be reclaimed', async (t) => {
  const { store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 4), KIB)
  const record = KIB + 54
  assert.deepEqual(store.usage(), {
    chunkBytes: 4 * KIB,
    shardBytes: 0,
    trashBytes: 0,
    segmentBytes: 4 * record,
    liveBytes: 4 * record,
    reclaimableBytes: 0,
  })
  deleteSome(store, all, (place) => place < 3)
  const { liveBytes, reclaimableBytes } = store.usage()
  assert.deepEqual([liveBytes, reclaimableBytes], [record, 3 * record])
})

test('compaction frees deleted space, and the rest is held, also after a restart', async (t) => {
  const { disk, clock, kv, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 100), KIB)
  const stripe = stripeOf(1, 3 * KIB)
  await putShard(store, stripe, 2)
  await store.commit([])
  const before = await diskBytes(disk)
  deleteSome(store, all, (place) => place < 30 || place % 3 > 0)
  const { freedBytes, movedBytes, damaged } = await store.compact()
  assert.ok(movedBytes <= freedBytes && freedBytes > before / 2, `${freedBytes} of ${before} freed`)
  assert.deepEqual(damaged, [])
  const after = await diskBytes(disk)
  assert.equal(after, store.usage().segmentBytes)
  assert.ok(after < before / 2, `${after} bytes of ${before} are left`)
  assert.ok(store.usage().reclaimableBytes < after / 2)
  await assertAllHeld(store, all)
  assert.equal(await store.shards.verify(stripe.id, 2), 'whole')
  const usage = store.usage()
  await store.close()
  await assertCounted(kv)
  const again = await Store.open({ disk, clock, kv }, OPTIONS)
  await assertAllHeld(again, all)
  assert.deepEqual(again.usage(), usage)
  await again.close()
})

test('when all is deleted, compaction leaves nothing on the disk', async (t) => {
  const { disk, store } = await openStore(t, OPTIONS)
  deleteSome(store, await putChunks(store, range(0, 35), KIB), () => true)
  await store.compact()
  assert.deepEqual(await disk.list('segments'), [])
  assert.equal(store.usage().segmentBytes, 0)
  await assertAllHeld(store, await putChunks(store, [1, 2], KIB))
})

test('a segment that is more than half live is left as it is', async (t) => {
  const { disk, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 30), KIB)
  await store.commit([])
  deleteSome(store, all, (place) => place % 3 === 0)
  const before = await segmentSizes(disk)
  assert.deepEqual(await store.compact().then(({ freedBytes }) => freedBytes), 0)
  assert.deepEqual(await segmentSizes(disk), before)
  await store.compact({ maxLiveRatio: 0.8 })
  assert.equal(store.usage().reclaimableBytes, 0)
  await assertAllHeld(store, all)
})

test('reads, writes and deletes of chunks are right during compaction', async (t) => {
  const { disk, kv, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 200), KIB)
  await store.commit([])
  let isDone = false
  let reads = 0
  const read = async (lane: number): Promise<void> => {
    for (let n = lane; !isDone; n += 7) {
      const [id, sealed] = [...all][n % all.size] ?? []
      assert.ok(id !== undefined && sealed !== undefined)
      const whole = await store.chunks.read(id)
      const part = await store.chunks.read(id, { offset: 100, length: 50 })
      // It may have been deleted meanwhile, and only then.
      if (whole === undefined || part === undefined) assert.ok(!all.has(id))
      else assert.ok(equalBytes(whole, sealed) && equalBytes(part, sealed.subarray(100, 150)))
      reads += 1
      // What is still in memory is read without the event loop.
      await setImmediate()
    }
  }
  const write = async (): Promise<void> => {
    for (let n = 1000; !isDone; n += 1) {
      for (const [id, sealed] of await putChunks(store, [n], KIB)) all.set(id, sealed)
      await store.commit([])
    }
  }
  const lanes = [read(0), read(1), read(2), write()]
  try {
    for (let round = 0; round < 8; round++) {
      deleteSome(store, all, (place) => (place + round) % 3 !== 0)
      await Promise.all([store.compact(), store.compact()])
    }
  } finally {
    isDone = true
    await Promise.all(lanes)
  }
  assert.ok(reads > 100, `${reads} reads`)
  await assertAllHeld(store, all)
  await store.commit([])
  await assertCounted(kv)
  assert.equal(await diskBytes(disk), store.usage().segmentBytes)
})

test('a read from a segment that is removed meanwhile finds the record moved', async (t) => {
  const { disk, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 20), KIB)
  const [moved, deleted] = [...all.keys()]
  assert.ok(moved !== undefined && deleted !== undefined)
  await store.commit([])
  for (const [id, found] of [
    [moved, 'whole'],
    [deleted, 'missing'],
  ] as const) {
    const [opened, removed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    disk.onOpen = () => {
      disk.onOpen = () => Promise.resolve()
      opened.resolve()
      return removed.promise
    }
    const verifying = store.chunks.verify(id)
    await opened.promise
    deleteSome(store, all, (place) => place > 0)
    const files = await disk.list('segments')
    await store.compact({ maxLiveRatio: 1.1 })
    assert.ok((await disk.list('segments')).every((name) => !files.includes(name)))
    removed.resolve()
    assert.equal(await verifying, found)
    for (const [again, sealed] of await putChunks(store, [1], KIB)) all.set(again, sealed)
    await store.commit([])
  }
})

test('a damaged record is named, and its segment stays while something refers to it', async (t) => {
  const { home, disk, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 20), KIB)
  await store.commit([])
  const [[damaged], [kept]] = [[...all.keys()], [...all.keys()].slice(1)] as [ChunkId[], ChunkId[]]
  assert.ok(damaged !== undefined && kept !== undefined)
  const path = join(home, 'segments/00000001.seg')
  const bytes = await readFile(path)
  bytes[200] = (bytes[200] ?? 0) ^ 1
  await writeFile(path, bytes)
  deleteSome(store, all, (place) => place > 1)
  const result = await store.compact()
  assert.deepEqual(result.damaged, [{ kind: 'chunk', id: damaged }])
  assert.ok((await disk.list('segments')).includes('00000001.seg'))
  await assert.rejects(store.chunks.read(damaged), (error) => hasCode(error, 'corrupt'))
  assert.deepEqual(await store.chunks.read(kept), all.get(kept))
  store.chunks.delete(damaged)
  await store.compact()
  assert.ok(!(await disk.list('segments')).includes('00000001.seg'))
})

test('without space for copies, compaction still removes segments that are all dead', async (t) => {
  const options = { ...OPTIONS, reserveBytes: MIB }
  const { disk, clock, kv, store: first } = await openStore(t, options)
  const all = await putChunks(first, range(0, 40), KIB)
  await first.close()
  disk.free = 0
  const store = await Store.open({ disk, clock, kv }, options)
  deleteSome(store, all, (place) => place < 9 || (place >= 20 && place < 30))
  const { freedBytes, movedBytes } = await store.compact()
  assert.equal(movedBytes, 0)
  assert.equal(freedBytes, 10 * (KIB + 54))
  // Half of the reserve is there to be used by moves.
  disk.free = MIB / 2 + 10 * KIB
  await assert.rejects(putChunks(store, [500], KIB), (error) => hasCode(error, 'ENOSPC'))
  assert.equal(store.usage().reclaimableBytes, 0)
  await assertAllHeld(store, all)
  await store.close()
})

test('a budget paces compaction, and a signal aborts it', async (t) => {
  const sleeps: number[] = []
  const stop = new AbortController()
  const clock = new (class extends SystemClock {
    override sleep(
      delayMs: number,
      options: { signal?: AbortSignal | undefined } = {},
    ): Promise<void> {
      sleeps.push(delayMs)
      options.signal?.throwIfAborted()
      if (sleeps.length === 3) stop.abort(new ShoalError('aborted', 'enough'))
      return Promise.resolve()
    }
  })()
  const { store } = await openStore(t, OPTIONS, clock)
  const all = await putChunks(store, range(0, 60), KIB)
  deleteSome(store, all, (place) => place % 5 > 0)
  await store.commit([])
  const paced = store.compact({ budgetBytesPerSecond: 4 * KIB, signal: stop.signal })
  await assert.rejects(paced, (error) => hasCode(error, 'aborted'))
  assert.deepEqual(sleeps, [250, 250, 250])
  await assertAllHeld(store, all)
  await store.compact({ budgetBytesPerSecond: 4 * KIB })
  assert.equal(sleeps.length, 3 + all.size - 3)
  await assertAllHeld(store, all)
})

test('an index rebuilt after compaction has all that is held, and deleted leftovers', async (t) => {
  const { disk, clock, kv, store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 40), KIB)
  const gone = [...all.keys()].slice(0, 9)
  const back = [...all.keys()].slice(15, 17)
  deleteSome(store, all, (place) => place < 9 || (place >= 15 && place < 17))
  await store.compact()
  await store.close()
  await rebuildIndex({ disk, kv })
  await assertCounted(kv)
  const again = await Store.open({ disk, clock, kv }, OPTIONS)
  await assertAllHeld(again, all)
  assert.deepEqual(
    [...gone, ...back].map((id) => again.chunks.has(id)),
    [...gone.map(() => false), ...back.map(() => true)],
  )
  await again.close()
})

test('the oldest chunks come first, without deleted ones', async (t) => {
  const { store } = await openStore(t, OPTIONS)
  const all = await putChunks(store, range(0, 45), KIB)
  await putShard(store, stripeOf(1, 3 * KIB), 0)
  await store.commit([])
  deleteSome(store, all, (place) => place % 4 === 1)
  const found = await collect(store.chunks.oldest())
  assert.deepEqual(
    found,
    [...all.keys()].map((id) => ({ id, length: KIB })),
  )
})

test('chunks are listed in order of their ids, all or after an id, in many pages', async (t) => {
  const { store } = await openStore(t)
  const ids = [...(await putChunks(store, range(0, 2500), 20)).keys()]
  await store.commit([])
  const listed = await collect(store.chunks.scan())
  const sorted = listed.map(({ id }) => id)
  assert.deepEqual(new Set(sorted), new Set(ids))
  assert.deepEqual(sorted.length, ids.length)
  const after = sorted[1200]
  assert.ok(after !== undefined)
  const rest = await collect(store.chunks.scan({ after }))
  assert.deepEqual(rest, listed.slice(1201))
})

test('verify reads the disk, and put with verify replaces a damaged chunk', async (t) => {
  const { home, store } = await openStore(t, OPTIONS)
  const sealed = bytesOf(1, KIB)
  const id = chunkIdOf(sealed)
  assert.equal(await store.chunks.verify(id), 'missing')
  await store.chunks.put(id, sealed)
  await store.commit([])
  assert.equal(await store.chunks.verify(id), 'whole')
  const { segmentBytes } = store.usage()
  await store.chunks.put(id, sealed, { verify: true })
  assert.equal(store.usage().segmentBytes, segmentBytes)
  const path = join(home, 'segments/00000001.seg')
  const bytes = await readFile(path)
  bytes[500] = (bytes[500] ?? 0) ^ 4
  await writeFile(path, bytes)
  assert.equal(await store.chunks.verify(id), 'damaged')
  await store.chunks.put(id, sealed)
  assert.equal(await store.chunks.verify(id), 'damaged')
  await Promise.all([
    store.chunks.put(id, sealed, { verify: true }),
    store.chunks.put(id, sealed, { verify: true }),
  ])
  await store.commit([])
  assert.equal(await store.chunks.verify(id), 'whole')
  const { chunkBytes, liveBytes } = store.usage()
  assert.deepEqual([chunkBytes, liveBytes], [KIB, KIB + 54])
})
