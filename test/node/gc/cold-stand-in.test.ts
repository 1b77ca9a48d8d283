// A stripe that nobody holds gives way to another of its chunks that lies in a cold tier, and only
// to what the tier truly has.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Collector } from '../../../node/gc/collect.ts'
import { LiveChunks } from '../../../node/gc/mark.ts'
import { ColdReader } from '../../../node/stripes/cold-reader.ts'
import { DedupCheck } from '../../../node/stripes/dedup-check.ts'
import { uploadPack } from '../../../node/cold/pack-upload.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import { chunkRange, packKey } from '../../../protocol/cold/pack.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import { MemoryTier } from '../cold/memory-tier.ts'
import { VOLUME, stripesOf } from '../cold/packed.ts'
import { peerOf } from '../stripes/peer-group.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import type { CollectorParts } from '../../../node/gc/collect.ts'
import type { MappedStripe } from '../../../node/shard-map/stripe-map.ts'
import type { DedupCheckParts } from '../../../node/stripes/dedup-check.ts'
import type { PeerId, StripeId } from '../../../protocol/ids.ts'

const { signal } = new AbortController()
const TIER = 'attic'
const { stripes, chunks } = stripesOf([[900, 40, 300]])
const COLD = stripes[0] ?? assert.fail()
/** The chunk that both stripes have, the last of the one in the tier. */
const SHARED = COLD.header.chunks[2]?.id ?? assert.fail()
const EMPTY = codeStripe([{ id: SHARED, bytes: chunks.get(SHARED) ?? assert.fail() }], 2, 1)

interface Case {
  /** Done to the object in the tier. */
  readonly damage?: (tier: MemoryTier, key: string, sharedFrom: number) => void
  /** The peers of each shard of the stripe that is to give way. */
  readonly holders?: readonly (readonly PeerId[])[]
}

/** returns the stripes that are condemned, of two that have a live chunk. */
async function condemned({ damage, holders = [[], [], []] }: Case): Promise<StripeId[]> {
  const clock = new ManualClock()
  const tier = new MemoryTier()
  const fetch = async (id: typeof SHARED): Promise<Uint8Array> => chunks.get(id) ?? assert.fail()
  const upload = { volume: VOLUME, tier, tierName: TIER, clock, fetch }
  const pack = await uploadPack(upload, [COLD], signal)
  const { offset } = pack.places[0] ?? assert.fail()
  const copy = { tier: TIER, pack: pack.id, offset, since: HLC_ZERO }
  damage?.(tier, packKey(VOLUME, pack.id), chunkRange(COLD.header, 2, offset).from)
  const facts = { class: undefined, isCondemned: false, isSwept: false, usedAt: HLC_ZERO }
  const known = new Map<StripeId, MappedStripe>([
    [COLD.id, { ...COLD, holders: [[], [], []], cold: [copy], ...facts }],
    [EMPTY.id, { ...EMPTY, holders, cold: [], ...facts }],
  ])
  const given: StripeId[] = []
  const map = {
    stripe: (id: StripeId) => known.get(id),
    stripes: () => known.keys(),
    locations: () =>
      [...known.keys()].map((stripe) => ({ stripe, index: 0, class: '', isCondemned: false })),
    condemn: async (ids: readonly StripeId[]) => void given.push(...ids),
  } as unknown as CollectorParts['map']
  const dedupCheck = new DedupCheck({
    map,
    clock,
    store: { shards: { indices: () => [] } },
    // Looked through before: its header is true, whatever became of its bytes.
    verified: { verify: async () => true, has: () => true, isFalse: () => false },
    network: { self: peerOf(1), peers: () => [] },
    random: { number: () => 0, unlucky: () => false },
    cold: new ColdReader({ volume: VOLUME, clock: new SystemClock(), open: () => tier }),
  } as unknown as DedupCheckParts)
  const collector = new Collector({
    map,
    dedupCheck,
    clock,
    inFlight: { has: () => false },
    livenessOf: () => 'online',
    packAnew: { place: () => assert.fail('nothing is packed anew') },
    log: () => undefined,
  } as unknown as CollectorParts)
  const live = new LiveChunks(1)
  live.add(SHARED, undefined)
  await collector.condemn(live, { bytesMax: Infinity }, signal)
  return given
}

describe('a stripe of which nobody holds anything', () => {
  test('gives way to one that lies in a cold tier', async () => {
    assert.deepEqual(await condemned({}), [EMPTY.id])
  })

  test('stays where somebody is said to hold a shard of it', async () => {
    assert.ok(!(await condemned({ holders: [[peerOf(2)], [], []] })).includes(EMPTY.id))
  })

  test('stays where the tier has lost the other', async () => {
    assert.deepEqual(await condemned({ damage: (tier, key) => tier.objects.delete(key) }), [])
  })

  test('stays where the tier has other bytes in place of the chunk, and all else', async () => {
    const damage: Case['damage'] = (tier, key, from) => {
      const content = tier.objects.get(key) ?? assert.fail()
      tier.objects.set(key, content.with(from, (content[from] ?? 0) ^ 1))
    }
    assert.deepEqual(await condemned({ damage }), [])
  })

  test('gives way to one in an archive, which is taken at its word', async () => {
    assert.deepEqual(await condemned({ damage: (tier) => void (tier.isArchive = true) }), [
      EMPTY.id,
    ])
  })
})
