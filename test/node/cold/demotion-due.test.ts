// Which stripes are to go into a tier, and whose work that is; and which reads are worth an entry
// of the log.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR_MS } from '../../../protocol/units.ts'
import { dueStripes, readsToTell } from '../../../node/cold/migration.ts'
import type { StripeId } from '../../../protocol/ids.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { ColdMap } from './cold-map.ts'

const { signal } = new AbortController()
const AFTER_MS = 1000
const holders = ['a', 'b', 'c']

async function due(
  map: ColdMap,
  nowMs: number,
  place: number | undefined = 0,
): Promise<{ ids: StripeId[]; later: number[] }> {
  const clock = new ManualClock()
  clock.advance(nowMs)
  const later: number[] = []
  const parts = { map, clock, placeIn: () => place }
  const found = dueStripes(
    parts,
    { afterMs: AFTER_MS, tier: 'attic' },
    (ms) => later.push(ms),
    signal,
  )
  const ids: StripeId[] = []
  for await (const { id } of found) ids.push(id)
  return { ids, later }
}

describe('stripes due for the tier', () => {
  const map = new ColdMap({
    old: { holders, usedMs: 0 },
    used: { holders, usedMs: 900 },
    there: { holders, cold: { attic: 5 } },
    elsewhere: { holders, cold: { shed: 5 } },
    condemned: { holders, isCondemned: true },
  })

  test('are those unused for long enough and not in it yet; others have a due time', async () => {
    assert.deepEqual(await due(map, 1500), { ids: ['old', 'elsewhere'], later: [400] })
    assert.deepEqual((await due(map, 1900)).ids, ['old', 'used', 'elsewhere'])
  })

  test('are put by the first in rank, an hour later by the next, never by a reader', async () => {
    assert.deepEqual((await due(map, 1500, 1)).ids, [])
    assert.deepEqual((await due(map, 1000 + HOUR_MS, 1)).ids, ['old', 'elsewhere'])
    const never = { map, clock: new ManualClock(), placeIn: () => undefined }
    const none = dueStripes(never, { afterMs: 0, tier: 'attic' }, () => assert.fail(), signal)
    for await (const stripe of none) assert.fail(stripe.id)
  })
})

test('reads are logged only if the last use on record is a quarter of the time old', async () => {
  const map = new ColdMap({ fresh: { holders, usedMs: 751 }, old: { holders, usedMs: 750 } })
  const clock = new ManualClock()
  clock.advance(1000)
  const read = ['fresh', 'old', 'unknown'] as StripeId[]
  assert.deepEqual(readsToTell(read, { map, clock, afterMs: AFTER_MS }), ['old'])
})
