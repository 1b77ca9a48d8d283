// Reads of chunks from tiers: few requests for adjacent chunks, and never a wrong byte.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chunkRange, packKey } from '../../../protocol/cold/pack.ts'
import { ColdReader } from '../../../node/stripes/cold-reader.ts'
import { uploadPack } from '../../../node/cold/pack-upload.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { ColdCopy } from '../../../node/shard-map/stripe-map.ts'
import { MemoryTier } from '../cold/memory-tier.ts'
import { VOLUME, stripesOf } from '../cold/packed.ts'

const { signal } = new AbortController()
const GAP = 70_000
const { stripes, chunks } = stripesOf([[900, 40, 300, GAP, 60, 500]])
const stripe = stripes[0] ?? assert.fail()

async function packed(): Promise<{ tier: MemoryTier; key: string; copy: ColdCopy }> {
  const tier = new MemoryTier()
  const fetch = async (id: (typeof stripe.header.chunks)[number]['id']): Promise<Uint8Array> =>
    chunks.get(id) ?? assert.fail()
  const clock = { wall: () => 0 as WallTime }
  const parts = { volume: VOLUME, tier, tierName: 'attic', clock, fetch }
  const pack = await uploadPack(parts, stripes, signal)
  tier.asked.length = 0
  const { offset } = pack.places[0] ?? assert.fail()
  const copy = { tier: 'attic', pack: pack.id, offset, since: 0n as Hlc }
  return { tier, key: packKey(VOLUME, pack.id), copy }
}

function readerOf(tiers: Readonly<Record<string, MemoryTier>>): ColdReader {
  const open = (name: string): MemoryTier => tiers[name] ?? assert.fail(name)
  return new ColdReader({ volume: VOLUME, clock: new SystemClock(), open })
}

describe('a reader of cold tiers', () => {
  test('requests the bytes of the chunk, and no others', async () => {
    const { tier, key, copy } = await packed()
    const { header } = stripe
    const got = await readerOf({ attic: tier }).chunk({ header, cold: [copy] }, 2, signal)
    assert.deepEqual(
      Buffer.from(got),
      Buffer.from(chunks.get(header.chunks[2]?.id ?? assert.fail()) ?? []),
    )
    const { from, to } = chunkRange(header, 2, copy.offset)
    assert.deepEqual(tier.asked, [`get ${key} ${from}-${to}`])
  })

  test('merges requests for chunks that lie close together', async () => {
    const { tier, copy } = await packed()
    const { header } = stripe
    const reader = readerOf({ attic: tier })
    const read = (index: number): Promise<Uint8Array> =>
      reader.chunk({ header, cold: [copy] }, index, signal)
    const got = await Promise.all([4, 0, 2].map(read))
    for (const [at, index] of [4, 0, 2].entries())
      assert.deepEqual(
        Buffer.from(got[at] ?? []),
        Buffer.from(chunks.get(header.chunks[index]?.id ?? assert.fail()) ?? []),
      )
    assert.equal(tier.asked.length, 2, 'the large chunk between is left out')
  })

  test('aborts one of several reads without affecting the others', async () => {
    const { tier, copy } = await packed()
    const { header } = stripe
    const reader = readerOf({ attic: tier })
    const end = new AbortController()
    const broken = reader.chunk({ header, cold: [copy] }, 0, end.signal)
    const other = reader.chunk({ header, cold: [copy] }, 1, signal)
    end.abort(new Error('enough'))
    await assert.rejects(broken, /enough/)
    assert.equal((await other).length, 40)
  })

  test('reports a damaged copy, and reads from another tier', async () => {
    const { tier, key, copy } = await packed()
    const good = new MemoryTier()
    const content = tier.objects.get(key) ?? assert.fail()
    good.objects.set(key, content)
    const { header } = stripe
    const { from } = chunkRange(header, 1, copy.offset)
    tier.objects.set(key, content.with(from, (content[from] ?? 0) ^ 1))
    const reader = readerOf({ attic: tier, other: good })
    const reading = reader.chunk({ header, cold: [copy] }, 1, signal)
    await assert.rejects(reading, { code: 'cold-corrupt', message: /cold tier attic/ })
    const both = [copy, { ...copy, tier: 'other' }]
    assert.equal((await reader.chunk({ header, cold: both }, 1, signal)).length, 40)
  })

  test('requests the restore of an archived object, and fails with cold-archived', async () => {
    const { tier, key, copy } = await packed()
    tier.isArchive = true
    const { header } = stripe
    const reading = readerOf({ attic: tier }).chunk({ header, cold: [copy] }, 0, signal)
    await assert.rejects(reading, { code: 'cold-archived' })
    assert.equal(tier.asked.at(-1), `restore ${key}`)
  })
})
