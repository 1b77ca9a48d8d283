// Laws of the two clocks: the hybrid logical one grows, version vectors form a lattice.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_MAX, HLC_ZERO, hlcMillis, maxHlc, nextHlc } from '../../protocol/clock/hlc.ts'
import {
  countMissing,
  covers,
  decodeVector,
  dominates,
  encodeVector,
  isSeq,
  mergeVectors,
  sortedActors,
} from '../../protocol/clock/vector-clock.ts'
import { ACTORS_MAX } from '../../protocol/limits.ts'
import { makeStamp, stampActor, stampHlc } from '../../protocol/clock/dot.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import { anyActor, anyHlc, anyVector } from './arbitraries.ts'
import { assertRefusesOnly } from './hostile.ts'

const MALFORMED = { code: 'malformed' }
const anyWall = fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((ms) => ms as WallTime)
const actor = (n: number): ActorId => n.toString(16).padStart(32, '0') as ActorId

describe('hybrid logical clock', () => {
  test('time always advances, and as little as it must', () => {
    fc.assert(
      fc.property(
        anyHlc.filter((hlc) => hlc < HLC_MAX),
        anyWall,
        (last, wall) => {
          const next = nextHlc(last, wall)
          assert.ok(next > last)
          assert.ok(next === last + 1n || next === BigInt(wall) << 16n)
          assert.ok(hlcMillis(next) >= wall)
          if (hlcMillis(last) < wall) assert.equal(hlcMillis(next), wall)
        },
      ),
      { seed: 1, numRuns: 500 },
    )
  })

  test('a wall clock that is set back, or before 1970, or between milliseconds does no harm', () => {
    const now = nextHlc(HLC_ZERO, 1000 as WallTime)
    assert.equal(nextHlc(now, 10 as WallTime), now + 1n)
    assert.equal(nextHlc(now, -5 as WallTime), now + 1n)
    assert.equal(nextHlc(now, 1000.9 as WallTime), now + 1n)
    assert.equal(nextHlc(now, 1001.9 as WallTime), 1001n << 16n)
  })

  test('more than 65,536 events in a millisecond go on into the next', () => {
    const full = ((1000n << 16n) | 0xffffn) as Hlc
    assert.equal(hlcMillis(nextHlc(full, 1000 as WallTime)), 1001)
  })

  test('the later of two clocks is the greater number', () => {
    fc.assert(
      fc.property(anyHlc, anyHlc, (a, b) => {
        assert.equal(maxHlc(a, b), a > b ? a : b)
        assert.equal(maxHlc(a, b), maxHlc(b, a))
      }),
      { seed: 2, numRuns: 100 },
    )
  })

  test('stamps order as their clocks, then actors, then indices', () => {
    const anyStamp = fc.tuple(
      fc.oneof(
        anyHlc,
        fc.bigInt({ min: 0n, max: 2n }).map((n) => n as Hlc),
      ),
      fc.oneof(anyActor, fc.constantFrom(actor(1), actor(2))),
      fc.oneof(fc.nat(65_535), fc.nat(2)),
    )
    fc.assert(
      fc.property(anyStamp, anyStamp, (a, b) => {
        const [x, y] = [makeStamp(...a), makeStamp(...b)]
        assert.equal(
          Math.sign(compare(x, y)),
          compare(a[0], b[0]) || compare(a[1], b[1]) || compare(a[2], b[2]),
        )
        assert.equal(stampHlc(x), a[0])
        assert.equal(stampActor(x), a[1])
      }),
      { seed: 3, numRuns: 500 },
    )
  })
})

describe('vector clock', () => {
  test('merging is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(anyVector, anyVector, anyVector, (a, b, c) => {
        assertSame(mergeVectors(a, b), mergeVectors(b, a))
        assertSame(mergeVectors(mergeVectors(a, b), c), mergeVectors(a, mergeVectors(b, c)))
        assertSame(mergeVectors(a, a), a)
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  test('the merge is the least that dominates both', () => {
    fc.assert(
      fc.property(anyVector, anyVector, (a, b) => {
        const merged = mergeVectors(a, b)
        assert.ok(dominates(merged, a) && dominates(merged, b))
        assert.equal(countMissing(merged, a), 0)
        assert.equal(countMissing(a, merged), countMissing(a, b))
        assert.equal(countMissing(a, b) === 0, dominates(a, b))
        for (const [id, seq] of merged) {
          assert.ok(covers(a, id, seq) || covers(b, id, seq))
          assert.ok(!covers(a, id, seq + 1) && !covers(b, id, seq + 1))
        }
      }),
      { seed: 5, numRuns: 200 },
    )
  })

  test('domination is a partial order', () => {
    const small = fc
      .dictionary(fc.constantFrom('0', '1', '2'), fc.integer({ min: 1, max: 3 }))
      .map(
        (seqs): VersionVector =>
          new Map(Object.entries(seqs).map(([n, seq]) => [actor(Number(n)), seq])),
      )
    fc.assert(
      fc.property(small, small, small, (a, b, c) => {
        assert.ok(dominates(a, a))
        if (dominates(a, b) && dominates(b, a)) assertSame(a, b)
        if (dominates(a, b) && dominates(b, c)) assert.ok(dominates(a, c))
      }),
      { seed: 6, numRuns: 500 },
    )
  })

  test('an actor that is not there has written nothing', () => {
    assert.ok(covers(new Map(), actor(1), 0))
    assert.ok(!covers(new Map(), actor(1), 1))
    assert.ok(dominates(new Map([[actor(1), 1]]), new Map()))
  })

  test('a vector comes back from its bytes, which are the same whatever order it was made in', () => {
    fc.assert(
      fc.property(anyVector, (vector) => {
        const bytes = encodeCbor(encodeVector(vector))
        assertSame(decodeVector(decodeCbor(bytes, 'vector')), vector)
        const reversed = new Map([...vector].reverse())
        assert.deepEqual(encodeCbor(encodeVector(reversed)), bytes)
        assert.deepEqual(sortedActors(reversed), sortedActors(vector))
      }),
      { seed: 7, numRuns: 200 },
    )
  })

  test('a value that is no vector is malformed', () => {
    const vector = new Map([1, 2, 3].map((n) => [actor(n), n]))
    const decode = (bytes: Uint8Array): unknown => decodeVector(decodeCbor(bytes, 'vector'))
    assertRefusesOnly(decode, [encodeCbor(encodeVector(vector)), encodeCbor([])], {
      codes: ['malformed'],
    })
  })

  test('an actor out of order or twice, or with an impossible number, is malformed', () => {
    const item = (n: number, seq: unknown): unknown => [new Uint8Array(16).fill(n), seq]
    assert.throws(() => decodeVector([item(2, 1), item(1, 1)]), MALFORMED)
    assert.throws(() => decodeVector([item(1, 1), item(1, 2)]), MALFORMED)
    for (const seq of [0, -1, 1.5, 2 ** 48, '1', null]) {
      assert.ok(!isSeq(seq))
      assert.throws(() => decodeVector([item(1, seq)]), MALFORMED)
    }
    assert.ok(isSeq(1) && isSeq(2 ** 48 - 1))
  })

  test('at most ACTORS_MAX actors are taken', () => {
    const vector = (count: number): VersionVector =>
      new Map(Array.from({ length: count }, (_, n) => [actor(n + 1), 1]))
    assert.equal(decodeVector(encodeVector(vector(ACTORS_MAX))).size, ACTORS_MAX)
    assert.throws(() => decodeVector(encodeVector(vector(ACTORS_MAX + 1))), MALFORMED)
  })
})

function compare<Value extends string | number | bigint>(a: Value, b: Value): number {
  return a < b ? -1 : Number(a > b)
}

function assertSame(a: VersionVector, b: VersionVector): void {
  assert.deepEqual(encodeVector(a), encodeVector(b))
}
