// What was fetched from peers and is kept for the next reader: how much of it, which goes first, and that what is read
// is what was kept.
import assert from 'node:assert/strict'
import { readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { KIB, MIB } from '../../../protocol/units.ts'
import { FetchedChunks } from '../../../node/store/fetched-chunks.ts'
import { SystemDisk } from '../../../node/world/disk.ts'
import { bytesOf, chunkIdOf, openStore, range, temporaryHome, WatchedDisk } from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { TestContext } from 'node:test'

const CHUNK_BYTES: number = 64 * KIB
const LIMIT: number = 10 * CHUNK_BYTES

interface Opened {
  readonly home: string
  readonly disk: WatchedDisk
  readonly fetched: FetchedChunks
}

async function open(t: TestContext, bytesMax: number | undefined = LIMIT): Promise<Opened> {
  const home = await temporaryHome(t)
  const disk = new WatchedDisk(new SystemDisk(home))
  return { home, disk, fetched: await FetchedChunks.open(disk, bytesMax) }
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

async function bytesIn(home: string): Promise<number> {
  const folder = join(home, 'fetched')
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

test('what is kept is read again, also after a restart', async (t) => {
  const { disk, fetched } = await open(t)
  const [id] = (await keep(fetched, [1])) as [ChunkId]
  assert.deepEqual(await fetched.read(id), bytesOf(1, CHUNK_BYTES))
  const again = await FetchedChunks.open(disk, LIMIT)
  assert.ok(again.has(id))
  assert.deepEqual(await again.read(id), bytesOf(1, CHUNK_BYTES))
  assert.equal(again.usage.foundBytes, CHUNK_BYTES)
})

test('it never takes more than its size, and what was used longest ago goes first', async (t) => {
  const { home, disk, fetched } = await open(t)
  let most = 0
  disk.onWrite = () => void (most = Math.max(most, fetched.usage.usedBytes + CHUNK_BYTES))
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

test('many that come at once are within the size too', async (t) => {
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

test('a chunk that is damaged, cut or gone on disk is as if it were not there', async (t) => {
  const { home, fetched } = await open(t)
  const ids = await keep(fetched, [1, 2, 3])
  const folder = join(home, 'fetched')
  const fileOf = async (at: number): Promise<string> => {
    const name = (await readdir(folder)).find((file) => file.startsWith(`${ids[at]}.`))
    return join(folder, name ?? '')
  }
  await writeFile(await fileOf(0), 'x', { flag: 'r+' })
  await truncate(await fileOf(1), 10)
  await writeFile(join(folder, 'what is this'), 'x')
  for (const id of ids.slice(0, 2)) {
    assert.equal(await fetched.read(id), undefined)
    assert.equal(fetched.has(id), false)
  }
  const again = await FetchedChunks.open(new SystemDisk(home), LIMIT)
  assert.equal((await readdir(folder)).length, 1)
  assert.equal(again.usage.usedBytes, CHUNK_BYTES)
})

test('a smaller size holds at once, and at the next start', async (t) => {
  const { home, disk, fetched } = await open(t)
  await keep(fetched, range(0, 10))
  await fetched.resize(4 * CHUNK_BYTES)
  assert.equal(await bytesIn(home), 4 * CHUNK_BYTES)
  await FetchedChunks.open(disk, CHUNK_BYTES)
  assert.equal(await bytesIn(home), CHUNK_BYTES)
})

test('it takes no more than half of what the disk has free', async (t) => {
  const home = await temporaryHome(t)
  const disk = new WatchedDisk(new SystemDisk(home))
  disk.free = 6 * CHUNK_BYTES
  const fetched = await FetchedChunks.open(disk, LIMIT)
  await keep(fetched, range(0, 9))
  assert.equal(await bytesIn(home), 3 * CHUNK_BYTES)
  disk.free = 0
  await fetched.yield()
  assert.ok((await bytesIn(home)) <= 1.5 * CHUNK_BYTES)
})

test('a disk that refuses keeps no one from what was fetched', async (t) => {
  const { home, disk, fetched } = await open(t)
  disk.onWrite = () => {
    throw new Error('no')
  }
  const [id] = (await keep(fetched, [1])) as [ChunkId]
  assert.equal(fetched.has(id), false)
  assert.equal(await bytesIn(home), 0)
})

test('a node that is given no size keeps nothing on its disk', async (t) => {
  const { home, store } = await openStore(t)
  const sealed = bytesOf(1, MIB)
  store.fetched.keep(chunkIdOf(sealed), sealed)
  await store.fetched.close()
  assert.equal(store.fetched.has(chunkIdOf(sealed)), false)
  assert.equal((await readdir(home)).includes('fetched'), false)
})
