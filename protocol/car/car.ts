// CARv1 (https://ipld.io/specs/transport/car/carv1/): a header that names the roots, then sections
// of one block each: length as a varint, CID, bytes. Of CARv2 only the way to the CARv1 within it.
// Lengths are checked before anything is made of them. Also what is needed of CIDs: a block is
// known by its hash, whatever codec a link to it names.
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { concatBytes, equalBytes } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES, blake3, sha256 } from '../hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, MULTIHASH_SHA2_256 } from '../ids.ts'
import { CAR_ROOTS_MAX } from '../limits.ts'
import type { CODEC_DAG_CBOR } from '../ids.ts'

/** A parsed CID of any version, with its text form. */
export type Cid = CID

export interface Block {
  readonly cid: Cid
  readonly bytes: Uint8Array
}

/** Codec of UnixFS nodes. */
export const CODEC_DAG_PB = 0x70
/** Bytes that are in the CID itself, and in no block. */
export const MULTIHASH_IDENTITY = 0x00
/** Bytes of a number of up to 2^53 in seven bits each. */
export const VARINT_BYTES_MAX = 8
/**
 * Length of the header of a CARv2 between its pragma and the CARv1: characteristics, then offset
 * and size of the CARv1, then offset of the index.
 */
export const CAR_V2_HEADER_BYTES = 40
/** A CID at the start of a section is no longer. */
export const CID_BYTES_MAX = 128
const HEADER_ITEMS_MAX: number = CAR_ROOTS_MAX + 32

/** A CAR header: the roots, or the pragma of a CARv2, whose own header follows. */
export type CarHeader =
  { readonly version: 1; readonly roots: readonly Cid[] } | { readonly version: 2 }

/** With the length that precedes it. Its length is the same for every root of a 32-byte hash. */
export function encodeCarHeader(root: Cid): Uint8Array {
  const body = encodeCbor({ roots: [root], version: 1 })
  return concatBytes([encodeVarint(body.length), body])
}

/**
 * A header without its length. throws ShoalError 'malformed', 'unsupported' for a later version.
 */
export function decodeCarHeader(bytes: Uint8Array): CarHeader {
  const fields = new Fields(
    decodeCbor(bytes, 'the header of the archive', HEADER_ITEMS_MAX),
    'the header',
  )
  const version = fields.integer('version')
  if (version === 2) return { version }
  if (version !== 1)
    throw new ShoalError('unsupported', `the archive is a CAR of version ${version}, not 1 or 2`)
  const roots = fields.list('roots', CAR_ROOTS_MAX).map((root) => {
    const cid = CID.asCID(root as CID)
    if (cid === null) throw new ShoalError('malformed', 'a root of the archive is not a CID')
    return cid
  })
  return { version, roots }
}

/** Encodes the bytes that precede a block of this length. */
export function encodeSectionHead(cid: Uint8Array, length: number): Uint8Array {
  return concatBytes([encodeVarint(cid.length + length), cid])
}

/** The position of the CARv1 in a CARv2. throws ShoalError 'malformed'. */
export function decodeCarV2Header(bytes: Uint8Array): { offset: number; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [offset, length] = [16, 24].map((at) => Number(view.getBigUint64(at, true)))
  if (offset === undefined || length === undefined || !Number.isSafeInteger(offset + length))
    throw new ShoalError('malformed', 'the CARv2 header of the archive names no place in it')
  return { offset, length }
}

/** The CID at the start of a section's bytes. throws ShoalError 'malformed'. */
export function decodeCid(bytes: Uint8Array): Cid {
  try {
    return CID.decodeFirst(bytes)[0]
  } catch (cause) {
    throw new ShoalError('malformed', 'no CID where one belongs', { cause })
  }
}

/** Decodes a CID that takes up all of `bytes`. throws ShoalError 'malformed'. */
export function cidOfBytes(bytes: Uint8Array): Cid {
  const cid = decodeCid(bytes)
  if (cid.bytes.length !== bytes.length)
    throw new ShoalError('malformed', `more than a CID where ${String(cid)} is`)
  return cid
}

/** throws ShoalError 'malformed'. */
export function parseCid(text: string): Cid {
  try {
    return CID.parse(text)
  } catch (cause) {
    throw new ShoalError('malformed', `"${text}" is not a CID`, { cause })
  }
}

/** CIDv1 of a DAG-CBOR block, or a dag-pb one, by SHA2-256, which every tool knows. */
export function sha256Cid(
  codec: typeof CODEC_DAG_CBOR | typeof CODEC_DAG_PB,
  bytes: Uint8Array,
): Cid {
  return CID.createV1(codec, createDigest(MULTIHASH_SHA2_256, sha256(bytes)))
}

/** As long as any other of a 32-byte hash: stands in a header until the root is known. */
export const UNKNOWN_ROOT: Cid = CID.createV1(
  CODEC_RAW,
  createDigest(MULTIHASH_SHA2_256, new Uint8Array(HASH_BYTES)),
)

/**
 * Are the bytes what the CID names? throws ShoalError 'unsupported' for a hash that is not known
 * here.
 */
export function isBlockOf(cid: Cid, bytes: Uint8Array): boolean {
  const { code, digest } = cid.multihash
  switch (code) {
    case MULTIHASH_SHA2_256:
      return equalBytes(sha256(bytes), digest)
    case MULTIHASH_BLAKE3:
      return equalBytes(blake3(bytes), digest)
    case MULTIHASH_IDENTITY:
      return equalBytes(bytes, digest)
    default:
      throw new ShoalError(
        'unsupported',
        `block ${String(cid)} is hashed by multihash 0x${code.toString(16)}; known here are SHA2-256 and BLAKE3`,
      )
  }
}

/** Seven bits a byte, least first (https://github.com/multiformats/unsigned-varint). */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  return Uint8Array.from([...bytes, rest])
}

/**
 * The number at the start of `bytes`, and its length. throws ShoalError 'malformed' unless it ends,
 * and is below 2^53.
 */
export function decodeVarint(bytes: Uint8Array): { value: number; length: number } {
  let value = 0
  for (let at = 0; at < Math.min(bytes.length, VARINT_BYTES_MAX); at++) {
    const byte = bytes[at] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80 && Number.isSafeInteger(value)) return { value, length: at + 1 }
  }
  throw new ShoalError('malformed', 'no length where one belongs')
}
