// Names that were removed, those that were only replaced, and the state nearest to a moment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import type { Stamp } from '../../../protocol/clock/dot.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId, NodeId } from '../../../protocol/ids.ts'
import { nameFromText } from '../../../protocol/op/names.ts'
import { isReplaced, stateBefore } from '../../../node/tree/past.ts'
import type { PastState, Placed } from '../../../node/tree/past.ts'

const ACTOR = '1'.repeat(32) as ActorId

/** The stamp of an op of an entry. */
function stamp(entry: number, op: number): Stamp {
  return makeStamp((BigInt(entry) << 16n) as Hlc, ACTOR, op)
}

function link(placed: Stamp, removed?: Stamp): Placed {
  const [id, name] = [placed as string as NodeId, nameFromText('f')]
  return { kind: 'link', id, name, began: placed, placed, removed }
}

test('a name is replaced by one that comes after its removal in the same entry alone', () => {
  const old = link(stamp(1, 0), stamp(3, 4))
  const cases: readonly (readonly [Placed, boolean])[] = [
    [link(stamp(3, 5)), true],
    [link(stamp(3, 3)), false],
    [link(stamp(4, 0)), false],
    [link(stamp(2, 9)), false],
  ]
  for (const [other, expected] of cases) assert.equal(isReplaced(old, [old, other]), expected)
})

test('what was made and removed in one entry was removed', () => {
  const brief = link(stamp(3, 0), stamp(3, 1))
  assert.equal(isReplaced(brief, [brief]), false)
})

function state(began: Stamp, ended?: Stamp): PastState {
  const end = ended === undefined ? 'current' : 'overwritten'
  return { link: '' as NodeId, inode: '' as NodeId, version: undefined, began, ended, end }
}

test('the state of a moment is that which stood then, else the nearest, also of one millisecond', () => {
  const [first, second] = [state(stamp(5, 0), stamp(5, 7)), state(stamp(5, 7), stamp(8, 0))]
  const third = state(stamp(8, 0), stamp(9, 0))
  const at = (moment: Stamp): unknown =>
    [
      [third, second, first],
      [first, second, third],
    ].map((states) => {
      const found = stateBefore(states, moment)
      return [found?.state, found?.isExact]
    })
  const twice = (found: PastState, isExact: boolean): unknown =>
    [found, found].map((one) => [one, isExact])
  assert.deepEqual(at(stamp(2, 0)), twice(first, false))
  assert.deepEqual(at(stamp(5, 7)), twice(first, true))
  assert.deepEqual(at(stamp(7, 0)), twice(second, true))
  assert.deepEqual(at(stamp(12, 0)), twice(third, false))
})
