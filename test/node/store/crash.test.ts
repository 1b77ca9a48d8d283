// The store on a disk that loses power, tears writes and fails syncs, in virtual time: at any
// moment, acknowledged data is present and whole.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromByteString } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { chunkIdFromCid } from '../../../protocol/ids.ts'
import { CHUNK_PREFIX, prefixRange } from '../../../node/store/keys.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { Store } from '../../../node/store/store.ts'
import { VirtualClock } from '../../../simulations/clock.ts'
import { SimulatedDisk } from '../../../simulations/disk.ts'
import { SimulatedProcess } from '../../../simulations/process.ts'
import { SeededRandom } from '../../../simulations/random.ts'
import { Scheduler } from '../../../simulations/scheduler.ts'
import { bytesOf, chunkIdOf } from './fixtures.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import type { Kv } from '../../../node/store/kv.ts'
import type { StoreComponents } from '../../../node/store/store.ts'
import { tries } from '../../effort.ts'

const SEEDS: number = tries(12)
const LIVES = 8
const LANES = 3
/** A life lasts up to this: some ten commits. */
const LIFE_MS_MAX = 60
const OPTIONS = { segmentBytesMax: 20_000, reserveBytes: 0 }

test('acknowledged writes survive every crash, restart and failed sync', async () => {
  let acknowledged = 0
  for (let seed = 0; seed < SEEDS; seed++) acknowledged += await runMachine(seed)
  assert.ok(acknowledged > SEEDS * LIVES, `only ${acknowledged} writes were acknowledged`)
})

/** Many lives of a store on one disk; how many writes were acknowledged. */
async function runMachine(seed: number): Promise<number> {
  const scheduler = new Scheduler(seed)
  const random = new SeededRandom(seed, 'store crashes')
  const acknowledged = new Set<ChunkId>()
  let process = new SimulatedProcess(scheduler, 'node')
  let disk = new SimulatedDisk({ process, random })
  let kv = MemoryKv.open()
  for (let life = 0; life < LIVES; life++) {
    const isLast = life === LIVES - 1
    const outcome = new Outcome()
    if (!isLast && random.chance(0.2)) disk.failNextSync()
    const clock = new VirtualClock(process)
    void live({ disk, clock, kv: slow(kv, process) }, acknowledged, life * 1_000_000, outcome)
    const lifeMs = isLast ? 10 * LIFE_MS_MAX : random.number() * LIFE_MS_MAX
    await scheduler.run(scheduler.nowMs + lifeMs)
    assert.equal(outcome.failure, undefined, `seed ${seed}, life ${life}`)
    if (isLast) assert.ok(outcome.recovered, `seed ${seed}: recovery did not end`)
    process.kill()
    process = new SimulatedProcess(scheduler, 'node')
    const lostPower = random.chance(0.7)
    disk = lostPower ? disk.crash(process) : disk.restart(process)
    kv = kv.crash(lostPower ? random.below(kv.unsyncedCount + 1) : kv.unsyncedCount)
  }
  return acknowledged.size
}

class Outcome {
  recovered = false
  failure: unknown
}

/**
 * Open the store, check all of it, and put chunks until the process is killed or the store has
 * failed.
 */
async function live(
  components: StoreComponents,
  acknowledged: Set<ChunkId>,
  firstSeed: number,
  outcome: Outcome,
): Promise<void> {
  try {
    const store = await Store.open(components, OPTIONS)
    await check(store, acknowledged)
    outcome.recovered = true
    const lane = async (offset: number): Promise<never> => {
      for (let n = firstSeed + offset; ; n += LANES) {
        const sealed = bytesOf(n, 1 + ((n * 7919) % 6000))
        await store.chunks.put(chunkIdOf(sealed), sealed)
        await store.commit([])
        acknowledged.add(chunkIdOf(sealed))
      }
    }
    await Promise.all(Array.from({ length: LANES }, (_, i) => lane(i)))
  } catch (error) {
    if (!hasCode(error, 'EIO')) outcome.failure ??= error
  }
}

async function check(store: Store, acknowledged: ReadonlySet<ChunkId>): Promise<void> {
  for (const id of acknowledged) assert.ok(store.chunks.has(id), `chunk ${id} is lost`)
  for await (const [key] of store.kv.scan(prefixRange(CHUNK_PREFIX))) {
    const id = chunkIdFromCid(fromByteString(key.slice(CHUNK_PREFIX.length)))
    const sealed = await store.chunks.read(id)
    assert.ok(sealed !== undefined && chunkIdOf(sealed) === id, `chunk ${id} is torn`)
  }
}

/** Writes take time, so that a crash can come before and after they are made. */
function slow(kv: MemoryKv, process: SimulatedProcess): Kv {
  return {
    get: (key) => kv.get(key),
    sizeBytes: async () => 0,
    scan: (range) => kv.scan(range),
    close: () => kv.close(),
    write: async (writes, options) => {
      await process.wait(0.3, 'kv write')
      await kv.write(writes, options)
      await process.wait(0.3, 'kv written')
    },
  }
}
