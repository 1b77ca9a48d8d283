// Locked ranges against a model that looks at each byte.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  inTheWay,
  includes,
  sameLocks,
  together,
  withLock,
} from '../../../protocol/locks/held-locks.ts'
import type { HeldLocks, LockKind } from '../../../protocol/locks/held-locks.ts'

const BYTES = 24
const RUNS = { numRuns: 1000, seed: 5 }

type Model = readonly (LockKind | undefined)[]

const anyRange = fc
  .tuple(fc.nat(BYTES - 1), fc.integer({ min: 1, max: BYTES }))
  .map(([start, length]) => ({ start, end: Math.min(BYTES, start + length) }))
const anyKind = fc.constantFrom<LockKind | undefined>('shared', 'exclusive', undefined)
const anySteps = fc.array(fc.tuple(anyRange, anyKind), { maxLength: 12 })
const anyHeld = anySteps.map((steps) =>
  steps.reduce<HeldLocks>((held, [range, kind]) => withLock(held, range, kind), []),
)

describe('locked ranges', () => {
  test('are what the last lock of each byte made them, in the one shortest way', () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        let held: HeldLocks = []
        let model: Model = Array.from({ length: BYTES }, () => undefined)
        for (const [range, kind] of steps) {
          held = withLock(held, range, kind)
          model = model.map((was, at) => (at >= range.start && at < range.end ? kind : was))
          assert.deepEqual(modelOf(held), model)
          assertShortest(held)
        }
      }),
      RUNS,
    )
  })

  test('of several together are the strongest of each byte', () => {
    fc.assert(
      fc.property(fc.array(anyHeld, { maxLength: 4 }), (all) => {
        const models = all.map(modelOf)
        const expected = Array.from({ length: BYTES }, (_, at) =>
          strongest(models.map((m) => m[at])),
        )
        const held = together(all)
        assert.deepEqual(modelOf(held), expected)
        assertShortest(held)
        assert.ok(sameLocks(together([...all, ...all]), held))
      }),
      RUNS,
    )
  })

  test('are in the way where both have a byte and one of them alone', () => {
    fc.assert(
      fc.property(anyHeld, anyHeld, (held, wanted) => {
        const [a, b] = [modelOf(held), modelOf(wanted)]
        const first = a.findIndex(
          (kind, at) =>
            kind !== undefined &&
            b[at] !== undefined &&
            (kind === 'exclusive' || b[at] === 'exclusive'),
        )
        const found = inTheWay(held, wanted)
        assert.equal(found !== undefined, first >= 0)
        if (found !== undefined) assert.ok(found.start <= first && first < found.end)
      }),
      RUNS,
    )
  })

  test('include others that are nowhere stronger', () => {
    fc.assert(
      fc.property(anyHeld, anyHeld, (held, wanted) => {
        assert.equal(includes(held, wanted), sameLocks(together([held, wanted]), held))
        assert.ok(includes(together([held, wanted]), wanted))
      }),
      RUNS,
    )
  })
})

function modelOf(held: HeldLocks): Model {
  const at = (byte: number): LockKind | undefined =>
    held.find(({ start, end }) => byte >= start && byte < end)?.kind
  return Array.from({ length: BYTES }, (_, byte) => at(byte))
}

function strongest(kinds: Model): LockKind | undefined {
  if (kinds.includes('exclusive')) return 'exclusive'
  return kinds.includes('shared') ? 'shared' : undefined
}

function assertShortest(held: HeldLocks): void {
  for (const [at, { start, end, kind }] of held.entries()) {
    assert.ok(start < end)
    const before = held[at - 1]
    if (before === undefined) continue
    assert.ok(before.end < start || (before.end === start && before.kind !== kind))
  }
}
