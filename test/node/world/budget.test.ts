// The rate of work in the background.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SECOND_MS } from '../../../protocol/units.ts'
import { Budget } from '../../../node/world/budget.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const BYTES_PER_SECOND = 1000
const { signal } = new AbortController()

test('a budget passes what its rate allows, whoever asks for how much', async () => {
  const clock = new ManualClock()
  const budget = new Budget(clock, { bytesPerSecond: BYTES_PER_SECOND })
  let taken = 0
  const working = [300, 700, 2000, 1, 999, 5000, 1000].map(async (bytes) => {
    await budget.take(bytes, signal)
    taken += bytes
    return clock.now()
  })
  for (let second = 0; second < 20; second++) {
    clock.advance(SECOND_MS)
    for (let i = 0; i < 5; i++) await Promise.resolve()
    // The last of them is let through before it is paid for.
    assert(taken <= BYTES_PER_SECOND * (second + 2) + 5000, `${taken} after ${second + 1} s`)
  }
  assert.equal(taken, 10_000)
  assert(Math.max(...(await Promise.all(working))) >= 8 * SECOND_MS)
})

test('unused budget is not saved up for long', async () => {
  const clock = new ManualClock()
  const budget = new Budget(clock, { bytesPerSecond: BYTES_PER_SECOND })
  clock.advance(3600 * SECOND_MS)
  await budget.take(BYTES_PER_SECOND, signal)
  await budget.take(1, signal)
  let isThrough = false
  const waiting = budget.take(1, signal).then(() => (isThrough = true))
  for (let i = 0; i < 5; i++) await Promise.resolve()
  assert.equal(isThrough, false)
  clock.advance(SECOND_MS)
  await waiting
})

test('an aborted caller does not wait', async () => {
  const clock = new ManualClock()
  const budget = new Budget(clock, { bytesPerSecond: BYTES_PER_SECOND })
  await budget.take(100_000, signal)
  const giving = new AbortController()
  const waiting = budget.take(1, giving.signal)
  giving.abort(new Error('enough'))
  await assert.rejects(waiting, { message: 'enough' })
})
