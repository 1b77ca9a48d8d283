// Some of the bugs that are put in on purpose are found, each in a few small runs; and none is
// where none was put. All of them: test/long, npm run simulate -- --mutations.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { firstFailure } from '../../simulations/campaign.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import type { Scenario } from '../../simulations/scenario.ts'

/** Four nodes, much at the same time, with the network cut. */
const SMALL: Scenario = {
  ...scenarioNamed('partition'),
  nodeCount: 4,
  hours: 1,
  sessions: 3,
  duels: 1.2,
  loses: false,
}
const SEEDS = 4

describe('a planted bug', () => {
  for (const name of ['moves-not-undone', 'delete-covers-unseen', 'last-attribute-wins']) {
    test(`a planted bug is found: ${name}`, async () => {
      const found = await firstFailure({ scenario: SMALL, jobs: 1, mutation: name }, SEEDS)
      assert.equal(found?.failure.invariant, '1 equal logs make equal trees')
    })
  }

  test('no bug is reported where none is planted', async () => {
    assert.equal(
      await firstFailure({ scenario: SMALL, jobs: 1, mutation: undefined }, 1),
      undefined,
    )
  })
})
