// Frames from others: one whole frame within its bounds is taken, whoever made it; nothing else is,
// and finding that out is cheap.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { concatBytes, equalBytes } from '../../protocol/bytes.ts'
import { zstdCompress, zstdDecompress } from '../../protocol/compress.ts'
import { ZSTD_WINDOW_MAX } from '../../protocol/limits.ts'
import { assertRefusal } from './hostile.ts'

const MIB = 1024 * 1024
const MALFORMED = { code: 'malformed' }
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd]

/** A block that repeats a byte. */
const run = (size: number, isLast: boolean): number[] => {
  const head = (isLast ? 1 : 0) | (1 << 1) | (size << 3)
  return [head & 0xff, (head >> 8) & 0xff, head >> 16, 0x81]
}

/** A frame of one byte, with this window: exponent and mantissa as in its descriptor. */
const windowed = (exponent: number, mantissa = 0): Uint8Array =>
  Uint8Array.from([...MAGIC, 0, (exponent << 3) | mantissa, ...run(1, true)])

describe('compression', () => {
  test('a frame of any compressor comes back as it was', () => {
    const options = [-5, 1, 3, 19].flatMap((level) =>
      [0, 1].map((checksum) => ({
        params: {
          [constants.ZSTD_c_compressionLevel]: level,
          [constants.ZSTD_c_checksumFlag]: checksum,
          [constants.ZSTD_c_contentSizeFlag]: 1 - checksum,
        },
      })),
    )
    for (const length of [0, 1, 255, 256, 300, 65_536 + 300, MIB]) {
      const plain = Buffer.alloc(length, 'what is written down stays')
      const frames = [zstdCompress(plain), ...options.map((how) => zstdCompressSync(plain, how))]
      for (const frame of frames) assert.ok(equalBytes(zstdDecompress(frame, length), plain))
    }
  })

  test('output beyond the bound is refused, whether the frame states its size or not', () => {
    const plain = new Uint8Array(5000)
    assert.throws(() => zstdDecompress(zstdCompress(plain), 4999), MALFORMED)
    const params = { [constants.ZSTD_c_contentSizeFlag]: 0 }
    assert.throws(() => zstdDecompress(zstdCompressSync(plain, { params }), 4999), MALFORMED)
    const blocks = Array.from({ length: 1000 }, (_, i) => run(128 * 1024, i === 999)).flat()
    const bomb = Uint8Array.from([...MAGIC, 0, 0x58, ...blocks])
    const before = process.memoryUsage().arrayBuffers
    assert.throws(() => zstdDecompress(bomb, MIB), MALFORMED)
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 * MIB)
  })

  test('a window is at most what RFC 8878 asks a reader to have', () => {
    const exponent = Math.log2(ZSTD_WINDOW_MAX) - 10
    assert.equal(zstdDecompress(windowed(exponent), 10).length, 1)
    for (const [more, mantissa] of [
      [exponent, 1],
      [exponent + 1, 0],
      [31, 7],
    ] as const)
      assert.throws(() => zstdDecompress(windowed(more, mantissa), 10), MALFORMED)
  })

  test('one whole frame is taken, and nothing before, after or in place of it', () => {
    const frame = zstdCompress(Buffer.alloc(1000, 'frame'))
    const skippable = Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9])
    const others = {
      nothing: new Uint8Array(),
      'two frames': concatBytes([frame, frame]),
      'a byte more': concatBytes([frame, Uint8Array.of(0)]),
      'a frame to skip': skippable,
      'a frame to skip before it': concatBytes([skippable, frame]),
      'a dictionary': Uint8Array.from([...MAGIC, 0x01, 0x58, 7, ...run(1, true)]),
      'a reserved bit': Uint8Array.from([...MAGIC, 0x08, 0x58, ...run(1, true)]),
      'a reserved block': Uint8Array.from([...MAGIC, 0, 0x58, 0x07, 0, 0]),
    }
    for (const [what, bytes] of Object.entries(others))
      assert.throws(() => zstdDecompress(bytes, MIB), MALFORMED, what)
    for (let length = 0; length < frame.length; length++)
      assert.throws(() => zstdDecompress(frame.subarray(0, length), MIB), MALFORMED)
  })

  test('random bytes behind a magic number are a frame or malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) =>
        assertRefusal(
          () => zstdDecompress(Uint8Array.from([...MAGIC, ...bytes]), MIB),
          ['malformed'],
        ),
      ),
      { seed: 1, numRuns: 3000 },
    )
  })
})
