// Packs are removed from a tier only if nothing names them, and no member can be about to.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { packKey } from '../../../protocol/cold/pack.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import { removeUnusedPacks } from '../../../node/cold/pack-care.ts'
import type { PackId } from '../../../protocol/ids.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { hlcOf } from './cold-map.ts'
import { MemoryTier } from './memory-tier.ts'
import { VOLUME } from './packed.ts'

const { signal } = new AbortController()
const [USED, UNUSED] = ['aa', 'bb'].map((byte) => byte.repeat(16)) as [PackId, PackId]
/** MemoryTier's objects are of time 0. */
const NOW_MS: number = 3 * DAY_MS

async function* named(): AsyncGenerator<PackId> {
  yield USED
}

async function remove(tier: MemoryTier, nowMs: number, stableMs: number): Promise<number> {
  const clock = new ManualClock()
  clock.advance(nowMs)
  const stable = (): ReturnType<typeof hlcOf> => hlcOf(stableMs)
  return removeUnusedPacks({ volume: VOLUME, tier, named, stable, clock }, signal)
}

function tierOfTwo(): MemoryTier {
  const tier = new MemoryTier()
  for (const pack of [USED, UNUSED]) tier.objects.set(packKey(VOLUME, pack), new Uint8Array(9))
  tier.objects.set(`${VOLUME}/packs/notes.txt`, new Uint8Array(9))
  tier.objects.set(`${'cd'.repeat(32)}/packs/${UNUSED}.car`, new Uint8Array(9))
  return tier
}

describe('unused packs', () => {
  test('unused packs are removed, and nothing else is', async () => {
    const tier = tierOfTwo()
    assert.equal(await remove(tier, NOW_MS, NOW_MS), 1)
    assert.equal(tier.objects.has(packKey(VOLUME, UNUSED)), false)
    assert.equal(tier.objects.size, 3)
  })

  test('unused packs stay while they are young', async () => {
    const tier = tierOfTwo()
    assert.equal(await remove(tier, 2 * DAY_MS, 2 * DAY_MS), 0)
    assert.equal(tier.objects.size, 4)
  })

  test('unused packs stay while the log may lack what others wrote a day ago', async () => {
    const tier = tierOfTwo()
    assert.equal(await remove(tier, NOW_MS, NOW_MS - DAY_MS - 1), 0)
    assert.deepEqual(tier.asked, [])
  })
})
