// Which stripes are packed anew together, and which stay as they are.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { RepackCandidates } from '../../../node/gc/repack-candidates.ts'
import { STRIPE_DATA_TARGET } from '../../../protocol/limits.ts'
import { MIB } from '../../../protocol/units.ts'
import type { MappedStripe } from '../../../node/shard-map/stripe-map.ts'
import type { ClassOf, Need } from '../../../node/gc/repack-candidates.ts'
import type { ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'

const SAFE: ClassOf = { kind: 'copies', count: 3 }

describe('repack', () => {
  test('a stripe of which half is needed stays, and one with less is repacked', () => {
    const repacking = new RepackCandidates()
    const half = stripe('half', 20 * MIB)
    const less = stripe('less', 20 * MIB)
    assert.equal(repacking.add(half.id, half, needs('half', 10 * MIB)), undefined)
    assert.equal(repacking.add(less.id, less, needs('less', 10 * MIB - 1)), undefined)
    const [batch, ...others] = repacking.rest()
    assert.deepEqual([batch?.retires, others], [['less'], []])
    assert.deepEqual(batch?.packs, needs('less', 10 * MIB - 1))
  })

  test('a batch is full before it exceeds a stripe', () => {
    const repacking = new RepackCandidates()
    const all = Array.from({ length: 10 }, (_, n) => stripe(`sparse ${n}`, 24 * MIB))
    const given = all.flatMap((one) => repacking.add(one.id, one, needs(one.id, 7 * MIB)) ?? [])
    const batches = [...given, ...repacking.rest()]
    assert.deepEqual(
      batches.map(({ retires }) => retires.length),
      [3, 3, 3, 1],
    )
    for (const { packs } of batches)
      assert.ok(packs.reduce((sum, { length }) => sum + length, 0) <= STRIPE_DATA_TARGET)
  })

  test('four small stripes are merged; three, or some that lack holders, are not', () => {
    const count = (number: number, holders: MappedStripe['holders']): number => {
      const repacking = new RepackCandidates()
      for (let n = 0; n < number; n++) {
        const small = { ...stripe(`small ${n}`, MIB), holders }
        repacking.add(small.id, small, needs(small.id, MIB))
      }
      return repacking.rest().flatMap(({ retires }) => retires).length
    }
    assert.equal(count(3, held(3)), 0)
    assert.equal(count(4, held(3)), 4)
    assert.equal(count(4, [...held(2), []]), 0)
  })

  test('chunks of another class are packed for it, and the stripe stays for the rest', () => {
    const repacking = new RepackCandidates()
    const both = stripe('both', 20 * MIB)
    const moved = needs('moved', 8 * MIB, SAFE)
    repacking.add(both.id, both, [...needs('stays', 12 * MIB), ...moved])
    assert.deepEqual(repacking.rest(), [{ packs: moved, retires: [] }])
    const all = needs('all', 20 * MIB, SAFE)
    repacking.add(both.id, both, all)
    assert.deepEqual(repacking.rest(), [{ packs: all, retires: ['both'] }])
  })

  test('a chunk in two stripes is packed once', () => {
    const repacking = new RepackCandidates()
    for (const id of ['one', 'two']) {
      const sparse = stripe(id, 20 * MIB)
      repacking.add(sparse.id, sparse, needs('shared', MIB))
    }
    const [batch] = repacking.rest()
    assert.deepEqual(batch?.packs, needs('shared', MIB))
    assert.deepEqual(batch?.retires, ['one', 'two'])
  })
})

function stripe(id: string, dataBytes: number): MappedStripe & { readonly id: StripeId } {
  const header = {
    k: 2,
    m: 1,
    shardBytes: dataBytes / 2,
    chunks: [{ id: `${id} chunk` as ChunkId, length: dataBytes }],
    shardRoots: [],
  }
  return {
    id: id as StripeId,
    header,
    headerBytes: new Uint8Array(0),
    holders: held(3),
    class: undefined,
    isCondemned: false,
    isSwept: false,
    cold: [],
    usedAt: HLC_ZERO,
  }
}

function held(count: number): PeerId[][] {
  return Array.from({ length: count }, (_, n) => [`peer ${n}` as PeerId])
}

function needs(id: string, length: number, cls?: ClassOf): Need[] {
  return [{ id: id as ChunkId, length, class: cls }]
}
