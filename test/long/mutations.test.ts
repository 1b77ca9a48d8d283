// Every bug that is put in on purpose is found within the number of seeds that its mutation says.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstFailure } from '../../simulations/campaign.ts'
import { MUTATIONS } from '../../simulations/mutations.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'

for (const { fault, scenario, caughtWithinSeeds } of MUTATIONS) {
  test(`${fault}: is caught within ${caughtWithinSeeds} seeds`, async () => {
    const options = { scenario: scenarioNamed(scenario), jobs: 2, mutation: fault }
    assert.notEqual(await firstFailure(options, caughtWithinSeeds), undefined)
  })
}
