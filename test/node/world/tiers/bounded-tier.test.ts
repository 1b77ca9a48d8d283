// The bounds of every tier: bytes a second, transfers at a time, and an end. On a simulated tier
// and virtual time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedTier } from '../../../../node/world/tiers/bounded-tier.ts'
import { MIB } from '../../../../protocol/units.ts'
import { VirtualClock } from '../../../../simulations/clock.ts'
import { ColdStores, SimulatedTiers } from '../../../../simulations/object-tier.ts'
import { SimulatedProcess } from '../../../../simulations/process.ts'
import { SeededRandom } from '../../../../simulations/random.ts'
import { Scheduler } from '../../../../simulations/scheduler.ts'
import { forever, get, keysOf, patternOf, put, says } from '../../../seams/object-tier.ts'
import type { ObjectTier, TierOptions } from '../../../../node/world/world.ts'

const NAME = 'attic'

test('puts and gets each keep to the byte rate', async () => {
  const { scheduler, tier } = fresh({ bytesPerSecond: MIB })
  const numbers = [0, 1, 2, 3]
  const startMs = scheduler.nowMs
  const putting = Promise.all(numbers.map((i) => put(tier, `${i}`, patternOf(5 * MIB, i))))
  await scheduler.finish(putting)
  const putMs = scheduler.nowMs - startMs
  assert.ok(putMs > 18_000 && putMs < 22_000, `${putMs} ms`)
  await scheduler.finish(Promise.all(numbers.map((i) => get(tier, `${i}`))))
  const getMs = scheduler.nowMs - startMs - putMs
  assert.ok(getMs > 15_000 && getMs < 22_000, `${getMs} ms`)
})

test('no more than the maximum of objects are transferred at a time', async () => {
  const { scheduler, tier, most } = fresh({ transfersMax: 3 })
  const keys = Array.from({ length: 20 }, (_, i) => `${i}`)
  await scheduler.finish(Promise.all(keys.map((key) => put(tier, key, patternOf(9)))))
  assert.equal(most(), 3)
  const reading = Promise.all(keys.map((key) => get(tier, key)))
  assert.equal((await scheduler.finish(reading)).length, 20)
})

test('an aborted transfer leaves the queue', async () => {
  const { scheduler, tier } = fresh({ transfersMax: 1 })
  const abort = new AbortController()
  const puts = ['a', 'b', 'c'].map((key) => {
    const signal = key === 'b' ? abort.signal : forever()
    return tier.put(key, 1, byte(), { signal }).then(
      () => key,
      () => 'aborted',
    )
  })
  abort.abort(new Error('enough'))
  assert.deepEqual(await scheduler.finish(Promise.all(puts)), ['a', 'aborted', 'c'])
  assert.deepEqual(await scheduler.finish(keysOf(tier)), ['a', 'c'])
})

test('close aborts what is under way', async () => {
  const { scheduler, tier } = fresh({ bytesPerSecond: 10 })
  const putting = put(tier, 'key', patternOf(MIB))
  const refused = assert.rejects(putting, says('stopped', NAME))
  await scheduler.finish(Promise.all([tier.close(), refused]))
  await assert.rejects(scheduler.finish(tier.check({ signal: forever() })), says('stopped'))
})

test('a check fails if what was put comes back changed', async () => {
  const { scheduler, tier, spoil } = fresh({})
  await scheduler.finish(tier.check({ signal: forever() }))
  spoil()
  await assert.rejects(
    scheduler.finish(tier.check({ signal: forever() })),
    says('cold-corrupt', NAME, 'changed'),
  )
})

async function* byte(): AsyncGenerator<Uint8Array> {
  yield patternOf(1)
}

function fresh(options: Omit<TierOptions, 'name'>): {
  readonly scheduler: Scheduler
  readonly tier: ObjectTier
  /** Most puts at a time so far. */
  readonly most: () => number
  /** From now on all that is got is damaged. */
  readonly spoil: () => void
} {
  const scheduler = new Scheduler('bounds')
  const process = new SimulatedProcess(scheduler, 'node')
  const clock = new VirtualClock(process)
  const random = new SeededRandom('bounds', 'tiers')
  const tiers = new SimulatedTiers({ process, clock, random }, new ColdStores())
  const inner = tiers.open({ kind: 'dir', path: '/a' }, { name: NAME })
  let [now, most, spoiled] = [0, 0, false]
  const watched: ObjectTier = {
    put: async (...call) => {
      most = Math.max(most, ++now)
      await inner.put(...call)
      now--
    },
    get: async function* (...call) {
      for await (const chunk of inner.get(...call)) yield spoiled ? chunk.toReversed() : chunk
    },
    head: (...call) => inner.head(...call),
    list: (...call) => inner.list(...call),
    remove: (...call) => inner.remove(...call),
    restore: (...call) => inner.restore(...call),
    rollBack: (...call) => inner.rollBack(...call),
    check: (...call) => inner.check(...call),
    close: () => inner.close(),
  }
  const tier = new BoundedTier({ tier: watched, clock, random }, { name: NAME, ...options })
  const spoil = (): void => void (spoiled = true)
  return { scheduler, tier, most: () => most, spoil }
}
