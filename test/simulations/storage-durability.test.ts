// Measured figures agree with computed ones, where both assume the same.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { measureLoss } from '../../simulations/storage/durability.ts'
import { yearsToLoss } from '../../simulations/storage/markov.ts'
import type { Trial } from '../../simulations/storage/durability.ts'

const STRIPE_YEARS = 20_000

function trial(k: number, m: number): Trial {
  return { code: { k, m }, annualFailureRate: 0.99, repairHours: 24, urgentHours: 0.5 }
}

describe('measured durability', () => {
  for (const [k, m] of [
    [2, 1],
    [4, 2],
    [6, 3],
  ] as const) {
    test(`durability of ${k}+${m} matches the Markov chain within four standard deviations`, () => {
      const { lost, stripeYears } = measureLoss(trial(k, m), 'chain', STRIPE_YEARS, '1')
      const expected = stripeYears / yearsToLoss({ k, m }, trial(k, m))
      assert.ok(
        Math.abs(lost - expected) < 4 * Math.sqrt(expected),
        `${lost} lost in place of ${expected.toFixed(1)}`,
      )
    })
  }

  test('durability is better with a grace per shard, best with urgency for the last', () => {
    const [chain, grace, urgent] = (['chain', 'grace', 'urgent'] as const).map(
      (policy) => measureLoss(trial(4, 2), policy, STRIPE_YEARS, '1').lost,
    ) as [number, number, number]
    assert.ok(urgent * 5 < grace && grace < chain, `${urgent}, ${grace}, ${chain}`)
  })

  test('measured durability is the same for the same seed', () => {
    const measure = (seed: string): number => measureLoss(trial(2, 1), 'grace', 500, seed).lost
    assert.equal(measure('a'), measure('a'))
    assert.notEqual(measure('a'), measure('b'))
  })
})
