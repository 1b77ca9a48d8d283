// What is given up once a tier holds a stripe: never before that is stable, and never more than the floor allows.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Settlement } from '../../../node/tier/settle.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import type { ChunkId, PeerId } from '../../../protocol/ids.ts'
import { ColdMap, hlcOf } from './cold-map.ts'

const { signal } = new AbortController()
const STABLE_MS = 100

interface Around {
  readonly away?: string
  readonly isMine?: boolean
  readonly needed?: string
  readonly kept?: readonly string[]
}

/** Settle a map. returns what was recorded, which copies of chunks are left, and how many stripes wait. */
async function settle(
  map: ColdMap,
  { away = '', isMine = true, needed = '', kept = [] }: Around = {},
): Promise<{ recorded: readonly string[]; left: readonly string[]; waiting: number }> {
  const held = new Set(kept as ChunkId[])
  const chunks = { has: (id: ChunkId) => held.has(id), delete: (id: ChunkId) => held.delete(id) }
  const store = { chunks, usage: () => ({ chunkBytes: held.size }), commit: async () => undefined }
  const settlement = new Settlement({
    map,
    store: store as unknown as ConstructorParameters<typeof Settlement>[0]['store'],
    clock: new SystemClock(),
    stable: () => hlcOf(STABLE_MS),
    isMine: () => isMine,
    isOnline: (peer: PeerId) => peer !== away,
    isNeededHere: (chunk) => chunk === needed,
  })
  const waiting = await settlement.run(signal)
  return { recorded: map.recorded, left: [...held], waiting }
}

describe('settling what lies in a tier', () => {
  const holders = ['a', 'b', 'c', 'd']
  const cold = { attic: 50 }

  test('parity is given up first, down to the floor; with none, all is', async () => {
    const one = await settle(new ColdMap({ s: { holders, cold, floor: 2 } }))
    assert.deepEqual(one.recorded, ['s -3 d', 's -2 c'])
    const none = await settle(new ColdMap({ s: { holders, cold, floor: 0 } }))
    assert.equal(none.recorded.length, 4)
    assert.deepEqual((await settle(new ColdMap({ s: { holders, cold, floor: 4 } }))).recorded, [])
  })

  test('a shard of a holder that is away goes before others, and all holders of one let go', async () => {
    const map = new ColdMap({ s: { holders: ['a', 'b+x', 'c', ''], cold, floor: 2 } })
    assert.deepEqual((await settle(map, { away: 'a' })).recorded, ['s -0 a'])
    const two = new ColdMap({ s: { holders: ['a', 'c', 'b+x', ''], cold, floor: 2 } })
    assert.deepEqual((await settle(two)).recorded, ['s -2 b', 's -2 x'])
  })

  test('nothing goes before the word of the tier is stable, nor of a stripe that no tier holds, nor by who is not to', async () => {
    const waits = await settle(new ColdMap({ s: { holders, cold: { attic: 101 }, floor: 0 } }))
    assert.deepEqual([waits.recorded, waits.waiting], [[], 1])
    assert.deepEqual((await settle(new ColdMap({ s: { holders } }))).recorded, [])
    const others = await settle(new ColdMap({ s: { holders, cold, floor: 0 } }), { isMine: false })
    assert.deepEqual(others.recorded, [])
    const condemned = new ColdMap({ s: { holders, cold, floor: 0, isCondemned: true } })
    assert.deepEqual((await settle(condemned)).recorded, [])
  })

  test('copies of its chunks in this store go, but for those that are needed here', async () => {
    const stripes = {
      s: { holders, cold, floor: 4 },
      t: { holders, cold, floor: 4 },
      u: { holders },
      v: { holders, cold: { attic: 101 }, floor: 4 },
    }
    const kept = ['s chunk', 't chunk', 'u chunk', 'v chunk']
    const { left } = await settle(new ColdMap(stripes), { kept, needed: 't chunk' })
    assert.deepEqual(left, ['t chunk', 'u chunk', 'v chunk'])
  })
})
