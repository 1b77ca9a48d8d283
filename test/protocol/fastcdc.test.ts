// The ends of chunks: by the plain rule of docs/formats/data.md, and stable under insertions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { toHex } from '../../protocol/bytes.ts'
import { Cutter, chunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { blake3, deriveKey } from '../../protocol/hash.ts'
import { CHUNK_PLAIN_MAX } from '../../protocol/limits.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import { xorshiftBytes } from './vectors.ts'

const SECRET = xorshiftBytes(7, 32)
const SMALL: ChunkSizes = { minBytes: 64, averageBytes: 256, maxBytes: 1024 }

describe('fastcdc', () => {
  test('cuts where the plain rule says', () => {
    fc.assert(
      fc.property(content(), fc.integer({ min: 1, max: 1000 }), (bytes, seed) => {
        const secret = xorshiftBytes(seed, 32)
        const expected = referenceCuts(bytes, SMALL, secret)
        assert.deepEqual(cuts(bytes, SMALL, secret), expected)
      }),
      { seed: 1, numRuns: 100 },
    )
  })

  test('cuts where the plain rule says in chunks longer than a block of the kernel', () => {
    const bytes = xorshiftBytes(3, 2 * MIB)
    const sizes = chunkSizes('256k')
    assert.deepEqual(cuts(bytes, sizes, SECRET), referenceCuts(bytes, sizes, SECRET))
  })

  test('asks for more bytes only when they may matter, and then cuts as with all of them', () => {
    const cutter = new Cutter(SMALL, SECRET)
    fc.assert(
      fc.property(content(), fc.nat(1200), (bytes, cutAt) => {
        const seen = bytes.subarray(0, cutAt)
        const length = cutter.next(seen, false)
        if (length > 0) assert.equal(length, cutter.next(bytes, true))
        else assert.ok(seen.length < SMALL.maxBytes && cutter.next(bytes, true) >= seen.length)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('an insertion changes the chunks around it and no others', () => {
    const bytes = xorshiftBytes(4, 100 * KIB)
    const changed = Buffer.concat([
      bytes.subarray(0, 50_000),
      Buffer.from('new'),
      bytes.subarray(50_000),
    ])
    const known = new Set(chunkHashes(bytes))
    const fresh = chunkHashes(changed).filter((hash) => !known.has(hash))
    assert.ok(fresh.length <= 3, `${fresh.length} new chunks`)
  })

  test('every length is within the sizes but that of the last chunk', () => {
    for (const bytes of [xorshiftBytes(5, 50_000), new Uint8Array(50_000)]) {
      const lengths = cuts(bytes, SMALL, SECRET)
      for (const length of lengths.slice(0, -1)) assert.ok(length >= 64 && length <= 1024)
      assert.ok((lengths.at(-1) ?? 0) > 0 && (lengths.at(-1) ?? 0) <= 1024)
    }
  })

  test('the average is near the one in the name', () => {
    const lengths = cuts(xorshiftBytes(6, 8 * MIB), chunkSizes('64k'), SECRET)
    const average = (8 * MIB) / lengths.length / KIB
    assert.ok(average > 56 && average < 88, `${average} KiB`)
  })

  test('another secret cuts elsewhere', () => {
    const bytes = xorshiftBytes(8, 20_000)
    assert.notDeepEqual(cuts(bytes, SMALL, SECRET), cuts(bytes, SMALL, xorshiftBytes(9, 32)))
  })

  test('an empty file has no chunk', () => {
    assert.equal(new Cutter(SMALL, SECRET).next(new Uint8Array(0), true), 0)
  })

  test('the largest chunk of the largest size is the largest there may be', () => {
    assert.deepEqual(chunkSizes('1m'), {
      minBytes: 256 * KIB,
      averageBytes: MIB,
      maxBytes: 4 * MIB,
    })
    assert.equal(chunkSizes('1m').maxBytes, CHUNK_PLAIN_MAX)
  })

  test('sizes that cannot work are refused', () => {
    for (const [minBytes, averageBytes, maxBytes] of [
      [63, 256, 1024],
      [64, 255, 1024],
      [256, 256, 1024],
      [64, 256, 256],
      [64, 256, CHUNK_PLAIN_MAX + 1],
    ] as const) {
      assert.throws(() => new Cutter({ minBytes, averageBytes, maxBytes }, SECRET), {
        code: 'internal',
      })
    }
  })
})

/** Random bytes, runs of one byte, and repetitions. */
function content(): fc.Arbitrary<Uint8Array> {
  const piece = fc.oneof(
    fc
      .tuple(fc.integer({ min: 1, max: 1e9 }), fc.nat(3000))
      .map(([seed, n]) => xorshiftBytes(seed, n)),
    fc.tuple(fc.nat(255), fc.nat(3000)).map(([byte, n]) => new Uint8Array(n).fill(byte)),
  )
  return fc.array(piece, { maxLength: 4 }).map((pieces) => new Uint8Array(Buffer.concat(pieces)))
}

function cuts(bytes: Uint8Array, sizes: ChunkSizes, secret: Uint8Array): number[] {
  const cutter = new Cutter(sizes, secret)
  const lengths: number[] = []
  for (let at = 0; at < bytes.length;) {
    const length = cutter.next(bytes.subarray(at), true)
    assert.ok(length > 0)
    lengths.push(length)
    at += length
  }
  return lengths
}

function chunkHashes(bytes: Uint8Array): string[] {
  let at = 0
  return cuts(bytes, SMALL, SECRET).map((length) =>
    toHex(blake3(bytes.subarray(at, (at += length)))),
  )
}

/** docs/formats/data.md, word for word. */
function referenceCuts(bytes: Uint8Array, sizes: ChunkSizes, secret: Uint8Array): number[] {
  const table = referenceTable(secret)
  const bits = BigInt(Math.log2(sizes.averageBytes))
  const lengths: number[] = []
  for (let start = 0; start < bytes.length;) {
    const rest = bytes.subarray(start)
    const length = referenceLength(rest, sizes, table, bits)
    lengths.push(length)
    start += length
  }
  return lengths
}

function referenceLength(
  bytes: Uint8Array,
  { minBytes, averageBytes, maxBytes }: ChunkSizes,
  table: readonly bigint[],
  bits: bigint,
): number {
  const longest = Math.min(bytes.length, maxBytes)
  let hash = 0n
  // From the chunk's start: what is more than 64 bytes back has left the hash by itself.
  for (let n = 1; n <= longest; n++) {
    hash = BigInt.asUintN(64, (hash << 1n) + (table[bytes[n - 1] ?? 0] ?? 0n))
    if (n === maxBytes) return n
    if (n >= minBytes && hash >> (64n - (n < averageBytes ? bits + 2n : bits - 2n)) === 0n) return n
  }
  return longest
}

function referenceTable(secret: Uint8Array): bigint[] {
  const blocks = Array.from({ length: 64 }, (_, block) =>
    deriveKey('shoal 2026 gear table v1', Buffer.concat([secret, Buffer.of(block)])),
  )
  const bytes = Buffer.concat(blocks)
  return Array.from({ length: 256 }, (_, entry) => bytes.readBigUInt64LE(entry * 8))
}
