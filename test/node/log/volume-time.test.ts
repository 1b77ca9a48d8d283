// The clocks that a volume goes by, and those that move nobody's.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { VolumeTime, correctionOf } from '../../../node/log/volume-time.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import type { Instant, WallTime } from '../../../protocol/units.ts'

const offset = fc.integer({ min: -1000 * DAY_MS, max: 1000 * DAY_MS })

describe('the time of a volume', () => {
  test('is not moved by a minority, whatever it says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(offset, { maxLength: 20 }),
        (n, said) => {
          // This node and n others agree.
          const liars = said.slice(0, n)
          assert.equal(correctionOf([...Array.from({ length: n }, () => 0), ...liars]), 0)
        },
      ),
    )
  })

  test('is that of most members, where most agree', () => {
    fc.assert(
      fc.property(offset, fc.integer({ min: 1, max: 10 }), fc.array(offset), (right, n, said) => {
        const others = [...Array.from({ length: n + 1 }, () => right), ...said.slice(0, n - 1)]
        assert.equal(correctionOf(others), right)
      }),
    )
  })

  test('of two goes with the one that is ahead, by a day at most', () => {
    assert.equal(correctionOf([HOUR_MS]), HOUR_MS)
    assert.equal(correctionOf([-HOUR_MS]), 0)
    assert.equal(correctionOf([DAY_MS]), DAY_MS)
    assert.equal(correctionOf([DAY_MS + 1]), 0)
    assert.equal(correctionOf([2 * DAY_MS, 2 * DAY_MS]), 2 * DAY_MS, 'two of three are most')
    assert.equal(correctionOf([]), 0)
  })

  test('forgets what it measured when its own clock is set, or the machine has slept', () => {
    const clock = clockAt(DAY_MS)
    const time = new VolumeTime({ clock, others: () => ['a', 'b'] as PeerId[] })
    for (const peer of ['a', 'b'] as PeerId[]) time.measured(peer, HOUR_MS)
    assert.equal(time.now(), DAY_MS + HOUR_MS)
    clock.ms += SECOND_MS
    assert.equal(time.correctionMs, HOUR_MS)
    clock.ms += HOUR_MS
    assert.equal(time.now(), clock.ms)
    assert.deepEqual(time.differences(), [])
  })

  test('tells of a difference once, and when it moves; not of one below a minute', () => {
    const time = new VolumeTime({ clock: clockAt(0), others: () => ['a', 'b'] as PeerId[] })
    let moves = 0
    time.onMoved.add(() => moves++)
    const [a, b] = ['a', 'b'] as PeerId[]
    assert(a !== undefined && b !== undefined)
    assert.equal(time.measured(a, MINUTE_MS - 1), false)
    assert.equal(time.measured(a, HOUR_MS), true)
    assert.equal(time.measured(a, HOUR_MS + SECOND_MS), false)
    assert.equal(moves, 0)
    assert.equal(time.measured(b, HOUR_MS), true)
    assert.equal(moves, 1)
    assert.deepEqual(time.differences(), [
      [a, HOUR_MS + SECOND_MS],
      [b, HOUR_MS],
    ])
    assert.equal(time.measured(b, 0), false)
    assert.equal(moves, 2)
  })

  test('is that of whom it asks, while the log does not tell who is in', () => {
    const time = new VolumeTime({ clock: clockAt(0), others: () => undefined })
    time.measured('a' as PeerId, HOUR_MS)
    assert.equal(time.correctionMs, HOUR_MS)
  })
})

function clockAt(ms: number): { ms: number; wall: () => WallTime; now: () => Instant } {
  const clock = { ms, wall: () => clock.ms as WallTime, now: () => 0 as Instant }
  return clock
}
