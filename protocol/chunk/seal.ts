// A chunk sealed: convergent encryption (Douceur et al., "Reclaiming Space from Duplicate Files in
// a Serverless Distributed File System", ICDCS 2002) under a secret of the volume, so that equal
// contents are stored once within a volume and say nothing outside it.
//
// A content key seals exactly one message: it is derived from the keyed hash of the plain bytes,
// the codec, the epoch, and where a compressor had a choice, a salt that follows from what it made
// of them. The id is the hash of the sealed bytes: anyone can check a chunk, only readers of the
// volume can open it.
import { concatBytes, equalBytes } from '../bytes.ts'
import { openOnce, sealOnce } from '../cipher.ts'
import { zstdCompress, zstdDecompress } from '../compress.ts'
import { ShoalError, assert, assertNever } from '../errors.ts'
import { HASH_BYTES, blake3, blake3Keyed, deriveKey, hmacSha256, sha256 } from '../hash.ts'
import {
  CODEC_RAW,
  MULTIHASH_BLAKE3,
  MULTIHASH_SHA2_256,
  chunkIdBytes,
  cidDigest,
  cidText,
  encodeCid,
  hexIdBytes,
} from '../ids.ts'
import { CHUNK_PLAIN_MAX } from '../limits.ts'
import type { ChunkId, VolumeId } from '../ids.ts'

/**
 * The hash of a volume's chunks: of their plain bytes (keyed) and of their sealed bytes (their
 * ids).
 */
export type HashName = 'blake3' | 'sha2-256'

/** How plain bytes are packed before sealing: 0 as they are, 1 zstd. Reserved: 2 lz4, 3 xz. */
export type Codec = 0 | 1
/** The codecs that this version reads. */
export const KNOWN_CODECS: readonly Codec[] = [0, 1]

/** Keys of one epoch for readers of a volume. */
export interface ChunkKeys {
  readonly volume: VolumeId
  /** 32 bytes. */
  readonly chunkSecret: Uint8Array
  /**
   * Further secrets of the epoch, begun by two admins at once: what is sealed under them opens too.
   */
  readonly otherSecrets?: readonly Uint8Array[]
  /** The log tells of more secrets of the epoch than this node was given. */
  readonly lacksSome?: boolean
  readonly epoch: number
  readonly hash: HashName
}

/** All that is needed to find a chunk and, with the volume's keys, to open it. */
export interface ChunkRef {
  readonly id: ChunkId
  /** Keyed hash of the plain bytes, 32 bytes. Secret: whoever knows it can open the chunk. */
  readonly plainHash: Uint8Array
  /** Plain bytes, 1..CHUNK_PLAIN_MAX. */
  readonly length: number
  readonly codec: Codec
  readonly epoch: number
}

export interface SealedChunk {
  readonly ref: ChunkRef
  readonly bytes: Uint8Array
}

const KEY_CONTEXT = 'shoal 2026 chunk key v1'
/**
 * Begins a compressed chunk: a later compressor makes other bytes of the same content, which need
 * another key.
 */
const SALT_BYTES = 16
const NO_SALT = new Uint8Array(0)
/** Bytes that the probe looks at, or all of a shorter chunk. */
const PROBE_BYTES = 4096
/**
 * A shorter chunk is not compressed: most are lists of hashes, and a compressor takes longer to be
 * made than to run.
 */
const COMPRESSED_MIN = 256
/** Compression must save more than one part in this many. */
const GAIN_MIN = 16

/**
 * Seal plain bytes of 1..CHUNK_PLAIN_MAX. The same bytes under the same keys seal to the same
 * chunk, as long as the compressor is the same; a chunk packed otherwise has another codec or id
 * and opens all the same.
 */
export function sealChunk(keys: ChunkKeys, plain: Uint8Array): SealedChunk {
  assert(plain.length > 0 && plain.length <= CHUNK_PLAIN_MAX, 'length of a chunk')
  const plainHash = hashPlain(keys.hash, keys.chunkSecret, plain)
  const packed = looksCompressible(plain) ? zstdCompress(plain) : plain
  const codec = packed.length < plain.length - plain.length / GAIN_MIN ? 1 : 0
  const salt = codec === 0 ? NO_SALT : blake3Keyed(plainHash, packed).subarray(0, SALT_BYTES)
  const key = contentKey(plainHash, codec, keys.epoch, salt)
  const box = sealOnce(key, codec === 0 ? plain : packed, hexIdBytes(keys.volume))
  const bytes = codec === 0 ? box : concatBytes([salt, box])
  const id = cidText(cidOf(keys.hash, bytes)) as ChunkId
  return { ref: { id, plainHash, length: plain.length, codec, epoch: keys.epoch }, bytes }
}

/**
 * The plain bytes of a chunk, checked against its id, its tag, its length and its plain hash: the
 * last keeps a member from passing off other bytes as a content that someone may come to reference
 * instead of storing it.
 *
 * keys: those of ref.epoch.
 * throws ShoalError 'corrupt' if `sealed` is not that chunk, 'contradiction' if the chunk is not
 * what `ref` says of it, 'unsupported' for a codec of a later version.
 */
export function openChunk(keys: ChunkKeys, ref: ChunkRef, sealed: Uint8Array): Uint8Array {
  if (KNOWN_CODECS.includes(ref.codec) && !verifyChunk(ref.id, sealed)) {
    throw new ShoalError('corrupt', `chunk ${ref.id} does not match its id`)
  }
  return openVerifiedChunk(keys, ref, sealed)
}

/**
 * As openChunk, of bytes that were compared with the id where they came from: to do that again
 * takes a sixth of the time.
 */
export function openVerifiedChunk(keys: ChunkKeys, ref: ChunkRef, sealed: Uint8Array): Uint8Array {
  assert(keys.epoch === ref.epoch, 'a chunk is opened with the keys of its epoch')
  if (!KNOWN_CODECS.includes(ref.codec)) {
    const message = `chunk ${ref.id} has codec ${String(ref.codec)}, newer than this node`
    throw new ShoalError('unsupported', message)
  }
  const salt = ref.codec === 0 ? NO_SALT : sealed.subarray(0, SALT_BYTES)
  const key = contentKey(ref.plainHash, ref.codec, ref.epoch, salt)
  const packed = opened(ref, () =>
    openOnce(key, sealed.subarray(salt.length), hexIdBytes(keys.volume)),
  )
  const plain = ref.codec === 0 ? packed : opened(ref, () => zstdDecompress(packed, ref.length))
  if (plain.length === ref.length && isOf(keys, plain, ref.plainHash)) return plain
  throw keys.lacksSome === true
    ? new ShoalError('EACCES', `this node lacks a key of epoch ${ref.epoch} for chunk ${ref.id}`)
    : contradiction(ref)
}

/** True if `sealed` is the chunk of this id. */
export function verifyChunk(id: ChunkId, sealed: Uint8Array): boolean {
  const cid = chunkIdBytes(id)
  const digest = cid[2] === MULTIHASH_BLAKE3 ? blake3(sealed) : sha256(sealed)
  return equalBytes(digest, cidDigest(cid))
}

function isOf(
  { hash, chunkSecret, otherSecrets = [] }: ChunkKeys,
  plain: Uint8Array,
  plainHash: Uint8Array,
): boolean {
  const fits = (secret: Uint8Array): boolean =>
    equalBytes(hashPlain(hash, secret, plain), plainHash)
  return fits(chunkSecret) || otherSecrets.some(fits)
}

function hashPlain(hash: HashName, secret: Uint8Array, plain: Uint8Array): Uint8Array {
  switch (hash) {
    case 'blake3':
      return blake3Keyed(secret, plain)
    case 'sha2-256':
      return hmacSha256(secret, plain)
    default:
      return assertNever(hash)
  }
}

function cidOf(hash: HashName, sealed: Uint8Array): Uint8Array {
  return hash === 'blake3'
    ? encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(sealed))
    : encodeCid(CODEC_RAW, MULTIHASH_SHA2_256, sha256(sealed))
}

/** Derived from plain hash (32) || codec (1) || epoch (8, big-endian) || salt. */
function contentKey(
  plainHash: Uint8Array,
  codec: Codec,
  epoch: number,
  salt: Uint8Array,
): Uint8Array {
  const material = new Uint8Array(HASH_BYTES + 9 + salt.length)
  material.set(plainHash)
  material[HASH_BYTES] = codec
  new DataView(material.buffer).setBigUint64(HASH_BYTES + 1, BigInt(epoch))
  material.set(salt, HASH_BYTES + 9)
  return deriveKey(KEY_CONTEXT, material)
}

function opened(ref: ChunkRef, open: () => Uint8Array): Uint8Array {
  try {
    return open()
  } catch (cause) {
    throw contradiction(ref, cause)
  }
}

function contradiction({ id }: ChunkRef, cause?: unknown): ShoalError {
  const message = `chunk ${id} holds other bytes than its reference says`
  return new ShoalError('contradiction', message, { cause })
}

/**
 * A cheap guess at whether compression is worth a try, from the frequencies of PROBE_BYTES bytes
 * spread over the chunk: their collision entropy, without bias, is below 7 bits. That of encrypted,
 * compressed and random bytes is 8.
 */
function looksCompressible(plain: Uint8Array): boolean {
  if (plain.length < COMPRESSED_MIN) return false
  // An odd step meets every residue of the period of fixed-width records.
  const step = Math.floor(plain.length / PROBE_BYTES) | 1
  const counts = new Uint32Array(256)
  let seen = 0
  for (let at = 0; at < plain.length && seen < PROBE_BYTES; at += step, seen++) {
    const byte = plain[at] ?? 0
    counts[byte] = (counts[byte] ?? 0) + 1
  }
  let collisions = 0
  for (const count of counts) collisions += count * (count - 1)
  return collisions > (seen * (seen - 1)) / 128
}
