// Packs of which little is in use are repacked, and all data in use can be read from where the map
// says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chunkRange, packKey } from '../../../protocol/cold/pack.ts'
import { KIB, DAY_MS } from '../../../protocol/units.ts'
import { putSparsePacksAnew } from '../../../node/cold/pack-care.ts'
import { uploadPack } from '../../../node/cold/pack-upload.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { Pack, PackStripe } from '../../../protocol/cold/pack.ts'
import type { ChunkId, PackId, StripeId } from '../../../protocol/ids.ts'
import type { GroupId, MappedStripe, StripeGroup } from '../../../node/shard-map/stripe-map.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { MemoryTier } from './memory-tier.ts'
import { VOLUME, stripesOf } from './packed.ts'

const { signal } = new AbortController()
const TIER = 'attic'
/** MemoryTier's objects are of time 0. */
const NOW_MS: number = 3 * DAY_MS

/** Two packs of eight stripes each, all in use. */
class TwoPacks {
  readonly tier = new MemoryTier()
  readonly clock = new ManualClock()
  readonly all = stripesOf(Array.from({ length: 16 }, (_, n) => [4 * KIB + n, KIB]))
  readonly where = new Map<StripeId, { readonly pack: PackId; readonly offset: number }>()
  readonly condemned = new Set<StripeId>()

  static async make(): Promise<TwoPacks> {
    const made = new TwoPacks()
    made.clock.advance(NOW_MS)
    await made.put(made.all.stripes.slice(0, 8))
    await made.put(made.all.stripes.slice(8))
    made.tier.asked.length = 0
    return made
  }

  async put(stripes: readonly PackStripe[]): Promise<void> {
    const fetch = async (id: ChunkId): Promise<Uint8Array> =>
      this.all.chunks.get(id) ?? assert.fail()
    const parts = { volume: VOLUME, tier: this.tier, tierName: TIER, clock: this.clock, fetch }
    const pack: Pack = await uploadPack(parts, stripes, signal)
    for (const { stripe, offset } of pack.places) this.where.set(stripe, { pack: pack.id, offset })
  }

  run(): Promise<number> {
    const { tier, clock } = this
    const put = (pack: readonly PackStripe[]): Promise<void> => this.put(pack)
    const parts = { volume: VOLUME, tier, tierName: TIER, map: this, put, clock }
    return putSparsePacksAnew(parts, signal)
  }

  groups(): readonly StripeGroup[] {
    const count = this.all.stripes.length
    const group = { id: 'one' as GroupId, placementGroup: 0, k: 2, m: 1, class: undefined }
    return [
      {
        ...group,
        isCondemned: false,
        isSwept: false,
        holders: [],
        tiers: [TIER],
        count,
        shardBytes: 0,
      },
    ]
  }

  async *stripesOf(): AsyncGenerator<StripeId> {
    for (const { id } of this.all.stripes) yield id
  }

  stripe(id: StripeId): MappedStripe | undefined {
    const found = this.all.stripes.find((stripe) => stripe.id === id)
    const place = this.where.get(id)
    if (found === undefined || place === undefined) return undefined
    const cold = [{ tier: TIER, ...place, since: 0n as Hlc }]
    const isCondemned = this.condemned.has(id)
    const rest = { holders: [], class: undefined, isSwept: false, usedAt: 0n as Hlc }
    return { ...found, ...rest, isCondemned, cold }
  }

  condemn(from: number, to: number): void {
    for (const { id } of this.all.stripes.slice(from, to)) this.condemned.add(id)
  }

  /** Every chunk in use lies where the map says. */
  check(): void {
    for (const { id, header } of this.all.stripes) {
      const copy = this.where.get(id)
      if (copy === undefined || this.condemned.has(id)) continue
      const object = this.tier.objects.get(packKey(VOLUME, copy.pack)) ?? assert.fail(id)
      for (const [index, { id: chunk }] of header.chunks.entries()) {
        const { from, to } = chunkRange(header, index, copy.offset)
        assert(
          Buffer.from(object.subarray(from, to)).equals(
            this.all.chunks.get(chunk) ?? assert.fail(),
          ),
        )
      }
    }
  }

  get packs(): ReadonlySet<PackId> {
    const inUse = [...this.where].filter(([id]) => !this.condemned.has(id))
    return new Set(inUse.map(([, { pack }]) => pack))
  }
}

describe('packs that are mostly unused', () => {
  test('sparse packs are repacked together, and nothing names the old ones', async () => {
    const two = await TwoPacks.make()
    const before = two.packs
    two.condemn(0, 6)
    two.condemn(8, 13)
    assert((await two.run()) > 0)
    two.check()
    assert.equal(two.packs.size, 1)
    for (const pack of before) assert(!two.packs.has(pack))
    assert.equal(await two.run(), 0, 'once is enough')
  })

  test('packs with enough in use are left alone', async () => {
    const two = await TwoPacks.make()
    two.condemn(0, 6)
    two.condemn(8, 11)
    const before = two.where.get(two.all.stripes[15]?.id ?? assert.fail())
    await two.run()
    two.check()
    assert.equal(two.packs.size, 2)
    assert.deepEqual(two.where.get(two.all.stripes[15]?.id ?? assert.fail()), before)
  })

  test('young packs and packs in an archive are left alone', async () => {
    const two = await TwoPacks.make()
    two.condemn(0, 15)
    const list = two.tier.list.bind(two.tier)
    two.tier.list = async function* (prefix) {
      for await (const object of list(prefix)) yield { ...object, storageClass: 'GLACIER' }
    }
    assert.equal(await two.run(), 0)
    two.tier.list = list
    two.clock.advance(-2 * DAY_MS)
    assert.equal(await two.run(), 0)
  })
})
