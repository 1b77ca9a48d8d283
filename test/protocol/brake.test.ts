// The brake on repairs: when what vanished together is too much for chance.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BREAKER_GRACES, isBreakerOpen } from '../../protocol/placement/circuit-breaker.ts'

const GRACE_MS = 1000

/** Members of which these are silent for so long. */
function of(count: number, ...silencesMs: readonly number[]): boolean {
  return isBreakerOpen(
    [...silencesMs, ...Array<number>(count - silencesMs.length).fill(0)],
    GRACE_MS,
  )
}

test('one that vanishes is no partition, in however small a swarm', () => {
  assert.equal(of(3, 500), false)
  assert.equal(of(2, 10 * GRACE_MS), false)
})

test('two of ten that vanish together are one, two of twenty are not', () => {
  assert.equal(of(10, 1000, 1900), true)
  assert.equal(of(20, 1000, 1900), false)
})

test('those that vanish one after the other are none', () => {
  assert.equal(of(10, 500, 1600, 3400), false)
  assert.equal(of(10, 500, 1600, 2400), true)
})

test('it is released some graces after the last of them vanished', () => {
  assert.equal(of(10, BREAKER_GRACES * GRACE_MS - 1, BREAKER_GRACES * GRACE_MS), true)
  assert.equal(of(10, BREAKER_GRACES * GRACE_MS, BREAKER_GRACES * GRACE_MS + 1), false)
})

test('a node that reaches fewer than half is on the wrong side, for however long', () => {
  assert.equal(of(5, 1, 5 * GRACE_MS, 1e9), true)
  assert.equal(of(4, 1e7, 1e9), false)
})
