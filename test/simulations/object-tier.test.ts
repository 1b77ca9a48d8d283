// The simulated cold tier, held to the seam, and its weather.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../simulations/clock.ts'
import { ColdStores, FAIR_TIER, SimulatedTiers } from '../../simulations/object-tier.ts'
import { SimulatedProcess } from '../../simulations/process.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { DAY_MS } from '../../protocol/units.ts'
import {
  forever,
  get,
  keysOf,
  objectTierSuite,
  patternOf,
  put,
  says,
} from '../seams/object-tier.ts'
import type { ColdStore } from '../../simulations/object-tier.ts'
import type { ObjectTier } from '../../node/world/world.ts'

const LOCATION = { kind: 'dir', path: '/tier' } as const

objectTierSuite('SimulatedTiers', async () => {
  const { scheduler, clock, tier } = fresh('suite')
  const pump = scheduler.pump()
  return { tier, wall: () => clock.wall(), end: async () => pump[Symbol.dispose]() }
})

describe('faults of a simulated cold tier', () => {
  test('a failed call has no effect in some runs, and its effect in others', async () => {
    const fates = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const { scheduler, store, tier } = fresh(seed)
      store.weather = { ...FAIR_TIER, failures: 0.3, lostAnswers: 0.3 }
      const fate = await scheduler.finish(put(tier, 'key', patternOf(9)).then(() => 'put', codeOf))
      fates.add(`${fate}, ${store.objects.has('key') ? 'there' : 'not there'}`)
    }
    assert.deepEqual([...fates].sort(), [
      'cold-unreachable, not there',
      'cold-unreachable, there',
      'put, there',
    ])
  })

  test('a seed always gives the same run', async () => {
    const run = async (): Promise<number> => {
      const { scheduler, store, tier } = fresh('same')
      store.weather = { ...FAIR_TIER, failures: 0.5 }
      for (let i = 0; i < 20; i++) {
        await scheduler.finish(put(tier, `${i}`, patternOf(9)).catch(() => undefined))
      }
      return scheduler.nowMs + store.objects.size
    }
    assert.equal(await run(), await run())
  })

  test('an archived object is readable once restored, for the time asked for', async () => {
    const { scheduler, clock, tier } = fresh('archive')
    const options = { signal: forever(), storageClass: 'GLACIER' }
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield patternOf(9)
    }
    const restore = async (): Promise<string | undefined> =>
      (await scheduler.finish(tier.head('key', options)))?.restore
    await scheduler.finish(tier.put('key', 9, once(), options))
    await assert.rejects(scheduler.finish(get(tier, 'key')), says('cold-archived', 'key'))
    await scheduler.finish(tier.restore('key', 2, options))
    assert.equal(await restore(), 'underway')
    await scheduler.finish(clock.sleep(DAY_MS))
    assert.equal(await restore(), 'ready')
    assert.deepEqual(await scheduler.finish(get(tier, 'key')), patternOf(9))
    await scheduler.finish(clock.sleep(2 * DAY_MS))
    assert.equal(await restore(), 'none')
  })

  test('damaged objects come back damaged; a tier that is gone reports none missing', async () => {
    const { scheduler, store, tier } = fresh('gone')
    await scheduler.finish(put(tier, 'key', patternOf(9)))
    store.damage('key', new SeededRandom('gone', 'damage'))
    assert.notDeepEqual(await scheduler.finish(get(tier, 'key')), patternOf(9))
    store.weather = { ...FAIR_TIER, isGone: true }
    await assert.rejects(scheduler.finish(keysOf(tier)), says('cold-gone'))
    await assert.rejects(
      scheduler.finish(tier.head('key', { signal: forever() })),
      says('cold-gone'),
    )
  })
})

interface Fresh {
  readonly scheduler: Scheduler
  readonly clock: VirtualClock
  readonly store: ColdStore
  readonly tier: ObjectTier
}

function fresh(seed: string | number): Fresh {
  const scheduler = new Scheduler(seed)
  const process = new SimulatedProcess(scheduler, 'node')
  const clock = new VirtualClock(process)
  const stores = new ColdStores()
  const random = new SeededRandom(seed, 'cold tiers')
  const tier = new SimulatedTiers({ process, clock, random }, stores).open(LOCATION, { name: 'a' })
  return { scheduler, clock, store: stores.at(LOCATION), tier }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
