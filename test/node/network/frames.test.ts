// Frames on a stream of bytes, against docs/formats/network.md.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { FrameDecoder, encodeFrame } from '../../../node/world/libp2p/frames.ts'
import { concatBytes, fromHex, toHex, utf8 } from '../../../protocol/bytes.ts'
import { hasCode } from '../../../protocol/errors.ts'
import { FRAME_MAX } from '../../../protocol/limits.ts'

function decoded(pieces: readonly Uint8Array[]): { frames: Uint8Array[]; insideFrame: boolean } {
  const frames: Uint8Array[] = []
  const decoder = new FrameDecoder((frame) => frames.push(frame))
  for (const piece of pieces) decoder.push(piece)
  return { frames, insideFrame: decoder.insideFrame }
}

describe('frames', () => {
  test('a frame is its length as u32 big-endian, then its bytes, as documented', () => {
    const bytes = concatBytes(encodeFrame([utf8('sho'), utf8('al')]))
    assert.equal(toHex(bytes), '0000000573686f616c')
  })

  test('frames are decoded as they were encoded, however the bytes are split', () => {
    const part = fc.uint8Array({ maxLength: 40 })
    const frames = fc.array(fc.array(part, { maxLength: 4 }), { maxLength: 6 })
    const cuts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(frames, cuts, (all, lengths) => {
        const bytes = concatBytes(all.flatMap((parts) => encodeFrame(parts)))
        const pieces: Uint8Array[] = []
        for (let offset = 0, i = 0; offset < bytes.byteLength; i++) {
          const length = lengths[i % lengths.length] ?? 1
          pieces.push(bytes.subarray(offset, offset + length))
          offset += length
        }
        const expected = all.map((parts) => new Uint8Array(concatBytes(parts)))
        assert.deepEqual(decoded(pieces), { frames: expected, insideFrame: false })
      }),
      { seed: 7 },
    )
  })

  test('large parts are sent in blocks, without a copy', () => {
    const part = new Uint8Array(1024 * 1024)
    const blocks = encodeFrame([utf8('head'), part])
    assert.equal(blocks.filter(({ buffer }) => buffer === part.buffer).length, 4)
    assert.equal(concatBytes(blocks).byteLength, 4 + 4 + part.byteLength)
  })

  test('the largest frame passes, and one byte more is malformed on both sides', () => {
    const isMalformed = (error: unknown): boolean => hasCode(error, 'malformed')
    const largest = new Uint8Array(FRAME_MAX)
    assert.equal(decoded(encodeFrame([largest])).frames[0]?.byteLength, FRAME_MAX)
    assert.throws(() => encodeFrame([largest, utf8('x')]), isMalformed)
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, FRAME_MAX + 1)
    assert.throws(() => decoded([length]), isMalformed)
    assert.throws(() => decoded([fromHex('ffff'), fromHex('ffff')]), isMalformed)
  })

  test('a decoder knows when it is inside a frame', () => {
    assert.equal(decoded([fromHex('00')]).insideFrame, true)
    assert.equal(decoded([fromHex('00000002ff')]).insideFrame, true)
    assert.equal(decoded([fromHex('00000002ffff')]).insideFrame, false)
  })
})
