// The scenario with a cold tier on a few small seeds, and that it finds the bugs it is for. Many
// seeds: npm run simulate -- --scenario cold --seeds 1..100, and test/long.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { firstFailure } from '../../simulations/campaign.ts'
import { perform } from '../../simulations/perform.ts'
import { planOf } from '../../simulations/plan.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import type { Scenario } from '../../simulations/scenario.ts'

/** A part of the time, and much in it. */
const SMALL: Scenario = {
  ...scenarioNamed('cold'),
  hours: 8,
  sessions: 3,
  faultHours: 2,
}

describe('simulated nodes with a cold tier', () => {
  for (const seed of ['1']) {
    test(`simulated nodes recover all data from the tier with a key: seed ${seed}`, async () => {
      const { sightings } = await perform(planOf(seed, SMALL))
      assert.equal(sightings['volume rebuilt from the tier'], 1)
    })
  }
})

describe('a bug planted in the cold tier', () => {
  for (const [name, invariant] of [
    ['pack-not-compared', 'a tier holds what the map says'],
    ['given-up-before-upload', 'nothing is given up before a tier surely holds it'],
  ] as const) {
    test(`a bug planted in the cold tier is found: ${name}`, async () => {
      const found = await firstFailure({ scenario: SMALL, jobs: 1, mutation: name }, 4)
      assert.equal(found?.failure.invariant, invariant)
    })
  }
})
