// The promises of sealing: equal bytes are one chunk, and nothing that was changed or swapped
// opens.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { openChunk, sealChunk, verifyChunk } from '../../protocol/chunk/seal.ts'
import { sealOnce } from '../../protocol/cipher.ts'
import { zstdCompress } from '../../protocol/compress.ts'
import { blake3, blake3Keyed, deriveKey } from '../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, chunkIdFromCid, encodeCid } from '../../protocol/ids.ts'
import { CHUNK_PLAIN_MAX, CHUNK_SEALED_MAX } from '../../protocol/limits.ts'
import type { ChunkKeys, ChunkRef, Codec, SealedChunk } from '../../protocol/chunk/seal.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { xorshiftBytes } from './vectors.ts'

const TEXT = utf8('all work and no play makes jack a dull boy\n'.repeat(2000))
const NOISE = xorshiftBytes(21, 100_000)

describe('seal', () => {
  for (const hash of ['blake3', 'sha2-256'] as const) {
    test(`sealed bytes open to the same bytes (${hash})`, () => {
      const keys = keysOf({ hash })
      const plain = fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 20_000 }),
        fc.constantFrom(TEXT, NOISE, Uint8Array.of(0)),
      )
      fc.assert(
        fc.property(plain, (bytes) => {
          const { ref, bytes: sealed } = sealChunk(keys, bytes)
          assert.ok(verifyChunk(ref.id, sealed))
          assert.equal(Buffer.compare(openChunk(keys, ref, sealed), bytes), 0)
        }),
        { seed: 1, numRuns: 60 },
      )
    })
  }

  test('the same bytes seal to the same chunk, under other keys to another', () => {
    const id = sealChunk(keysOf({}), NOISE).ref.id
    assert.equal(sealChunk(keysOf({}), NOISE).ref.id, id)
    assert.notEqual(sealChunk(keysOf({ epoch: 2 }), NOISE).ref.id, id)
    assert.notEqual(sealChunk(keysOf({ chunkSecret: xorshiftBytes(2, 32) }), NOISE).ref.id, id)
    assert.notEqual(sealChunk(keysOf({ hash: 'sha2-256' }), NOISE).ref.id, id)
  })

  test('compressible bytes are compressed, others are stored as they are', () => {
    const text = sealChunk(keysOf({}), TEXT)
    assert.equal(text.ref.codec, 1)
    assert.ok(text.bytes.length < TEXT.length / 20)
    const noise = sealChunk(keysOf({}), NOISE)
    assert.equal(noise.ref.codec, 0)
    assert.equal(noise.bytes.length, NOISE.length + 16)
  })

  test('the largest chunk seals within its bound', () => {
    const { ref, bytes } = sealChunk(keysOf({}), xorshiftBytes(3, CHUNK_PLAIN_MAX))
    assert.ok(bytes.length <= CHUNK_SEALED_MAX)
    assert.equal(ref.length, CHUNK_PLAIN_MAX)
    assert.throws(() => sealChunk(keysOf({}), new Uint8Array(CHUNK_PLAIN_MAX + 1)), {
      code: 'internal',
    })
    assert.throws(() => sealChunk(keysOf({}), new Uint8Array(0)), { code: 'internal' })
  })

  test('a flipped bit anywhere, a missing byte and an added one are noticed', () => {
    const { ref, bytes } = sealChunk(keysOf({}), NOISE)
    for (const at of [0, 50_000, bytes.length - 1]) {
      const bad = Uint8Array.from(bytes)
      bad[at] = (bad[at] ?? 0) ^ 1
      assert.ok(!verifyChunk(ref.id, bad))
      assert.throws(() => openChunk(keysOf({}), ref, bad), { code: 'corrupt' })
    }
    for (const bad of [
      bytes.subarray(1),
      bytes.subarray(0, -1),
      Buffer.concat([bytes, Buffer.of(0)]),
    ]) {
      assert.throws(() => openChunk(keysOf({}), ref, bad), { code: 'corrupt' })
    }
  })

  test('the wrong keys open nothing', () => {
    const { ref, bytes } = sealChunk(keysOf({}), NOISE)
    const volume = '11'.repeat(32) as VolumeId
    assert.throws(() => openChunk(keysOf({ volume }), ref, bytes), { code: 'contradiction' })
    const chunkSecret = xorshiftBytes(99, 32)
    assert.throws(() => openChunk(keysOf({ chunkSecret }), ref, bytes), { code: 'contradiction' })
    const some = keysOf({ chunkSecret, lacksSome: true })
    assert.throws(() => openChunk(some, ref, bytes), { code: 'EACCES' })
  })

  test('a chunk sealed under any secret of an epoch begun twice opens', () => {
    const [one, two] = [xorshiftBytes(98, 32), xorshiftBytes(99, 32)]
    for (const chunkSecret of [one, two]) {
      const { ref, bytes } = sealChunk(keysOf({ chunkSecret }), NOISE)
      const keys = keysOf({ chunkSecret: one, otherSecrets: [two] })
      assert.equal(toHex(openChunk(keys, ref, bytes)), toHex(NOISE))
    }
  })

  test('a reference that lies about length, hash or codec is noticed', () => {
    const { ref, bytes } = sealChunk(keysOf({}), TEXT)
    for (const lie of [
      { length: ref.length - 1 },
      { length: ref.length + 1 },
      { plainHash: blake3(TEXT) },
      { codec: 0 as const },
    ]) {
      assert.throws(() => openChunk(keysOf({}), { ...ref, ...lie }, bytes), {
        code: 'contradiction',
      })
    }
  })

  test('a member cannot pass other bytes off as a content', () => {
    const forged = sealAs(TEXT, blake3Keyed(keysOf({}).chunkSecret, NOISE), 0)
    assert.throws(() => openChunk(keysOf({}), forged.ref, forged.bytes), { code: 'contradiction' })
  })

  test('a chunk that decompresses to more than its length is not unpacked', () => {
    const bomb = new Uint8Array(CHUNK_PLAIN_MAX)
    const { ref, bytes } = sealAs(zstdCompress(bomb), blake3Keyed(keysOf({}).chunkSecret, bomb), 1)
    assert.throws(() => openChunk(keysOf({}), { ...ref, length: 1000 }, bytes), {
      code: 'contradiction',
    })
  })

  test('the same bytes from another compressor open all the same, and have another key', () => {
    const packed = [1, 19].map((level) =>
      zstdCompressSync(TEXT, { params: { [constants.ZSTD_c_compressionLevel]: level } }),
    )
    const plainHash = blake3Keyed(keysOf({}).chunkSecret, TEXT)
    const sealed = packed.map((frame) => sealAs(frame, plainHash, 1))
    for (const { ref, bytes } of sealed) {
      const plain = openChunk(keysOf({}), { ...ref, length: TEXT.length }, bytes)
      assert.equal(Buffer.compare(plain, TEXT), 0)
    }
    // Under one key the XOR of two ciphertexts is that of the messages, which both begin with the
    // magic of zstd.
    const [one, other] = sealed.map(({ bytes }) => toHex(bytes.subarray(16, 20)))
    assert.notEqual(one, other)
  })

  test('a codec of a later version is unsupported, not corrupt', () => {
    const { ref, bytes } = sealAs(NOISE, blake3Keyed(keysOf({}).chunkSecret, NOISE), 7 as Codec)
    assert.throws(() => openChunk(keysOf({}), ref, bytes), { code: 'unsupported' })
  })
})

function keysOf(other: Partial<ChunkKeys>): ChunkKeys {
  const volume = 'c0ffee00'.repeat(8) as VolumeId
  return { volume, chunkSecret: xorshiftBytes(1, 32), epoch: 1, hash: 'blake3', ...other }
}

/** A chunk that says of itself what an honest writer would not; by docs/formats/data.md. */
function sealAs(packed: Uint8Array, plainHash: Uint8Array, codec: Codec): SealedChunk {
  const keys = keysOf({})
  const epoch = Buffer.alloc(8)
  epoch.writeBigUInt64BE(BigInt(keys.epoch))
  const salt = codec === 0 ? new Uint8Array(0) : blake3Keyed(plainHash, packed).subarray(0, 16)
  const material = Buffer.concat([plainHash, Buffer.of(codec), epoch, salt])
  const key = deriveKey('shoal 2026 chunk key v1', material)
  const bytes = Buffer.concat([salt, sealOnce(key, packed, fromHex(keys.volume))])
  const id = chunkIdFromCid(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(bytes)))
  const ref: ChunkRef = { id, plainHash, length: packed.length, codec, epoch: keys.epoch }
  return { ref, bytes }
}
