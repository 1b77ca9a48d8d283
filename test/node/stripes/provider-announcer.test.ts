// The announcements of a node to the DHT about the stripes it holds: each once a day, little at a
// time, and no more than the DHT bears.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toHex } from '../../../protocol/bytes.ts'
import { ShoalError } from '../../../protocol/errors.ts'
import { stripeIdBytes } from '../../../protocol/ids.ts'
import { placementGroup, groupAnnouncement } from '../../../protocol/placement/placement-group.ts'
import { DAY_MS, KIB } from '../../../protocol/units.ts'
import { ProviderAnnouncer, SWEEP_STEP_MS } from '../../../node/stripes/provider-announcer.ts'
import { PlainMap } from '../repair/plain-map.ts'
import { VOLUME, stripeOf } from '../peers/shard-swarm.ts'
import { ManualClock } from './manual-clock.ts'
import { peerOf } from './peer-group.ts'
import type { StripeId } from '../../../protocol/ids.ts'
import type { ProviderAnnouncerParts } from '../../../node/stripes/provider-announcer.ts'

const [SELF, OTHER] = [peerOf(0), peerOf(1)]
const STRIPES = Array.from({ length: 40 }, (_, seed) => stripeOf(seed + 1, 80 * KIB, 1, 1))
const { signal } = new AbortController()

describe('provider announcer', () => {
  test('each held stripe is announced once a day, and nothing else', async () => {
    const { announcer, clock, map, provided } = announcing()
    for (const stripe of STRIPES.slice(0, 30)) map.add(stripe, [[OTHER], [SELF]])
    for (const stripe of STRIPES.slice(30)) map.add(stripe, [[OTHER], []])
    const held = keysOf(STRIPES.slice(0, 30).map(({ id }) => id))
    for (let day = 1; day <= 2; day++) {
      const most = await sweepFor(announcer, clock, provided, DAY_MS)
      assert.deepEqual(provided.toSorted(), held.toSorted(), `day ${day}`)
      assert.ok(most <= 4, `${most} in one step`)
      provided.length = 0
    }
  })

  test('a late sweep makes up for missed announcements, of one day at most', async () => {
    const { announcer, clock, map, provided } = announcing()
    for (const stripe of STRIPES) map.add(stripe, [[OTHER], [SELF]])
    await announcer.sweep(signal)
    clock.advance(5 * DAY_MS)
    await announcer.sweep(signal)
    assert.equal(new Set(provided).size, STRIPES.length)
    assert.ok(provided.length <= STRIPES.length + 1)
  })

  test('a clock that was set back does not stop announcements', async () => {
    const { announcer, clock, map, provided } = announcing()
    for (const stripe of STRIPES) map.add(stripe, [[OTHER], [SELF]])
    let offsetMs = 400 * DAY_MS
    clock.wall = () => (clock.now() + offsetMs) as ReturnType<typeof clock.wall>
    await announcer.sweep(signal)
    offsetMs = 0
    provided.length = 0
    await sweepFor(announcer, clock, provided, DAY_MS)
    assert.equal(new Set(provided).size, STRIPES.length)
  })

  test('a node with very many stripes announces placement groups in their place', async () => {
    const { announcer, clock, map, provided, withdrawn } = announcing({ stripesMax: 10 })
    const ids = STRIPES.map(({ id }) => id)
    for (const stripe of STRIPES.slice(0, 10)) map.add(stripe, [[OTHER], [SELF]])
    await sweepFor(announcer, clock, provided, DAY_MS)
    assert.deepEqual(provided.toSorted(), keysOf(ids.slice(0, 10)).toSorted())
    provided.length = 0
    for (const stripe of STRIPES) map.add(stripe, [[OTHER], [SELF]])
    await sweepFor(announcer, clock, provided, DAY_MS)
    const groups = new Set(ids.map(placementGroup))
    assert.deepEqual(provided.toSorted(), [...groups].map(groupKey).toSorted())
    assert.deepEqual(withdrawn.toSorted(), keysOf(ids).toSorted())
  })

  test('a new stripe is announced at once, and a dropped one withdrawn', async () => {
    const { announcer, provided, withdrawn, settle } = announcing()
    const [id] = STRIPES.map((stripe) => stripe.id)
    assert.ok(id !== undefined)
    announcer.add(id)
    await settle()
    assert.deepEqual(provided, keysOf([id]))
    await announcer.remove(id)
    assert.deepEqual(withdrawn, keysOf([id]))
  })

  test('a stripe that the map ascribes to another, or that is swept, is withdrawn', async () => {
    const { announcer, map, withdrawn, settle } = announcing({ holdsSome: true })
    const [mine, moved, swept] = STRIPES
    assert.ok(mine !== undefined && moved !== undefined && swept !== undefined)
    map.add(mine, [[OTHER], [SELF]])
    map.add(moved, [[OTHER], [OTHER]])
    announcer.changed({ kind: 'shards', stripe: mine.id })
    announcer.changed({ kind: 'shards', stripe: moved.id })
    announcer.changed({ kind: 'condemned', stripes: [swept.id] })
    announcer.changed({ kind: 'swept', stripes: [swept.id] })
    await settle()
    assert.deepEqual(withdrawn, keysOf([moved.id, swept.id]))
  })

  test('new stripes are announced a few at a time, and failures left for the day', async () => {
    const { announcer, provided, settle } = announcing({ fails: true })
    for (const { id } of STRIPES) announcer.add(id)
    assert.equal(provided.length, 4)
    await settle()
    assert.equal(provided.length, STRIPES.length)
  })

  test('a stopped announcer announces nothing more', async () => {
    const { announcer, provided, settle } = announcing()
    for (const { id } of STRIPES) announcer.add(id)
    announcer.stop()
    await settle()
    announcer.add(STRIPES[0]?.id ?? assert.fail())
    assert.equal(provided.length, 4)
  })
})

function announcing({ stripesMax = 1000, fails = false, holdsSome = false } = {}) {
  const clock = new ManualClock()
  const map = new PlainMap()
  const provided: string[] = []
  const withdrawn: string[] = []
  const store = { shards: { indices: () => (holdsSome ? [1] : []) } }
  const network = {
    self: SELF,
    provide: async (cid: Uint8Array) => {
      provided.push(toHex(cid))
      await Promise.resolve()
      if (fails) throw new ShoalError('unreachable', 'no DHT')
    },
    unprovide: async (cid: Uint8Array) => void withdrawn.push(toHex(cid)),
  }
  const parts: ProviderAnnouncerParts = {
    network,
    clock,
    map,
    store,
    volume: VOLUME,
    log: () => undefined,
  }
  const announcer = new ProviderAnnouncer(parts, { stripesMax })
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { announcer, clock, map, provided, withdrawn, settle }
}

/** Sweep at every step of a time. returns the most that one step announced. */
async function sweepFor(
  announcer: ProviderAnnouncer,
  clock: ManualClock,
  provided: readonly string[],
  durationMs: number,
): Promise<number> {
  let most = 0
  for (let steps = Math.round(durationMs / SWEEP_STEP_MS); steps > 0; steps--) {
    clock.advance(SWEEP_STEP_MS)
    const before = provided.length
    await announcer.sweep(signal)
    most = Math.max(most, provided.length - before)
  }
  return most
}

function keysOf(stripes: readonly StripeId[]): string[] {
  return stripes.map((stripe) => toHex(stripeIdBytes(stripe)))
}

function groupKey(group: number): string {
  return toHex(groupAnnouncement(VOLUME, group))
}
