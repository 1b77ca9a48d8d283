// Packs (docs/formats/cold.md): their bytes, what a public CAR reader finds in them, and where
// chunks lie.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CarReader } from '@ipld/car'
import fc from 'fast-check'
import { concatBytes, toHex } from '../../../protocol/bytes.ts'
import { decodeCbor } from '../../../protocol/cbor.ts'
import { Packing, chunkRange, layOutPack, packKey, packOfKey } from '../../../protocol/cold/pack.ts'
import { MIB } from '../../../protocol/units.ts'
import type { Pack, PackStripe } from '../../../protocol/cold/pack.ts'
import type { ChunkId, StripeId, VolumeId } from '../../../protocol/ids.ts'
import { VOLUME, stripesOf } from '../../node/cold/packed.ts'
import { checkVectors } from '../vectors.ts'

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

  test('the place of a chunk follows from where its stripe begins', () => {
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
    assert.notEqual(layOutPack(VOLUME, stripes, 1).id, id)
    assert.notEqual(layOutPack('cd'.repeat(32) as VolumeId, stripes).id, id)
    assert.equal(packOfKey(VOLUME, packKey(VOLUME, id)), id)
    for (const other of [`${VOLUME}/packs/x.car`, `${VOLUME}/packs/${id}`, `packs/${id}.car`])
      assert.equal(packOfKey(VOLUME, other), undefined)
  })
})

describe('packing', () => {
  const MANY = 1024
  const stripe = (id: string, bytes: number): PackStripe => ({
    id: id as StripeId,
    header: { chunks: [{ id: `${id} chunk` as ChunkId, length: bytes }] },
    headerBytes: new Uint8Array(0),
  })
  const idsOf = (pack: readonly PackStripe[] | undefined): string[] | undefined =>
    pack?.map(({ id }) => id)

  test('a stripe of 8 MiB is a pack, smaller ones are put together up to 32 MiB, by rising id', () => {
    const packing = new Packing<PackStripe>()
    assert.deepEqual(idsOf(packing.add(stripe('big', 8 * MIB))), ['big'])
    for (const id of ['e', 'd', 'c', 'b']) assert.equal(packing.add(stripe(id, 7 * MIB)), undefined)
    assert.equal(packing.isLittle, false)
    assert.deepEqual(idsOf(packing.add(stripe('a', 7 * MIB))), ['a', 'b', 'c', 'd', 'e'])
    assert.equal(packing.isLittle, true)
    assert.deepEqual(packing.rest(), [])
  })

  test('a pack has no more stripes than one op can name', () => {
    const packing = new Packing<PackStripe>()
    for (let n = 1; n < MANY; n++) assert.equal(packing.add(stripe(`${n}`, 1)), undefined)
    assert.equal(packing.add(stripe('last', 1))?.length, MANY)
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

function bytesOf(pack: Pack, chunks: ReadonlyMap<ChunkId, Uint8Array>): Uint8Array {
  return concatBytes(
    pack.parts.map((part) =>
      'bytes' in part ? part.bytes : (chunks.get(part.chunk) ?? assert.fail()),
    ),
  )
}
