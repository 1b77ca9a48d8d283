// Packs (docs/formats/cold.md): their bytes, what a public CAR reader finds in them, and where chunks lie.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CarReader } from '@ipld/car'
import fc from 'fast-check'
import { concatBytes, toHex } from '../../../protocol/bytes.ts'
import { decodeCbor } from '../../../protocol/cbor.ts'
import { chunkRange, layOutPack, packKey, packOfKey } from '../../../protocol/cold/pack.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import { codeStripe } from '../../../protocol/stripe/stripe.ts'
import type { Pack } from '../../../protocol/cold/pack.ts'
import type { ChunkId, VolumeId } from '../../../protocol/ids.ts'
import type { CodedStripe } from '../../../protocol/stripe/stripe.ts'
import { checkVectors, xorshiftBytes } from '../vectors.ts'

const VOLUME = 'ab'.repeat(32) as VolumeId

describe('packs', () => {
  test('have the bytes that docs/formats/cold.md shows', () => {
    const { stripes, chunks } = stripesOf([[90, 40], [60]])
    const pack = layOutPack(VOLUME, stripes)
    checkVectors('pack', {
      volume: VOLUME,
      stripes: stripes.map(({ headerBytes }) => toHex(headerBytes)),
      places: pack.places,
      pack: pack.id,
      key: packKey(VOLUME, pack.id),
      bytes: toHex(bytesOf(pack, chunks)),
    })
  })

  test('any is a CAR file that @ipld/car reads: the chunks in order, then the root with the headers', async () => {
    await fc.assert(
      fc.asyncProperty(anyLengths(), async (lengths) => {
        const { stripes, chunks } = stripesOf(lengths)
        const pack = layOutPack(VOLUME, stripes)
        const bytes = bytesOf(pack, chunks)
        assert.equal(bytes.length, pack.size)
        const reader = await CarReader.fromBytes(bytes)
        const blocks: { readonly cid: string; readonly bytes: Uint8Array }[] = []
        for await (const block of reader.blocks())
          blocks.push({ cid: block.cid.toString(), bytes: block.bytes })
        const index = blocks.pop() ?? assert.fail()
        assert.deepEqual((await reader.getRoots()).map(String), [index.cid])
        const ids = stripes.flatMap(({ header }) => header.chunks.map(({ id }) => id))
        assert.deepEqual(
          blocks.map(({ cid }) => cid),
          ids,
        )
        for (const { cid, bytes: data } of blocks)
          assert.equal(toHex(data), toHex(chunks.get(cid as ChunkId) ?? assert.fail()))
        assert.deepEqual(decodeCbor(index.bytes, 'index'), [
          1,
          stripes.map(({ headerBytes }, at) => [headerBytes, pack.places[at]?.offset]),
        ])
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  test('where a chunk lies follows from where its stripe begins', () => {
    fc.assert(
      fc.property(anyLengths(), (lengths) => {
        const { stripes, chunks } = stripesOf(lengths)
        const pack = layOutPack(VOLUME, stripes)
        const bytes = bytesOf(pack, chunks)
        for (const [at, { header }] of stripes.entries())
          for (const [index, { id }] of header.chunks.entries()) {
            const { from, to } = chunkRange(header, index, pack.places[at]?.offset ?? 0)
            assert.equal(toHex(bytes.subarray(from, to)), toHex(chunks.get(id) ?? assert.fail()))
          }
      }),
      { seed: 2, numRuns: 60 },
    )
  })

  test('the name follows from the volume and the stripes, and leads back to the pack', () => {
    const { stripes } = stripesOf([[10], [20]])
    const { id } = layOutPack(VOLUME, stripes)
    assert.equal(layOutPack(VOLUME, stripes).id, id)
    assert.notEqual(layOutPack(VOLUME, stripes.slice(1)).id, id)
    assert.notEqual(layOutPack('cd'.repeat(32) as VolumeId, stripes).id, id)
    assert.equal(packOfKey(VOLUME, packKey(VOLUME, id)), id)
    for (const other of [`${VOLUME}/packs/x.car`, `${VOLUME}/packs/${id}`, `packs/${id}.car`])
      assert.equal(packOfKey(VOLUME, other), undefined)
  })
})

/** Lengths of the chunks of one to three stripes: around where a varint gets longer, too. */
function anyLengths(): fc.Arbitrary<number[][]> {
  const length = fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 16_340, max: 16_360 }),
  )
  const chunks = fc.array(length, { minLength: 1, maxLength: 5 })
  return fc.array(chunks, { minLength: 1, maxLength: 3 })
}

function stripesOf(lengths: readonly (readonly number[])[]): {
  stripes: readonly CodedStripe[]
  chunks: ReadonlyMap<ChunkId, Uint8Array>
} {
  const chunks = new Map<ChunkId, Uint8Array>()
  const stripes = lengths.map((each, n) => {
    const sealed = each.map((length, at) => {
      const bytes = xorshiftBytes(1 + 10 * n + at, length)
      const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
      chunks.set(id, bytes)
      return { id, bytes }
    })
    return codeStripe(sealed, 2, 1)
  })
  return { stripes: stripes.toSorted((a, b) => (a.id < b.id ? -1 : 1)), chunks }
}

function bytesOf(pack: Pack, chunks: ReadonlyMap<ChunkId, Uint8Array>): Uint8Array {
  return concatBytes(
    pack.parts.map((part) =>
      'bytes' in part ? part.bytes : (chunks.get(part.chunk) ?? assert.fail()),
    ),
  )
}
