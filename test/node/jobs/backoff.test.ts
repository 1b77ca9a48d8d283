// Pauses after failures: each twice as long as the one before, up to a longest, and short again
// after a success.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Backoff, BackoffTable, pauseAfter } from '../../../node/jobs/backoff.ts'
import type { Instant } from '../../../protocol/units.ts'

const PAUSES = { firstMs: 5, longestMs: 30 }

describe('backoff', () => {
  test('pauses double up to the maximum', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5, 5000].map((failures) => pauseAfter(failures, PAUSES)),
      [5, 10, 20, 30, 30, 30],
    )
  })

  test('a reset starts again with the first pause', () => {
    const backoff = new Backoff(PAUSES)
    assert.deepEqual([backoff.next(), backoff.next(), backoff.next()], [5, 10, 20])
    backoff.reset()
    assert.equal(backoff.next(), 5)
  })

  test('each failed item is due after its own pause', () => {
    const clock = clockAt(100)
    const table = new BackoffTable<string>(clock, PAUSES)
    assert.equal(table.nextAt, undefined)
    assert.equal(table.isDue('a'), true)
    assert.equal(table.failed('a'), 105)
    assert.equal(table.failed('a'), 110)
    assert.equal(table.failed('b'), 105)
    assert.equal(table.nextAt, 105)
    clock.at = 105
    assert.deepEqual([table.isDue('a'), table.isDue('b')], [false, true])
    assert.equal(table.nextAt, 110)
    clock.at = 110
    assert.equal(table.isDue('a'), true)
    assert.equal(table.nextAt, undefined)
  })

  test('an item that succeeds or is cleared starts again with the first pause', () => {
    const table = new BackoffTable<string>(clockAt(0), PAUSES)
    for (const key of ['a', 'a', 'b', 'b']) table.failed(key)
    table.succeeded('a')
    assert.equal(table.isDue('a'), true)
    assert.equal(table.failed('a'), 5)
    assert.equal(table.failed('b'), 20)
    table.clear()
    assert.equal(table.isDue('b'), true)
    assert.equal(table.failed('b'), 5)
  })

  test('beyond the limit, the item that failed longest ago is forgotten', () => {
    const table = new BackoffTable<string>(clockAt(0), PAUSES, 2)
    for (const key of ['a', 'b', 'a', 'c']) table.failed(key)
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => table.isDue(key)),
      [false, true, false],
    )
  })
})

function clockAt(at: number): { at: number; now: () => Instant } {
  const clock = { at, now: () => clock.at as Instant }
  return clock
}
