// The layout of chunks in shards, and headers that a liar may send.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, equalBytes } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  CODEC_DAG_CBOR,
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  chunkIdFromCid,
  encodeCid,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import {
  CHUNK_SEALED_MAX,
  STRIPE_CHUNKS_MAX,
  STRIPE_DATA_MAX,
  STRIPE_K_MAX,
  STRIPE_M_MAX,
} from '../../protocol/limits.ts'
import { parseClass } from '../../protocol/placement/redundancy.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import {
  chunkPosition,
  codeStripe,
  decodeStripeHeader,
  encodeStripeHeader,
  shardRanges,
  stripeIdOf,
} from '../../protocol/stripe/stripe.ts'
import { STRIPE_HEADER_MAX } from '../../protocol/wire/shard.ts'
import { assertRefusal, assertRefusesOnly } from './hostile.ts'
import { xorshiftBytes } from './vectors.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { CodedStripe, StripeHeader } from '../../protocol/stripe/stripe.ts'

interface Chunk {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

describe('stripe', () => {
  test('a chunk is the bytes at its ranges of the data shards, and zeros follow the last', () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 6 }), (lengths, k) => {
        const coded = codeStripe(chunksOf(lengths), k, 2)
        lengths.forEach((length, i) => {
          const at = chunkPosition(coded.header, i)
          assert.deepEqual(stripeBytes(coded, at, length), xorshiftBytes(i + 1, length))
        })
        const end = chunkPosition(coded.header, lengths.length)
        const padding = stripeBytes(coded, end, k * coded.header.shardBytes - end)
        assert.ok(padding.length < k * 64 + 64 && padding.every((byte) => byte === 0))
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  test('whatever up to m shards are lost, the rest give every chunk back', () => {
    const chunks = chunksOf([300, 1, 513, 64])
    const whole = concatBytes(chunks.map(({ bytes }) => bytes))
    for (let k = 1; k <= 4; k++) {
      for (let m = 0; m <= 3; m++) {
        const coded = codeStripe(chunks, k, m)
        for (const kept of subsets(k + m).filter((subset) => subset.length >= k)) {
          const left = coded.shards.map((shard, i) => (kept.includes(i) ? shard : undefined))
          const shards = reconstruct(k, m, left, [...coded.shards.keys()])
          const again = stripeBytes({ ...coded, shards }, 0, whole.length)
          assert.ok(equalBytes(again, whole), `${k}+${m} from ${kept.join()}`)
        }
      }
    }
  })

  test('the header has the root of every shard, and decodes to what was encoded', () => {
    for (const [k, m] of [
      [1, 0],
      [1, 2],
      [2, 1],
      [4, 2],
      [32, 16],
    ] as const) {
      const { id, header, headerBytes, shards } = codeStripe(chunksOf([100, 2000, 70_000]), k, m)
      assert.equal(shards.length, k + m)
      assert.deepEqual(header.shardRoots, shards.map(shardRoot))
      const decoded = decodeStripeHeader(headerBytes)
      assert.deepEqual(plain(decoded), plain(header))
      assert.deepEqual(encodeStripeHeader(decoded), headerBytes)
      const cid = encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, blake3(headerBytes))
      assert.deepEqual([id, stripeIdOf(headerBytes)], [stripeIdFromCid(cid), id])
    }
  })

  test('shards are whole vectors, and with one data shard all are the same array', () => {
    assert.equal(codeStripe(chunksOf([1]), 3, 1).header.shardBytes, 64)
    assert.equal(codeStripe(chunksOf([129]), 2, 1).header.shardBytes, 128)
    const { shards } = codeStripe(chunksOf([1000]), 1, 2)
    assert.ok(shards.every((shard) => shard === shards[0]))
  })

  test('ranges cross from shard to shard, and end with the stripe', () => {
    const { header } = codeStripe(chunksOf([64 * 3]), 3, 0)
    assert.deepEqual(shardRanges(header, 60, 70), [
      { shard: 0, offset: 60, length: 4 },
      { shard: 1, offset: 0, length: 64 },
      { shard: 2, offset: 0, length: 2 },
    ])
    assert.deepEqual(shardRanges(header, 64, 64), [{ shard: 1, offset: 0, length: 64 }])
    assert.deepEqual(shardRanges(header, 192, 0), [])
    assert.throws(() => shardRanges(header, 192, 1), { code: 'internal' })
    assert.throws(() => shardRanges(header, -1, 1), { code: 'internal' })
  })

  test('the largest header is within its bound, one chunk more is refused', () => {
    const { header } = codeStripe(chunksOf([100]), STRIPE_K_MAX, STRIPE_M_MAX)
    const chunks = Array.from({ length: STRIPE_CHUNKS_MAX }, () => ({ id: idOf(1), length: 8192 }))
    const shardBytes = STRIPE_DATA_MAX / STRIPE_K_MAX
    const largest = encodeStripeHeader({ ...header, shardBytes, chunks })
    assert.ok(largest.length < STRIPE_HEADER_MAX)
    assert.equal(decodeStripeHeader(largest).chunks.length, STRIPE_CHUNKS_MAX)
    const more = [...chunks, { id: idOf(2), length: 1 }]
    assert.throws(() => encodeStripeHeader({ ...header, shardBytes, chunks: more }), {
      code: 'internal',
    })
  })

  test('fields of a later version are skipped', () => {
    const { header, headerBytes } = codeStripe(chunksOf([100, 200]), 2, 1)
    const fields = decodeCbor(headerBytes, 'header') as { chunks: unknown[][] }
    const chunks = fields.chunks.map((chunk) => [...chunk, 'new'])
    const decoded = decodeStripeHeader(encodeCbor({ ...fields, chunks, new: true }))
    assert.deepEqual(plain(decoded), plain(header))
  })
})

describe('a stripe header from a peer', () => {
  test('that is out of bounds is malformed, of a later version unsupported', () => {
    const { headerBytes } = codeStripe(chunksOf([100, 200]), 2, 1)
    const honest = decodeCbor(headerBytes, 'header') as Record<string, unknown>
    const [first = [], second = []] = honest['chunks'] as unknown[][]
    const roots = honest['roots'] as Uint8Array[]
    const refused = (code: string, fields: Record<string, unknown>): void => {
      const bytes = encodeCbor({ ...honest, ...fields })
      assert.throws(() => decodeStripeHeader(bytes), { code }, JSON.stringify(fields))
    }
    refused('unsupported', { v: 2 })
    for (const code of [
      [0, 3],
      [33, 1],
      [1, -1],
      [1, 17],
      [2],
      [2, 1, 0],
      [2, 2],
      '2+1',
      [2.5, 1],
    ]) {
      refused('malformed', { code })
    }
    for (const shardBytes of [0, 63, 100, 128, STRIPE_DATA_MAX, STRIPE_DATA_MAX + 64, '192']) {
      refused('malformed', { shardBytes })
    }
    for (const length of [0, -1, 300, CHUNK_SEALED_MAX + 1, 1.5, '100']) {
      refused('malformed', { chunks: [first.with(1, length), second] })
    }
    for (const id of [new Uint8Array(36), new Uint8Array(35), 'bafy', 0]) {
      refused('malformed', { chunks: [first.with(0, id), second] })
    }
    for (const chunks of [[], 'none', [[]], [5], Array.from({ length: 8193 }, () => first)]) {
      refused('malformed', { chunks })
    }
    for (const bad of [
      roots.slice(1),
      [...roots, roots[0]],
      roots.with(0, new Uint8Array(31)),
      'none',
      [1, 2, 3],
    ]) {
      refused('malformed', { roots: bad })
    }
  })

  test('says for which class it is, in the one form of that: so another class is another stripe', () => {
    const chunks = chunksOf([100, 200])
    const plain = codeStripe(chunks, 2, 1)
    const coded = codeStripe(chunks, 2, 1, parseClass('rs2+1'))
    assert.deepEqual(coded.shards, plain.shards)
    assert.notEqual(coded.id, plain.id)
    assert.deepEqual(decodeStripeHeader(coded.headerBytes).class, parseClass('rs2+1'))
    assert.equal(decodeStripeHeader(plain.headerBytes).class, undefined)
    const fields = decodeCbor(plain.headerBytes, 'header') as Record<string, unknown>
    for (const [text, code] of [
      ['rs02+1', 'malformed'],
      ['x'.repeat(33), 'malformed'],
      [21, 'malformed'],
      ['gold', 'unsupported'],
    ] as const) {
      const bytes = encodeCbor({ ...fields, class: text })
      assert.throws(() => decodeStripeHeader(bytes), { code }, `${text}`)
    }
  })

  test('is taken or refused with a stable code, whatever its bytes are', () => {
    const honest = [codeStripe(chunksOf([100, 200]), 2, 1), codeStripe(chunksOf([5]), 1, 0)]
    assertRefusesOnly(
      decodeStripeHeader,
      honest.map(({ headerBytes }) => Uint8Array.from(headerBytes)),
      {
        codes: ['malformed', 'unsupported'],
      },
    )
  })

  test('that was taken has only ranges inside its shards', () => {
    const { headerBytes } = codeStripe(chunksOf([100, 200, 300]), 2, 1)
    const change = fc.tuple(fc.nat(headerBytes.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = Uint8Array.from(headerBytes)
        for (const [at, byte] of changes) bytes[at] = byte
        assertRefusal(() => checkRanges(decodeStripeHeader(bytes)), ['malformed', 'unsupported'])
      }),
      { seed: 2, numRuns: 2000 },
    )
  })
})

function checkRanges(header: StripeHeader): void {
  assert.equal(header.shardRoots.length, header.k + header.m)
  header.chunks.forEach(({ length }, i) => {
    for (const range of shardRanges(header, chunkPosition(header, i), length)) {
      assert.ok(range.shard < header.k && range.offset + range.length <= header.shardBytes)
    }
  })
}

function idOf(seed: number): ChunkId {
  return chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, xorshiftBytes(seed, 32)))
}

function chunksOf(lengths: readonly number[]): Chunk[] {
  return lengths.map((length, i) => ({ id: idOf(i + 1), bytes: xorshiftBytes(i + 1, length) }))
}

/** Bytes of a stripe, out of its data shards. */
function stripeBytes(
  { header, shards }: CodedStripe,
  position: number,
  length: number,
): Uint8Array {
  const parts = shardRanges(header, position, length).map(({ shard, offset, length: count }) => {
    return shards[shard]?.subarray(offset, offset + count) ?? new Uint8Array(0)
  })
  return Uint8Array.from(concatBytes(parts))
}

function subsets(count: number): number[][] {
  const members = Array.from({ length: count }, (_, i) => i)
  return Array.from({ length: 2 ** count }, (_, bits) =>
    members.filter((i) => ((bits >> i) & 1) === 1),
  )
}

/** Decoded arrays may be views of another class: compare what they hold. */
function plain(header: StripeHeader): unknown {
  return { ...header, shardRoots: header.shardRoots.map((root) => [...root]) }
}
