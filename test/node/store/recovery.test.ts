// The recovery of the store: torn tails, damage, a lost index, a lost segment.
import assert from 'node:assert/strict'
import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, equalBytes } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { rebuildIndex } from '../../../node/store/recovery.ts'
import { Store } from '../../../node/store/store.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { bytesOf, chunkIdOf, stripeIdOf, temporaryHome, WatchedDisk } from './fixtures.ts'
import type { TestContext } from 'node:test'
import type { KvImage } from '../../../node/store/memory-kv.ts'

const clock = new SystemClock()

const SEGMENT = 'segments/00000001.seg'

/**
 * A home whose store committed `acknowledged`, then wrote `after` to the segment and crashed before
 * its index did.
 */
interface Crashed {
  readonly home: string
  readonly image: KvImage
  readonly checkpoint: number
  readonly segment: Uint8Array
}

async function crashed(
  t: TestContext,
  acknowledged: readonly Uint8Array[],
  after: readonly Uint8Array[],
): Promise<Crashed> {
  const home = await temporaryHome(t)
  const kv = MemoryKv.open()
  const store = await Store.open({ disk: new SystemDisk(home), clock, kv })
  for (const sealed of acknowledged) await store.chunks.put(chunkIdOf(sealed), sealed)
  await store.commit([])
  const image = kv.image()
  const checkpoint = store.usage().segmentBytes
  for (const sealed of after) await store.chunks.put(chunkIdOf(sealed), sealed)
  await store.close()
  return { home, image, checkpoint, segment: await readFile(join(home, SEGMENT)) }
}

async function reopen(home: string, image: KvImage): Promise<{ kv: MemoryKv; store: Store }> {
  const kv = MemoryKv.open(image)
  return { kv, store: await Store.open({ disk: new SystemDisk(home), clock, kv }) }
}

async function holds(store: Store, sealed: Uint8Array): Promise<boolean> {
  const read = await store.chunks.read(chunkIdOf(sealed))
  if (read !== undefined) assert.ok(equalBytes(read, sealed))
  return read !== undefined
}

test('whole records behind the checkpoint are indexed, durable and counted', async (t) => {
  const [a, b, c] = [bytesOf(1, 900), bytesOf(2, 700), bytesOf(3, 500)] as const
  const { home, image } = await crashed(t, [a], [b, c])
  const { kv, store } = await reopen(home, image)
  for (const sealed of [a, b, c]) assert.ok(await holds(store, sealed))
  assert.equal(store.usage().chunkBytes, 2100)
  await store.close()
  const { store: again } = await reopen(home, kv.image())
  for (const sealed of [a, b, c]) assert.ok(await holds(again, sealed))
  await again.close()
})

test('a tail torn at any byte of the last record is cut off, and the store goes on', async (t) => {
  const [a, b, last] = [bytesOf(1, 90), bytesOf(2, 70), bytesOf(3, 60)] as const
  const { home, image, segment } = await crashed(t, [a], [b, last])
  const lastBytes = 18 + 36 + 60
  const wholeUntil = segment.byteLength - lastBytes
  const next = bytesOf(4, 80)
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: lastBytes - 1 }),
      fc.constantFrom('short', 'zeros', 'old bytes'),
      async (kept, tail) => {
        const left = segment.subarray(0, wholeUntil + kept)
        const filler = {
          short: new Uint8Array(0),
          zeros: new Uint8Array(lastBytes - kept),
          'old bytes': bytesOf(kept, 500),
        }[tail]
        await writeFile(join(home, SEGMENT), concatBytes([left, filler]))
        const { kv, store } = await reopen(home, image)
        assert.ok((await holds(store, a)) && (await holds(store, b)))
        assert.equal(await holds(store, last), false)
        assert.equal(store.usage().segmentBytes, wholeUntil)
        assert.equal((await readFile(join(home, SEGMENT))).byteLength, wholeUntil)
        await store.chunks.put(chunkIdOf(next), next)
        await store.close()
        const { store: again } = await reopen(home, kv.image())
        for (const sealed of [a, b, next]) assert.ok(await holds(again, sealed))
        await again.close()
      },
    ),
    { numRuns: 120, seed: 11 },
  )
})

test('recovery rewrites what it makes durable, as reads may show data not on disk', async (t) => {
  const { home, image, checkpoint, segment } = await crashed(
    t,
    [bytesOf(1, 900)],
    [bytesOf(2, 700)],
  )
  const disk = new WatchedDisk(new SystemDisk(home))
  const written: Uint8Array[] = []
  disk.onWrite = (parts) => written.push(...parts)
  disk.onSync = async () => {
    assert.ok(equalBytes(concatBytes(written), segment.subarray(checkpoint)))
  }
  const store = await Store.open({ disk, clock, kv: MemoryKv.open(image) })
  assert.deepEqual([disk.writes, disk.syncs], [1, 1])
  await store.close()
})

test('a byte flipped before the checkpoint is found by a read, and costs one chunk', async (t) => {
  const all = [bytesOf(1, 90), bytesOf(2, 70), bytesOf(3, 50)]
  const { home, image, segment } = await crashed(t, all, [])
  const starts = all.map((_, i) => all.slice(0, i).reduce((sum, b) => sum + 54 + b.byteLength, 0))
  for (let at = 0; at < segment.byteLength; at += 3) {
    const damaged = Uint8Array.from(segment)
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8))
    await writeFile(join(home, SEGMENT), damaged)
    const { store } = await reopen(home, image)
    const hit = starts.findLastIndex((start) => start <= at)
    for (const [i, sealed] of all.entries()) {
      const id = chunkIdOf(sealed)
      if (i !== hit) assert.ok(await holds(store, sealed))
      else {
        const names = (error: unknown): boolean =>
          hasCode(error, 'corrupt') && error.message.includes(id)
        await assert.rejects(store.chunks.read(id), names, `byte ${at}`)
        store.chunks.delete(id)
        await store.chunks.put(id, sealed)
        assert.ok(await holds(store, sealed))
      }
    }
    await store.close()
  }
})

test('a lost index is rebuilt around any flipped byte, without its record', async (t) => {
  const all = [bytesOf(1, 90), bytesOf(2, 70), bytesOf(3, 50), bytesOf(4, 30)]
  const { home, segment } = await crashed(t, all, [])
  const starts = all.map((_, i) => all.slice(0, i).reduce((sum, b) => sum + 54 + b.byteLength, 0))
  const flip = fc.integer({ min: 0, max: segment.byteLength - 1 })
  await fc.assert(
    fc.asyncProperty(flip, fc.integer({ min: 0, max: 7 }), async (at, bit) => {
      const damaged = Uint8Array.from(segment)
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit)
      await writeFile(join(home, SEGMENT), damaged)
      const { store } = await reopen(home, [])
      const hit = starts.findLastIndex((start) => start <= at)
      for (const [i, sealed] of all.entries()) assert.equal(await holds(store, sealed), i !== hit)
      await store.close()
    }),
    { numRuns: 120, seed: 12 },
  )
})

test('rebuildIndex gives the same chunks, shards and counters from the segments alone', async (t) => {
  const home = await temporaryHome(t)
  const disk = new SystemDisk(home)
  const kv = MemoryKv.open()
  const store = await Store.open({ disk, clock, kv }, { segmentBytesMax: 2000 })
  const chunks = Array.from({ length: 20 }, (_, i) => bytesOf(i, 100 + i))
  const header = bytesOf(50, 300)
  const stripe = stripeIdOf(header)
  for (const sealed of chunks) await store.chunks.put(chunkIdOf(sealed), sealed)
  for (const index of [4, 2]) await store.shards.put(stripe, index, header, bytesOf(index, 400))
  await store.commit([{ kind: 'put', key: 'entry', value: header }])
  await store.close()
  const before = kv.image()
  const { records, damaged } = await rebuildIndex({ disk, kv })
  assert.deepEqual([records, damaged], [22, 0])
  assert.deepEqual(kv.image(), before)
})

test('a repeated record is indexed once, and one inside a payload is not found', async (t) => {
  const a = bytesOf(1, 90)
  const { home, segment } = await crashed(t, [a], [])
  const around = concatBytes([bytesOf(5, 33), segment, bytesOf(6, 44)])
  const inner = await crashed(t, [around], [])
  const { store } = await reopen(inner.home, [])
  assert.ok(await holds(store, around))
  assert.equal(await holds(store, a), false)
  await store.close()
  await writeFile(join(home, SEGMENT), concatBytes([segment, segment]))
  const { store: twice } = await reopen(home, [])
  assert.ok(await holds(twice, a))
  assert.equal(twice.usage().chunkBytes, 90)
  await twice.close()
})

test('addresses in a segment that lost durable bytes are never reused', async (t) => {
  const [a, b, next] = [bytesOf(1, 900), bytesOf(2, 700), bytesOf(3, 700)] as const
  const { home, image } = await crashed(t, [a, b], [])
  for (const damage of ['shortened', 'removed']) {
    const copy = await temporaryHome(t)
    await cp(home, copy, { recursive: true })
    if (damage === 'shortened') await truncate(join(copy, SEGMENT), 960)
    else await rm(join(copy, SEGMENT))
    const { kv, store } = await reopen(copy, image)
    await assert.rejects(store.chunks.read(chunkIdOf(b)), (error) => hasCode(error, 'corrupt'))
    await store.chunks.put(chunkIdOf(next), next)
    await store.close()
    const { store: again } = await reopen(copy, kv.image())
    assert.ok(await holds(again, next), damage)
    await assert.rejects(again.chunks.read(chunkIdOf(b)), (error) => hasCode(error, 'corrupt'))
    await again.close()
  }
})
