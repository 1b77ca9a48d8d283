// A few small years of storage nodes, with their own upkeep: the invariants hold, and planted bugs
// are found. Fifty nodes, and all bugs: npm run simulate -- --scenario storage.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { applyPatch } from '../../simulations/patches.ts'
import { firstStorageFailure } from '../../simulations/storage/campaign.ts'
import { SHARED } from '../../simulations/storage/mutations.ts'
import { planOf } from '../../simulations/storage/plan.ts'
import { storageScenarioNamed } from '../../simulations/storage/scenario.ts'
import { Year } from '../../simulations/storage/year.ts'
import type { StorageScenario } from '../../simulations/storage/scenario.ts'

const SMALL: StorageScenario = {
  ...scenario('storage'),
  nodeCount: 20,
  zoneCount: 5,
  days: 40,
  stripeCount: 12,
  machine: { failure: 1, reboot: 6, away: 3, rot: 2, slow: 1 },
  swarm: { restart: 8, cut: 8, zoneLoss: 0, liar: 6, join: 20, retire: 20 },
}

describe('a plan of a year', () => {
  test('is in order of time, the same for the same seed, and another for another', () => {
    const { steps, durationMs } = planOf('1', SMALL)
    assert.deepEqual(planOf('1', SMALL).steps, steps)
    assert.notDeepEqual(planOf('2', SMALL).steps, steps)
    const times = steps.map(({ atMs }) => atMs)
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
    assert.ok(times.every((atMs) => atMs >= 0 && atMs <= durationMs))
  })

  test('has every kind of event within twenty seeds', () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 20; seed++)
      for (const step of planOf(`${seed}`, scenario('storage')).steps) seen.add(step.do)
    const kinds = ['fail', 'off', 'rot', 'slow', 'restart zone', 'restart all', 'cut zone']
    for (const kind of [...kinds, 'lose zone', 'lie', 'join', 'retire', 'write', 'delete'])
      assert.ok(seen.has(kind), kind)
  })
})

describe('storage nodes', () => {
  for (const seed of ['1']) {
    test(`storage nodes keep placed stripes, with few needless repairs: seed ${seed}`, async () => {
      const { repairedCount, needlessCount, stripeCount } = await new Year(
        planOf(seed, SMALL),
      ).run()
      assert.ok(repairedCount > 0 && stripeCount > 0, `${repairedCount} of ${stripeCount}`)
      assert.ok(needlessCount <= repairedCount / 10, `${needlessCount} needless`)
    })
  }

  test('storage nodes do the same in every run of a seed', async () => {
    const tiny = { ...SMALL, nodeCount: 10, days: 10, stripeCount: 4 }
    const first = await new Year(planOf('again', tiny)).run()
    assert.deepEqual(await new Year(planOf('again', tiny)).run(), first)
  })
})

describe('a bug planted in upkeep', () => {
  for (const [name, invariant] of [
    ['zone-limit-forgotten', 'placement limits hold once quiet'],
    ['recorded-before-put', 'the map lists only durable shards'],
  ] as const) {
    test(`a bug planted in upkeep is found: ${name}`, async () => {
      const found = await firstStorageFailure({ mutation: name, scenario: SMALL, jobs: 1 }, 4)
      assert.equal(found?.failure.invariant, invariant, found?.failure.message)
    })
  }

  test('a bug planted in upkeep is a patch that matches its source', () => {
    for (const patch of SHARED) {
      const text = readFileSync(join(import.meta.dirname, '../..', patch.file), 'utf8')
      assert.notEqual(applyPatch(patch, text), text)
    }
  })
})

function scenario(name: string): StorageScenario {
  const found = storageScenarioNamed(name)
  assert.ok(found !== undefined)
  return found
}
