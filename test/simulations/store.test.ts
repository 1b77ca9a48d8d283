// The local store on a simulated disk and ordered store that crash at any moment: acknowledged data
// is present, and all present data is whole.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { blake3 } from '../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../protocol/ids.ts'
import { Store } from '../../node/store/store.ts'
import { SimulatedNetwork } from '../../simulations/network.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { Machine } from '../../simulations/world.ts'
import type { ChunkId } from '../../protocol/ids.ts'

const SEED_COUNT = 25
const CRASH_COUNT = 3

describe('a store on a machine that crashes', () => {
  for (const death of ['killed', 'power loss'] as const) {
    test(`a store keeps all acknowledged data, and nothing torn: ${death}`, async () => {
      for (let seed = 0; seed < SEED_COUNT; seed++) await crashRepeatedly(seed, death)
    })
  }
})

async function crashRepeatedly(seed: number, death: 'killed' | 'power loss'): Promise<void> {
  const scheduler = new Scheduler(seed)
  const random = new SeededRandom(seed, 'store test')
  const network = new SimulatedNetwork(scheduler)
  const machine = new Machine({ scheduler, network }, { name: 'machine' })
  const [written, acknowledged] = [new Map<ChunkId, Uint8Array>(), new Set<ChunkId>()]
  for (let crash = 0; crash < CRASH_COUNT; crash++) {
    const store = await scheduler.finish(openStore(machine))
    const writers = [0, 1, 2].map(() => writeForever(store, random, written, acknowledged))
    void Promise.all(writers) // it never ends: the process is killed
    await scheduler.run(scheduler.nowMs + random.number() * 60)
    machine.kill(death)
    await machine.restart(death)
    const recovered = await scheduler.finish(openStore(machine))
    for (const [id, bytes] of written) {
      const found = await scheduler.finish(recovered.chunks.read(id))
      if (found !== undefined) assert.deepEqual(found, bytes, `seed ${seed}: ${id} is torn`)
      else assert.ok(!acknowledged.has(id), `seed ${seed}: ${id} was acknowledged and is lost`)
    }
    await scheduler.finish(recovered.close())
  }
  assert.ok(acknowledged.size > 0, `seed ${seed}: nothing was acknowledged`)
}

function openStore({ world: { disk, clock }, kv }: Machine): Promise<Store> {
  return Store.open({ disk, clock, kv }, { segmentBytesMax: 64 * 1024 })
}

async function writeForever(
  store: Store,
  random: SeededRandom,
  written: Map<ChunkId, Uint8Array>,
  acknowledged: Set<ChunkId>,
): Promise<never> {
  for (;;) {
    const batch: ChunkId[] = []
    for (let i = random.below(4); i >= 0; i--) {
      const bytes = random.bytes(1 + random.below(6000))
      const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
      written.set(id, bytes)
      batch.push(id)
      await store.chunks.put(id, bytes)
    }
    await store.commit([])
    for (const id of batch) acknowledged.add(id)
  }
}
