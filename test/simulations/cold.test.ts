// The scenario with a cold tier finds the bugs it is for. That it passes is shown with all unlucky
// sites on (unlucky.test.ts), and for many seeds in test/long and by npm run simulate.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { firstFailure } from '../../simulations/campaign.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import type { Scenario } from '../../simulations/scenario.ts'

/** A part of the time, and much in it. */
const SMALL: Scenario = {
  ...scenarioNamed('cold'),
  hours: 8,
  sessions: 3,
  faultHours: 2,
}

describe('a bug planted in the cold tier', () => {
  for (const [name, invariant, seed] of [
    ['pack-not-compared', 'a tier holds what the map says', 9],
    ['given-up-before-upload', 'nothing is given up before a tier surely holds it', 1],
  ] as const) {
    test(`a bug planted in the cold tier is found: ${name}`, async () => {
      const found = await firstFailure({ scenario: SMALL, jobs: 1, mutation: name }, 4, seed)
      assert.equal(found?.failure.invariant, invariant)
    })
  }
})
