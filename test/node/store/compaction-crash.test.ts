// A store that compacts and empties its trash, on a disk that loses power at every single event:
// acknowledged data is present and whole, and the counters of the index are true.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalBytes } from '../../../protocol/bytes.ts'
import { Store } from '../../../node/store/store.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedDisk } from '../../../simulations/disk.ts'
import { SimulatedKv } from '../../../simulations/kv.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import {
  assertCounted,
  bytesOf,
  chunkIdOf,
  collect,
  putChunks,
  putShard,
  range,
  stripeOf,
} from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'

const OPTIONS = { segmentBytesMax: 6000, reserveBytes: 0 }
/** Seeds for each event: the way the machine dies there differs by seed. */
const SEEDS = 2
const STRIPES: readonly CodedStripe[] = range(0, 6).map((seed) => stripeOf(500 + seed, 1200))

/** The acknowledged state; undefined while a change of it is under way. */
class Acknowledged {
  readonly chunks = new Map<ChunkId, Uint8Array | undefined>()
  /** By their place in STRIPES: shard 0 of each. */
  readonly shards = new Map<number, 'held' | 'trashed' | undefined>()
}

test('a crash at any event of a compaction loses nothing that was acknowledged', async () => {
  const events = await run(0, Infinity)
  assert.ok(events > 50, `${events} events`)
  for (let at = 0; at < events; at++) {
    for (let seed = 0; seed < SEEDS; seed++) await run(seed, at)
  }
})

/**
 * A life of a store that ends with its `crashAt`-th event, and what is found after it; how many
 * events it had.
 */
async function run(seed: number, crashAt: number): Promise<number> {
  const scheduler = new Scheduler(seed)
  const random = new SeededRandom(seed, 'compaction crash')
  const process = new SimulatedProcess(scheduler, 'node')
  const disk = new SimulatedDisk({ process, random })
  const kv = new SimulatedKv({ process, random })
  const acknowledged = new Acknowledged()
  const clock = new VirtualClock(process)
  const prepared = await scheduler.finish(prepare({ disk, kv, clock }, acknowledged))
  const before = scheduler.eventCount
  if (crashAt < Infinity) process.trap(crashAt, () => process.kill())
  let failure: unknown
  live(prepared, acknowledged).catch((error: unknown) => (failure = error))
  await scheduler.run()
  assert.equal(failure, undefined, `seed ${seed}, event ${crashAt}`)
  const events = scheduler.eventCount - before
  process.kill()

  const next = new SimulatedProcess(scheduler, 'node')
  const lostPower = random.chance(0.7)
  const left = {
    disk: lostPower ? disk.crash(next) : disk.restart(next),
    kv: lostPower ? await kv.crash(next) : await kv.restart(next),
    clock: new VirtualClock(next),
  }
  try {
    await scheduler.finish(check(left, acknowledged))
  } catch (error) {
    throw new Error(`seed ${seed}, event ${crashAt}`, { cause: error })
  }
  return events
}

/** Mostly dead segments, as of a commit, with some trash. */
async function prepare(
  parts: { disk: SimulatedDisk; kv: SimulatedKv; clock: VirtualClock },
  acknowledged: Acknowledged,
): Promise<Store> {
  const store = await Store.open(parts, OPTIONS)
  for (const [id, sealed] of await putChunks(store, range(0, 24), 700)) {
    acknowledged.chunks.set(id, sealed)
  }
  for (const [place, stripe] of STRIPES.entries()) {
    await putShard(store, stripe, 0)
    acknowledged.shards.set(place, 'held')
  }
  await store.commit([])
  for (const [place, id] of [...acknowledged.chunks.keys()].entries()) {
    if (place % 4 === 0) continue
    store.chunks.delete(id)
    acknowledged.chunks.delete(id)
  }
  for (const place of [0, 1]) {
    trash(store, place)
    acknowledged.shards.set(place, 'trashed')
  }
  await store.commit([])
  return store
}

/** Compact, while others put, delete, trash and bring back. */
async function live(store: Store, acknowledged: Acknowledged): Promise<void> {
  const write = async (): Promise<void> => {
    for (const seed of range(100, 104)) {
      const sealed = bytesOf(seed, 900)
      await store.chunks.put(chunkIdOf(sealed), sealed)
      await store.commit([])
      acknowledged.chunks.set(chunkIdOf(sealed), sealed)
    }
  }
  const change = async (): Promise<void> => {
    const [id] = acknowledged.chunks.keys()
    assert.ok(id !== undefined)
    acknowledged.chunks.set(id, undefined)
    store.chunks.delete(id)
    await store.commit([])
    acknowledged.chunks.delete(id)

    acknowledged.shards.set(2, undefined)
    trash(store, 2)
    await store.commit([])
    acknowledged.shards.set(2, 'trashed')

    acknowledged.shards.set(1, undefined)
    assert.ok(await store.shards.restore(idOf(1), 0))
    await store.commit([])
    acknowledged.shards.set(1, 'held')
  }
  await Promise.all([store.compact({ maxLiveRatio: 0.9 }), write(), change()])
  acknowledged.shards.set(0, undefined)
  acknowledged.shards.set(2, undefined)
  assert.ok((await store.shards.emptyTrash()) > 0)
  acknowledged.shards.delete(0)
  acknowledged.shards.delete(2)
  await store.compact({ maxLiveRatio: 0.9 })
  await store.commit([])
}

async function check(
  parts: { disk: SimulatedDisk; kv: SimulatedKv; clock: VirtualClock },
  acknowledged: Acknowledged,
): Promise<void> {
  const store = await Store.open(parts, OPTIONS)
  await assertCounted(parts.kv)
  for (let round = 0; round < 2; round++) {
    for (const [id, sealed] of acknowledged.chunks) {
      if (sealed === undefined) continue
      const read = await store.chunks.read(id)
      assert.ok(read !== undefined && equalBytes(read, sealed), `chunk ${id} is lost`)
    }
    for (const { id } of await collect(store.chunks.scan())) {
      assert.equal(await store.chunks.verify(id), 'whole')
    }
    for (const { stripe, index } of await collect(store.shards.scan())) {
      assert.equal(await store.shards.verify(stripe, index), 'whole')
    }
    for (const [place, state] of acknowledged.shards) {
      if (state === 'held') assert.deepEqual(store.shards.indices(idOf(place)), [0])
      if (state === 'trashed') assert.deepEqual(store.shards.indices(idOf(place)), [])
    }
    // And once more, behind a compaction of what the crash left.
    await store.compact({ maxLiveRatio: 1 })
  }
  for (const [place, state] of acknowledged.shards) {
    if (state === 'trashed') assert.ok(await store.shards.restore(idOf(place), 0), `shard ${place}`)
  }
  await store.close()
  await assertCounted(parts.kv)
}

function trash(store: Store, place: number): void {
  store.shards.trash(idOf(place), 0)
}

function idOf(place: number): CodedStripe['id'] {
  const stripe = STRIPES[place]
  assert.ok(stripe !== undefined)
  return stripe.id
}
