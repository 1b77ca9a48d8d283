// Uploads of packs into a tier: a pack that counts as uploaded was read back, whatever went wrong
// before.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '../../../protocol/errors.ts'
import { HOUR_MS } from '../../../protocol/units.ts'
import { uploadPack } from '../../../node/cold/pack-upload.ts'
import type { UploadParts } from '../../../node/cold/pack-upload.ts'
import { ManualClock } from '../stripes/manual-clock.ts'
import { MemoryTier } from './memory-tier.ts'
import { VOLUME, stripesOf } from './packed.ts'

const { signal } = new AbortController()
const { stripes, chunks } = stripesOf([
  [900, 40, 3000],
  [60, 500],
])

function partsOf(tier: MemoryTier, rest: Partial<UploadParts> = {}): UploadParts {
  const fetch: UploadParts['fetch'] = async (id) => chunks.get(id) ?? assert.fail()
  return { volume: VOLUME, tier, tierName: 'attic', clock: new ManualClock(), fetch, ...rest }
}

describe('pack upload', () => {
  test('puts a pack under its name, and reads all of it back', async () => {
    const tier = new MemoryTier()
    const pack = await uploadPack(partsOf(tier), stripes, signal)
    const key = `${VOLUME}/packs/${pack.id}.car`
    assert.deepEqual(tier.asked, [`put ${key}`, `get ${key} 0-${pack.size + 1}`])
    assert.equal(tier.objects.get(key)?.length, pack.size)
  })

  test('an object uploaded before is read back, not uploaded again', async () => {
    const tier = new MemoryTier()
    const { id, size } = await uploadPack(partsOf(tier), stripes, signal)
    tier.asked.length = 0
    await uploadPack(partsOf(tier), stripes, signal)
    assert.deepEqual(tier.asked, [`get ${VOLUME}/packs/${id}.car 0-${size + 1}`])
  })

  test('an object uploaded long ago is put anew by another name: it may be removed', async () => {
    const tier = new MemoryTier()
    const before = await uploadPack(partsOf(tier), stripes, signal)
    const clock = new ManualClock()
    clock.advance(13 * HOUR_MS)
    tier.asked.length = 0
    const after = await uploadPack(partsOf(tier, { clock }), stripes, signal)
    assert.notEqual(after.id, before.id)
    assert.deepEqual([after.places, after.size], [before.places, before.size])
    assert.equal(tier.objects.size, 2)
  })

  test('a wrong bit anywhere is found; the object is removed, and put again later', async () => {
    const sound = new MemoryTier()
    const { id, size } = await uploadPack(partsOf(sound), stripes, signal)
    const key = `${VOLUME}/packs/${id}.car`
    for (let at = 0; at < size; at += 13) {
      const tier = new MemoryTier()
      tier.onPut = (content) => content.with(at, (content[at] ?? 0) ^ 1)
      const uploading = uploadPack(partsOf(tier), stripes, signal)
      await assert.rejects(uploading, { code: 'cold-corrupt', message: /attic: .*car reads back/ })
      assert.equal(tier.objects.size, 0)
      tier.onPut = (content) => content
      await uploadPack(partsOf(tier), stripes, signal)
      assert.deepEqual(tier.objects.get(key), sound.objects.get(key))
    }
  })

  test('an object that is too short or too long is found', async () => {
    for (const damage of [
      (content: Uint8Array) => content.subarray(0, -1),
      (content: Uint8Array) => Uint8Array.of(...content, 0),
    ]) {
      const tier = new MemoryTier()
      tier.onPut = damage
      await assert.rejects(uploadPack(partsOf(tier), stripes, signal), { code: 'cold-corrupt' })
    }
  })

  test('a chunk that cannot be fetched fails the upload, and leaves no object', async () => {
    const tier = new MemoryTier()
    let left = 3
    const fetch: UploadParts['fetch'] = async (id) => {
      if (left-- === 0) throw new ShoalError('chunk-unavailable', 'nobody has it')
      return chunks.get(id) ?? assert.fail()
    }
    const uploading = uploadPack(partsOf(tier, { fetch }), stripes, signal)
    await assert.rejects(uploading, { code: 'chunk-unavailable' })
    assert.equal(tier.objects.size, 0)
  })

  test('an archive tier that cannot read back for hours is trusted', async () => {
    const tier = new MemoryTier()
    tier.isArchive = true
    await uploadPack(partsOf(tier), stripes, signal)
    assert.equal(tier.objects.size, 1)
  })
})
