// The simulation over many seeds of every scenario. Any one of them: npm run simulate -- --seed S
// --scenario NAME.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from '../../simulations/campaign.ts'
import { planOf } from '../../simulations/hostile/plan.ts'
import { performHostile } from '../../simulations/hostile/run.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import { firstStorageFailure } from '../../simulations/storage/campaign.ts'
import { storageScenarioNamed } from '../../simulations/storage/scenario.ts'

const CAMPAIGNS = [
  { name: 'default', from: 1000, count: 100 },
  { name: 'calm', from: 1, count: 10 },
  { name: 'partition', from: 1, count: 40 },
  { name: 'crash', from: 1, count: 40 },
  { name: 'clocks', from: 1, count: 20 },
  { name: 'churn', from: 1, count: 20 },
  { name: 'cold', from: 1, count: 24 },
] as const

for (const { name, from, count } of CAMPAIGNS) {
  test(`scenario ${name} holds all invariants for ${count} seeds from ${from}`, async () => {
    const seeds = Array.from({ length: count }, (_, index) => String(from + index))
    const scenario = scenarioNamed(name)
    const repeat = ` --scenario ${name}`
    const { failedSeeds, sightings } = await runCampaign({
      scenario,
      seeds,
      jobs: 2,
      repeat,
      shrinks: true,
    })
    assert.deepEqual(failedSeeds, [])
    if (name === 'default') assert.deepEqual(sightings.missing(scenario), [])
  })
}

test('scenario storage holds all invariants for 12 seeds', async () => {
  const scenario = storageScenarioNamed('storage') ?? assert.fail()
  const options = { scenario, mutation: undefined, jobs: 2 }
  assert.equal(await firstStorageFailure(options, 12), undefined)
})

test('scenario hostile does the same in every run of a seed', async () => {
  const { traceHash } = await performHostile(planOf('1'))
  assert.equal((await performHostile(planOf('1'))).traceHash, traceHash)
})
