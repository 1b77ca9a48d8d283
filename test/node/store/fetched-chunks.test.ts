// Chunks fetched from peers and kept for the next reader: how many, which goes first, and that each
// reads as it was kept.
import assert from 'node:assert/strict'
import { open as openFile, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { KIB, MIB } from '../../../protocol/units.ts'
import { FetchedChunks } from '../../../node/store/fetched-chunks.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { bytesOfFiles } from '../../cluster/trees.ts'
import { bytesOf, chunkIdOf, openStore, range, temporaryHome, WatchedDisk } from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { TestContext } from 'node:test'
import type { Clock } from '../../../node/world/world.ts'

const CHUNK_BYTES: number = 64 * KIB
/** The size of a bundle of one chunk: too little room for more makes all of them so. */
const FILE_BYTES: number = CHUNK_BYTES + 44
const LIMIT: number = 10 * FILE_BYTES

interface Opened {
  readonly home: string
  readonly disk: WatchedDisk
  readonly world: { readonly disk: WatchedDisk; readonly clock: Clock }
  readonly fetched: FetchedChunks
}

async function open(t: TestContext, bytesMax: number | undefined = LIMIT): Promise<Opened> {
  const home = await temporaryHome(t)
  const disk = new WatchedDisk(new SystemDisk(home))
  const world = { disk, clock: new SystemClock() }
  return { home, disk, world, fetched: await FetchedChunks.open(world, bytesMax) }
}

/** Chunks of these numbers. */
async function keep(fetched: FetchedChunks, seeds: readonly number[]): Promise<ChunkId[]> {
  const ids: ChunkId[] = []
  for (const seed of seeds) {
    const sealed = bytesOf(seed, CHUNK_BYTES)
    ids.push(chunkIdOf(sealed))
    fetched.keep(chunkIdOf(sealed), sealed)
    await fetched.close()
  }
  return ids
}

async function writeAt(path: string, position: number): Promise<void> {
  const file = await openFile(path, 'r+')
  await file.write('damage', position)
  await file.close()
}

function bytesIn(home: string): Promise<number> {
  return bytesOfFiles(join(home, 'fetched'))
}

test('cached chunks are read again, also after a restart', async (t) => {
  const { world, fetched } = await open(t)
  const [id] = (await keep(fetched, [1])) as [ChunkId]
  assert.deepEqual(await fetched.read(id), bytesOf(1, CHUNK_BYTES))
  const again = await FetchedChunks.open(world, LIMIT)
  assert.ok(again.has(id))
  assert.deepEqual(await again.read(id), bytesOf(1, CHUNK_BYTES))
  assert.equal(again.usage.foundBytes, CHUNK_BYTES)
})

test('the cache never exceeds its size, and drops the least recently used first', async (t) => {
  const { home, disk, fetched } = await open(t)
  let most = 0
  disk.onWrite = () => void (most = Math.max(most, fetched.usage.usedBytes + FILE_BYTES))
  const early = await keep(fetched, range(0, 10))
  const [used] = early as [ChunkId]
  await fetched.read(used)
  const late = await keep(fetched, range(10, 19))
  assert.ok(most <= LIMIT)
  assert.ok((await bytesIn(home)) <= LIMIT)
  assert.deepEqual(
    early.filter((id) => fetched.has(id)),
    [used],
  )
  assert.ok(late.every((id) => fetched.has(id)))
})

test('many chunks cached at once stay within the size', async (t) => {
  const { home, fetched } = await open(t)
  for (const seed of range(0, 40)) {
    const sealed = bytesOf(seed, CHUNK_BYTES)
    fetched.keep(chunkIdOf(sealed), sealed)
  }
  await fetched.close()
  assert.ok(fetched.usage.usedBytes > 0)
  assert.equal(fetched.usage.usedBytes, await bytesIn(home))
  assert.ok(fetched.usage.usedBytes <= LIMIT)
  assert.equal(fetched.usage.fetchedBytes, 40 * CHUNK_BYTES)
})

test('chunks that arrive together are one file, and each is read by itself', async (t) => {
  const { home, disk } = await open(t)
  const due: (() => void)[] = []
  const clock = Object.assign(new SystemClock(), {
    timer: (_delayMs: number, run: () => void) => {
      due.push(run)
      return { cancel: () => undefined }
    },
  })
  const fetched = await FetchedChunks.open({ disk, clock }, 100 * MIB)
  const small = range(0, 50).map((seed) => bytesOf(seed, 1000 + seed))
  for (const sealed of small) fetched.keep(chunkIdOf(sealed), sealed)
  assert.equal(await bytesIn(home), 0)
  const [first] = small as [Uint8Array]
  assert.deepEqual(await fetched.read(chunkIdOf(first)), first)
  assert.equal(due.length, 1)
  due[0]?.()
  await fetched.close()
  assert.equal((await readdir(join(home, 'fetched'))).length, 1)
  assert.equal(await bytesIn(home), fetched.usage.usedBytes)
  for (const each of [fetched, await FetchedChunks.open({ disk, clock }, 100 * MIB)])
    for (const sealed of small) assert.deepEqual(await each.read(chunkIdOf(sealed)), sealed)
})

test('a cached chunk that is damaged, cut or gone on disk counts as absent', async (t) => {
  const { home, world, fetched } = await open(t)
  const ids = await keep(fetched, [1, 2, 3])
  const folder = join(home, 'fetched')
  const fileOf = (at: number): string => join(folder, String(at))
  await writeAt(fileOf(0), 1000)
  await truncate(fileOf(1), 100)
  await writeFile(join(folder, 'what is this'), 'x')
  await writeFile(join(folder, '77'), 'no head')
  for (const id of ids.slice(0, 2)) {
    assert.equal(await fetched.read(id), undefined)
    assert.equal(fetched.has(id), false)
  }
  const again = await FetchedChunks.open(world, LIMIT)
  assert.deepEqual(await readdir(folder), ['2'])
  assert.equal(again.usage.usedBytes, FILE_BYTES)
})

test('damage to one cached chunk of a file, or its end cut off, leaves the others', async (t) => {
  const { home, world } = await open(t)
  const fetched = await FetchedChunks.open(world, 100 * MIB)
  const all = range(0, 5).map((seed) => bytesOf(seed, CHUNK_BYTES))
  for (const sealed of all) fetched.keep(chunkIdOf(sealed), sealed)
  await fetched.close()
  const file = join(home, 'fetched', '0')
  await writeAt(file, 1000)
  await truncate(file, 4 * CHUNK_BYTES)
  const again = await FetchedChunks.open(world, 100 * MIB)
  for (const each of [fetched, again])
    for (const [at, sealed] of all.entries())
      assert.deepEqual(
        await each.read(chunkIdOf(sealed)),
        at % 4 === 0 || at === 3 ? undefined : sealed,
      )
})

test('a cache file with an impossible head is removed', async (t) => {
  const { home, world } = await open(t)
  const folder = join(home, 'fetched')
  const heads = [0, 1, 1025, 2 ** 32 - 1].map((count) => {
    const head = Buffer.alloc(100_000)
    head.writeUInt32BE(count)
    return head
  })
  for (const [at, head] of heads.entries()) await writeFile(join(folder, String(at)), head)
  const again = await FetchedChunks.open(world, LIMIT)
  assert.deepEqual(await readdir(folder), [])
  assert.equal(again.usage.usedBytes, 0)
})

test('a smaller cache size applies at once, and at the next start', async (t) => {
  const { home, world, fetched } = await open(t)
  await keep(fetched, range(0, 10))
  await fetched.resize(4 * FILE_BYTES)
  assert.equal(await bytesIn(home), 4 * FILE_BYTES)
  await FetchedChunks.open(world, FILE_BYTES)
  assert.equal(await bytesIn(home), FILE_BYTES)
})

test('the cache takes at most half of the free space of the disk', async (t) => {
  const home = await temporaryHome(t)
  const disk = new WatchedDisk(new SystemDisk(home))
  disk.free = 6 * FILE_BYTES
  const fetched = await FetchedChunks.open({ disk, clock: new SystemClock() }, LIMIT)
  await keep(fetched, range(0, 9))
  assert.equal(await bytesIn(home), 3 * FILE_BYTES)
  disk.free = 0
  await fetched.yield()
  assert.ok((await bytesIn(home)) <= 1.5 * FILE_BYTES)
})

test('a cache whose disk fails to write keeps nothing, and fails no read', async (t) => {
  const { home, disk, fetched } = await open(t)
  disk.onWrite = () => {
    throw new Error('no')
  }
  const [id] = (await keep(fetched, [1])) as [ChunkId]
  assert.equal(fetched.has(id), false)
  assert.equal(await bytesIn(home), 0)
})

test('a node without a cache size caches nothing on its disk', async (t) => {
  const { home, store } = await openStore(t)
  const sealed = bytesOf(1, MIB)
  store.fetched.keep(chunkIdOf(sealed), sealed)
  await store.fetched.close()
  assert.equal(store.fetched.has(chunkIdOf(sealed)), false)
  assert.equal((await readdir(home)).includes('fetched'), false)
})
