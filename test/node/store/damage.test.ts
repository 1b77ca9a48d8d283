// Segment files that are truncated or deleted, under a running or stopped store: the loss is
// reported, and all else goes on.
import assert from 'node:assert/strict'
import { rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { KIB } from '../../../protocol/units.ts'
import { Store } from '../../../node/store/store.ts'
import { assertCounted, openStore, putChunks, putShard, range, stripeOf } from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { Soundness } from '../../../node/store/parts.ts'
import type { Opened } from './fixtures.ts'

/** Ten chunks of KIB fill a segment. */
const OPTIONS = { segmentBytesMax: 11_000, reserveBytes: 0 }
const RECORD = KIB + 54

/** The damage to the file of a segment, and how many of its chunks are then gone. */
const DAMAGES = {
  deleted: { make: (path: string) => rm(path), left: 0 },
  emptied: { make: (path: string) => truncate(path, 0), left: 0 },
  truncated: { make: (path: string) => truncate(path, 3 * RECORD + 200), left: 3 },
} as const

async function soundness(store: Store, ids: Iterable<ChunkId>): Promise<Map<ChunkId, Soundness>> {
  const found = new Map<ChunkId, Soundness>()
  for (const id of ids) found.set(id, await store.chunks.verify(id))
  return found
}

/**
 * Chunks of three segments, the last one current; a damaged one, and what of the chunks must be
 * gone.
 */
async function damaged(
  { home, store }: Opened,
  kind: keyof typeof DAMAGES,
  segment: number,
): Promise<{ all: Map<ChunkId, Uint8Array>; gone: Set<ChunkId> }> {
  const all = await putChunks(store, range(0, 25), KIB)
  await store.commit([])
  // A file that is open for reading stays readable when it is deleted: a restart would tell.
  for (const id of all.keys()) await store.chunks.read(id)
  const { make, left } = DAMAGES[kind]
  await make(join(home, `segments/0000000${segment}.seg`))
  const inSegment = [...all.keys()].slice(10 * (segment - 1), 10 * segment)
  return { all, gone: new Set(inSegment.slice(left)) }
}

for (const kind of ['deleted', 'emptied', 'truncated'] as const) {
  for (const segment of [1, 3]) {
    const which = segment === 3 ? 'newest segment' : 'segment'
    test(`verify finds a ${which} ${kind} under a running store, and put repairs it`, async (t) => {
      const opened = await openStore(t, OPTIONS)
      const { disk, clock, kv, store } = opened
      const { all, gone } = await damaged(opened, kind, segment)
      for (const [id, found] of await soundness(store, all.keys())) {
        assert.equal(found, gone.has(id) ? 'damaged' : 'whole')
      }
      for (const [id, sealed] of all) await store.chunks.put(id, sealed, { verify: true })
      for (const [id, sealed] of await putChunks(store, range(50, 60), KIB)) all.set(id, sealed)
      await store.commit([])
      assert.ok([...(await soundness(store, all.keys())).values()].every((s) => s === 'whole'))
      await store.compact()
      await store.close()
      await assertCounted(kv)
      const again = await Store.open({ disk, clock, kv }, OPTIONS)
      t.after(() => again.close())
      for (const [id, sealed] of all) assert.deepEqual(await again.chunks.read(id), sealed)
    })

    test(`reads find a ${which} ${kind} under a stopped store, and writes go on`, async (t) => {
      const opened = await openStore(t, OPTIONS)
      const { disk, clock, kv, store } = opened
      const stripe = stripeOf(1, KIB)
      await store.commit([])
      const { all, gone } = await damaged(opened, kind, segment)
      await store.close()
      const again = await Store.open({ disk, clock, kv }, OPTIONS)
      t.after(() => again.close())
      for (const [id, sealed] of all) {
        const read = again.chunks.read(id)
        if (gone.has(id)) await assert.rejects(read, (error) => hasCode(error, 'corrupt'))
        else assert.deepEqual(await read, sealed)
      }
      await putShard(again, stripe, 0)
      const { damaged: named } = await again.compact({ maxLiveRatio: 1.1 })
      for (const name of named) assert.ok(name.kind === 'chunk' && gone.has(name.id))
      for (const id of gone) again.chunks.delete(id)
      await again.compact()
      assert.equal(again.usage().reclaimableBytes, 0)
      assert.equal(await again.shards.verify(stripe.id, 0), 'whole')
      await assertCounted(kv)
    })
  }
}
