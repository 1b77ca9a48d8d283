// The index of a backup place against a plain map.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../../protocol/bytes.ts'
import { blake3 } from '../../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../../protocol/ids.ts'
import type { ChunkId } from '../../../protocol/ids.ts'
import { MAGIC } from '../../../protocol/backup/pack.ts'
import { ChunkIndex } from '../../../node/backup/chunk-index.ts'
import { xorshiftBytes } from '../../protocol/vectors.ts'

/** The digest of a chunk by its number: many share their first bytes. */
function digestOf(number: number): Uint8Array {
  const digest = xorshiftBytes(number + 1, 32)
  digest.fill(0, 0, 3)
  return digest
}

function idOf(number: number): ChunkId {
  return chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, digestOf(number)))
}

describe('the index of a backup place', () => {
  test('finds each chunk in each pack that has it, and none that no pack has', () => {
    const packs = fc.array(fc.array(fc.nat(60), { maxLength: 90 }), { maxLength: 30 })
    fc.assert(
      fc.property(packs, (numbers) => {
        const index = new ChunkIndex()
        const wanted = new Map<number, string[]>()
        numbers.forEach((chunks, at) => {
          const id = `${at}`
          let offset = MAGIC.length
          index.add({
            id,
            set: `${at % 3}`,
            kind: 'data',
            bytes: 1000,
            chunks: chunks.map((number) => {
              const length = 10 + number
              wanted.set(number, [...(wanted.get(number) ?? []), `${id} ${offset} ${length}`])
              offset += length
              return { digest: digestOf(number).subarray(0, 16), length }
            }),
          })
        })
        for (let number = 0; number <= 60; number++) {
          const found = Array.from(
            index.findAll(idOf(number)),
            ({ pack, offset, length }) => `${pack.id} ${offset} ${length}`,
          )
          assert.deepEqual(found.toSorted(), (wanted.get(number) ?? []).toSorted())
          const inSet = index.find(idOf(number), ({ set }) => set === '1')
          const isInSet = (wanted.get(number) ?? []).some(
            (one) => Number(one.split(' ')[0]) % 3 === 1,
          )
          assert.equal(inSet !== undefined, isInSet)
        }
        for (const pack of index.packs())
          assert.deepEqual(
            index.describe(pack).chunks.map(({ length }) => length),
            numbers[Number(pack.id)]?.map((number) => 10 + number),
          )
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('takes some 40 bytes a chunk', () => {
    const index = new ChunkIndex()
    const chunks = 400_000
    const perPack = 20_000
    for (let at = 0; at < chunks / perPack; at++)
      index.add({
        id: `${at}`,
        set: '',
        kind: 'data',
        bytes: 1,
        chunks: Array.from({ length: perPack }, (_, chunk) => ({
          digest: blake3(utf8(`${at} ${chunk}`)).subarray(0, 16),
          length: 1,
        })),
      })
    assert.equal(index.count, chunks)
    const bytes = index.memoryBytes / chunks
    assert.ok(bytes < 60, `${bytes} bytes a chunk`)
  })
})
