// The shards given up once a tier holds a stripe: none before that is stable, and never more than
// the floor allows.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import { SWEPT_KEPT_MS } from '../../../protocol/limits.ts'
import type { ColdReader } from '../../../node/stripes/cold-reader.ts'
import { Demotion } from '../../../node/cold/demotion.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import type { ChunkId, PeerId, StripeId } from '../../../protocol/ids.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { ColdMap, hlcOf } from './cold-map.ts'

const { signal } = new AbortController()
const STABLE_MS = 100

interface Around {
  readonly self?: string
  /** The stripes that the tier shows. */
  readonly found?: Awaited<ReturnType<ColdReader['shows']>>
  /** Called while a tier is asked. */
  readonly meanwhile?: () => void
  readonly needed?: string
  readonly stableMs?: number
  readonly kept?: readonly string[]
}

interface Outcome {
  readonly recorded: readonly string[]
  readonly left: readonly string[]
  readonly lies: readonly string[]
  readonly waiting: Hlc | undefined
}

/**
 * Settle a map. returns what was recorded, which copies of chunks are left, stripes that no tier
 * has, and what more waits for.
 */
async function settle(
  map: ColdMap,
  {
    self = 'd',
    found = 'shown',
    meanwhile,
    needed = '',
    kept = [],
    stableMs = STABLE_MS,
  }: Around = {},
): Promise<Outcome> {
  const held = new Set(kept as ChunkId[])
  const lies: string[] = []
  const chunks = { has: (id: ChunkId) => held.has(id), delete: (id: ChunkId) => held.delete(id) }
  const store = { chunks, usage: () => ({ chunkBytes: held.size }), commit: async () => undefined }
  const demotion = new Demotion({
    map,
    store: store as unknown as ConstructorParameters<typeof Demotion>[0]['store'],
    clock: new SystemClock(),
    random: { number: () => 0, unlucky: () => false },
    self: self as PeerId,
    cold: {
      shows: async () => {
        meanwhile?.()
        return found
      },
    },
    stable: () => hlcOf(stableMs),
    isNeededHere: (chunk) => chunk === needed,
    onFalse: (stripe) => lies.push(stripe),
  })
  const waiting = await demotion.run(signal)
  return { recorded: map.recorded, left: [...held], lies, waiting }
}

describe('a tier that did not show what it holds', () => {
  for (const [found, againMs, lies] of [
    ['unreachable', HOUR_MS, []],
    ['not', 6 * HOUR_MS, ['s']],
  ] as const) {
    test(`a tier that did not show what it holds is asked again: ${found}`, async () => {
      const { clock, map, tier, run } = asked(found)
      await run()
      clock.advance(againMs)
      await run()
      assert.deepEqual(tier.lies, lies, 'told of once')
      tier.found = 'shown'
      await run()
      assert.deepEqual(map.recorded, [])
      clock.advance(againMs)
      await run()
      assert.deepEqual(map.recorded, ['s -3 d'])
    })
  }
})

function asked(found: NonNullable<Around['found']>): {
  readonly clock: ManualClock
  readonly map: ColdMap
  readonly tier: { found: NonNullable<Around['found']>; readonly lies: string[] }
  readonly run: () => Promise<Hlc | undefined>
} {
  const clock = new ManualClock()
  const map = new ColdMap({ s: { holders: ['a', 'b', 'c', 'd'], cold: { attic: 50 }, floor: 2 } })
  const tier = { found, lies: [] as string[] }
  const store = { usage: () => ({ chunkBytes: 0 }), commit: async () => undefined }
  const chunks = { has: () => false, delete: () => false }
  const demotion = new Demotion({
    map,
    store: { ...store, chunks } as unknown as ConstructorParameters<typeof Demotion>[0]['store'],
    clock,
    random: { number: () => 0, unlucky: () => false },
    self: 'd' as PeerId,
    cold: { shows: async () => tier.found },
    stable: () => hlcOf(STABLE_MS),
    isNeededHere: () => false,
    onFalse: (stripe) => tier.lies.push(stripe),
  })
  return { clock, map, tier, run: () => demotion.run(signal) }
}

test('a stripe that comes where another was given up is looked at', async () => {
  const { map, run } = asked('shown')
  await run()
  map.set('t', { holders: ['a', 'b', 'c', 'd'], cold: { attic: 50 }, floor: 2 })
  await run()
  assert.deepEqual(map.recorded, ['s -3 d', 't -3 d'])
})

describe('settling stripes that a tier holds', () => {
  const holders = ['a', 'b', 'c', 'd']
  const cold = { attic: 50 }

  test('each holder gives up its own shards above the floor, data shards last', async () => {
    const given = async (self: string, floor: number): Promise<readonly string[]> =>
      (await settle(new ColdMap({ s: { holders, cold, floor } }), { self })).recorded
    assert.deepEqual(await given('d', 2), ['s -3 d'])
    assert.deepEqual(await given('c', 2), ['s -2 c'])
    assert.deepEqual(await given('b', 2), [])
    assert.deepEqual(await given('a', 0), ['s -0 a'])
    assert.deepEqual(await given('d', 4), [])
    assert.deepEqual(await given('x', 0), [])
  })

  test('all holders of a shard give it up, and shards without a holder do not count', async () => {
    for (const self of ['b', 'x']) {
      const two = new ColdMap({ s: { holders: ['a', 'c', 'b+x', ''], cold, floor: 2 } })
      assert.deepEqual((await settle(two, { self })).recorded, [`s -2 ${self}`])
    }
  })

  test('what others give up meanwhile is looked at again', async () => {
    const map = new ColdMap({
      s: { holders, cold, floor: 0 },
      t: { holders, cold, floor: 0 },
    })
    const meanwhile = (): void => map.lose('t' as StripeId, 'a')
    assert.deepEqual(await settle(map, { meanwhile }), {
      recorded: ['s -3 d'],
      left: [],
      lies: [],
      waiting: HLC_ZERO,
    })
    assert.deepEqual((await settle(map)).recorded.at(-1), 't -3 d')
  })

  test('nothing is given up without a tier, or before the record of it is stable', async () => {
    const waits = await settle(new ColdMap({ s: { holders, cold: { attic: 101 }, floor: 0 } }))
    assert.deepEqual([waits.recorded, waits.waiting], [[], hlcOf(101)])
    assert.deepEqual((await settle(new ColdMap({ s: { holders } }))).recorded, [])
    const condemned = new ColdMap({ s: { holders, cold, floor: 0, isCondemned: true } })
    assert.deepEqual((await settle(condemned)).recorded, [])
  })

  test('nothing is given up that the tier lacks; without an answer, only much later', async () => {
    const kept = ['s chunk']
    const fresh = { attic: Date.now() - SWEPT_KEPT_MS / 2 }
    const stripe = { holders, floor: 0 }
    const lie = await settle(new ColdMap({ s: { ...stripe, cold } }), { found: 'not', kept })
    assert.deepEqual([lie.recorded, lie.left, lie.lies], [[], kept, ['s']])
    for (const found of ['archived', 'unreachable'] as const) {
      const long = await settle(new ColdMap({ s: { ...stripe, cold } }), { found, kept })
      assert.deepEqual([long.recorded, long.left], [['s -3 d'], []])
      const soon = await settle(new ColdMap({ s: { ...stripe, cold: fresh } }), {
        found,
        kept,
        stableMs: Date.now(),
      })
      assert.deepEqual([soon.recorded, soon.left], [[], kept])
    }
  })

  test('local copies of settled chunks are deleted, unless they are needed here', async () => {
    const stripes = {
      s: { holders, cold, floor: 4 },
      t: { holders, cold, floor: 4 },
      u: { holders },
      v: { holders, cold: { attic: 101 }, floor: 4 },
    }
    const kept = ['s chunk', 't chunk', 'u chunk', 'v chunk']
    const { left } = await settle(new ColdMap(stripes), { kept, needed: 't chunk' })
    assert.deepEqual(left, ['t chunk', 'u chunk', 'v chunk'])
  })
})
