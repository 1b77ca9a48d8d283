// A debounce timer: it rings once at the earliest of the times that were asked for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DebounceTimer } from '../../../node/jobs/debounce-timer.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

test('a debounce timer rings once at the earliest time asked for, then only if asked again', () => {
  const clock = new ManualClock()
  let rings = 0
  const timer = new DebounceTimer(clock, () => rings++)
  timer.ringIn(100)
  timer.ringIn(50)
  timer.ringIn(200)
  clock.advance(49)
  assert.equal(rings, 0)
  clock.advance(1)
  assert.equal(rings, 1)
  clock.advance(500)
  assert.equal(rings, 1)
  timer.ringIn(10)
  timer.cancel()
  clock.advance(10)
  assert.equal(rings, 1)
  timer.ringIn(10)
  clock.advance(10)
  assert.equal(rings, 2)
})
