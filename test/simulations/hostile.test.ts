// A household with a lying member, on a few seeds: it gains nothing, whatever it and its friends
// try; and a check that is left out is noticed. Many seeds: npm run simulate -- --scenario hostile;
// all checks: npm run simulate -- --weaknesses.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ATTACKED, firstHostileFailure } from '../../simulations/hostile/campaign.ts'
import { planOf } from '../../simulations/hostile/plan.ts'
import { performHostile } from '../../simulations/hostile/run.ts'

const TRUST = new URL('../../protocol/trust.ts', import.meta.url)

describe('a member that lies', () => {
  test('a lying member gains nothing, and costs little', async () => {
    const { attackCount, fileCount } = await performHostile(planOf('1'))
    assert.ok(attackCount > 0 && fileCount > 0, `${attackCount} attacks, ${fileCount} files`)
  })

  test('a lying member is believed where a check is left out, as the invariants show', async () => {
    const caught = await firstHostileFailure('gate-needs-ticket', 1)
    assert.equal(caught?.failure.invariant, 'no lie is believed')
    await performHostile({ ...planOf('1', 'gate-needs-ticket'), planted: undefined })
  })
})

test('every check of the trust table is attacked', () => {
  const rules = [...readFileSync(TRUST, 'utf8').matchAll(/^ {2}\| '([a-z-]+)'$/gm)].map(
    ([, rule = '']) => rule,
  )
  assert.ok(rules.length > 0)
  const attacked: readonly string[] = ATTACKED
  assert.deepEqual(
    rules.filter((rule) => !attacked.includes(rule)),
    [],
  )
})
