// The scenario with a cold tier finds the bugs it is for. That it passes is shown with all unlucky
// sites on (unlucky.test.ts), and for many seeds in test/long and by npm run simulate.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FAIR_TIER } from '../../simulations/object-tier.ts'
import { Performer } from '../../simulations/performer.ts'
import { planOf } from '../../simulations/plan.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import type { PlantedFault } from '../../protocol/planted-faults.ts'
import type { TierWeather } from '../../simulations/object-tier.ts'
import type { Scenario } from '../../simulations/scenario.ts'

/** A part of the time, and much in it. */
const SMALL: Scenario = {
  ...scenarioNamed('cold'),
  hours: 8,
  sessions: 3,
  faultHours: 2,
}

const SEEDS = 4
/** In which each bug shows, whatever else a seed draws. */
const WEATHER: TierWeather = { ...FAIR_TIER, badPuts: 0.5 }

/** The invariant that the first seed to fail breaks, of a few. */
async function broken(mutation: PlantedFault): Promise<string | undefined> {
  const performer = new Performer(mutation)
  try {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const cold = { archives: false, weather: WEATHER }
      const outcome = await performer.perform({ ...planOf(String(seed), SMALL), cold })
      if (outcome.kind === 'failed') return outcome.invariant
    }
    return undefined
  } finally {
    await performer.close()
  }
}

describe('a bug planted in the cold tier', () => {
  for (const [name, invariant] of [
    ['pack-not-compared', 'a tier holds what the map says'],
    ['given-up-before-upload', 'nothing is given up before a tier surely holds it'],
  ] as const) {
    test(`a bug planted in the cold tier is found: ${name}`, async () => {
      assert.equal(await broken(name), invariant)
    })
  }
})
