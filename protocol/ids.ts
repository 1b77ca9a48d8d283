// Ids: branded strings, each with one canonical text form, which is also the Map key. Raw bytes
// only on the wire.
import { base32 } from 'multiformats/bases/base32'
import { base58btc } from 'multiformats/bases/base58'
import { fromByteString, fromHex, toByteString, toHex } from './bytes.ts'
import type { ByteString } from './bytes.ts'
import { ShoalError } from './errors.ts'
import { HASH_BYTES } from './hash.ts'
import { divCeil } from './units.ts'

/** libp2p PeerId text of an Ed25519 key ("12D3Koo..."); the identity of a node. */
export type PeerId = string & { readonly brand: 'PeerId' }
/** Hex of the 32-byte BLAKE3 hash of the volume's genesis document. */
export type VolumeId = string & { readonly brand: 'VolumeId' }
/** Hex of 16 bytes: an actor, one incarnation of one peer in one volume. */
export type ActorId = string & { readonly brand: 'ActorId' }
/** Hex of the 32-byte hash of an entry's header. */
export type EntryHash = string & { readonly brand: 'EntryHash' }
/** Hex of 16 bytes: a directory, inode or link in the tree. */
export type NodeId = string & { readonly brand: 'NodeId' }
/** CIDv1 text (raw, base32) of a sealed chunk. */
export type ChunkId = string & { readonly brand: 'ChunkId' }
/** CIDv1 text (dag-cbor, base32) of a stripe header. */
export type StripeId = string & { readonly brand: 'StripeId' }
/** Hex of 16 bytes: an object of a cold tier that holds stripes. */
export type PackId = string & { readonly brand: 'PackId' }
/** Hex of 32 bytes: the hash of a head of a backup. */
export type BackupHeadId = string & { readonly brand: 'BackupHeadId' }

/** Multicodec and multihash codes used here (https://github.com/multiformats/multicodec). */
export const CODEC_RAW = 0x55
export const CODEC_DAG_CBOR = 0x71
export const MULTIHASH_BLAKE3 = 0x1e
export const MULTIHASH_SHA2_256 = 0x12

/** Chars of a peer id; those of Ed25519 have 52. */
const PEER_ID_CHARS_MAX = 64
/** Bytes of an actor id and of a tree node id. */
export const SHORT_ID_BYTES = 16
export const PACK_ID_BYTES = 16
/** Bytes of a CIDv1 with a one-byte codec and a 32-byte digest. */
export const CID_BYTES: number = 4 + HASH_BYTES
const CID_TEXT_LENGTH = 1 + divCeil(CID_BYTES * 8, 5)

/** CIDv1 bytes of a digest. `codec` and `multihash` are single-byte varints. */
export function encodeCid(codec: number, multihash: number, digest: Uint8Array): Uint8Array {
  const out = new Uint8Array(CID_BYTES)
  out[0] = 1
  out[1] = codec
  out[2] = multihash
  out[3] = HASH_BYTES
  out.set(digest, 4)
  return out
}

/** Base32 (RFC 4648, lower case, no padding) of bytes. */
export function toBase32(bytes: Uint8Array): string {
  return base32.baseEncode(bytes)
}

/** Inverse of toBase32. throws ShoalError 'malformed'. */
export function fromBase32(text: string): Uint8Array {
  try {
    return base32.baseDecode(text)
  } catch (cause) {
    throw new ShoalError('malformed', 'text is not base32', { cause })
  }
}

/** Canonical text (multibase base32) of CID bytes. */
export function cidText(cid: Uint8Array): string {
  return base32.encode(cid)
}

/**
 * CID bytes of canonical text, checked.
 * throws ShoalError 'malformed' if it is not a CIDv1 with `codec` and a 32-byte digest of a known
 * hash.
 */
export function cidBytes(text: string, codec: number): Uint8Array {
  let cid: Uint8Array
  try {
    // Padding is not canonical, but the decoder takes it.
    cid = text.length === CID_TEXT_LENGTH ? base32.decode(text) : new Uint8Array()
  } catch (cause) {
    throw new ShoalError('malformed', `"${text}" is not a CID in base32`, { cause })
  }
  checkCid(cid, codec)
  return cid
}

/**
 * throws ShoalError 'malformed' unless `cid` is a CIDv1 of `codec` with a 32-byte digest of a known
 * hash.
 */
export function checkCid(cid: Uint8Array, codec: number): void {
  const known = cid[2] === MULTIHASH_BLAKE3 || cid[2] === MULTIHASH_SHA2_256
  if (
    cid.length !== CID_BYTES ||
    cid[0] !== 1 ||
    cid[1] !== codec ||
    !known ||
    cid[3] !== HASH_BYTES
  ) {
    throw new ShoalError(
      'malformed',
      `${toHex(cid.subarray(0, 8))}... is not a CIDv1 of codec ${codec}`,
    )
  }
}

/** The digest part of CID bytes. */
export function cidDigest(cid: Uint8Array): Uint8Array {
  return cid.subarray(4)
}

export function chunkIdFromCid(cid: Uint8Array): ChunkId {
  checkCid(cid, CODEC_RAW)
  return cidText(cid) as ChunkId
}

export function chunkIdBytes(id: ChunkId): Uint8Array {
  return cidBytes(id, CODEC_RAW)
}

export function stripeIdFromCid(cid: Uint8Array): StripeId {
  checkCid(cid, CODEC_DAG_CBOR)
  return cidText(cid) as StripeId
}

export function stripeIdBytes(id: StripeId): Uint8Array {
  return cidBytes(id, CODEC_DAG_CBOR)
}

/** Hex id of exactly `length` bytes; throws ShoalError 'malformed' otherwise. */
export function hexId<Id extends string>(bytes: Uint8Array, length: number, what: string): Id {
  if (bytes.byteLength !== length) {
    throw new ShoalError('malformed', `${what} has ${bytes.byteLength} bytes, expected ${length}`)
  }
  return toHex(bytes) as Id
}

/** throws ShoalError 'malformed'. */
export function packIdFromBytes(bytes: Uint8Array): PackId {
  return hexId<PackId>(bytes, PACK_ID_BYTES, 'pack id')
}

/** Raw bytes of an id whose text form is hex. */
export function hexIdBytes(
  id: VolumeId | ActorId | EntryHash | NodeId | PackId | BackupHeadId,
): Uint8Array {
  return fromHex(id)
}

// A libp2p PeerId of an Ed25519 key is the identity multihash of the protobuf-encoded public key
// (https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md).
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

// Base58 takes some microseconds, on the path of each op: both forms of those that are heard of are
// kept.
const peerIds = new Map<ByteString, PeerId>()
const publicKeys = new Map<string, ByteString>()
const PEERS_KEPT_MAX = 1024

function keepPeer(peer: PeerId, publicKey: ByteString): void {
  for (const kept of [peerIds, publicKeys]) if (kept.size >= PEERS_KEPT_MAX) kept.clear()
  peerIds.set(publicKey, peer)
  publicKeys.set(peer, publicKey)
}

/** PeerId of a 32-byte Ed25519 public key. */
export function peerIdFromPublicKey(publicKey: Uint8Array): PeerId {
  if (publicKey.byteLength !== 32) {
    throw new ShoalError('malformed', `public key has ${publicKey.byteLength} bytes, expected 32`)
  }
  const key = toByteString(publicKey)
  const known = peerIds.get(key)
  if (known !== undefined) return known
  const out = new Uint8Array(PEER_ID_PREFIX.length + 32)
  out.set(PEER_ID_PREFIX)
  out.set(publicKey, PEER_ID_PREFIX.length)
  const peer = base58btc.baseEncode(out) as PeerId
  keepPeer(peer, key)
  return peer
}

/** The 32-byte Ed25519 public key in a PeerId. throws ShoalError 'malformed'. */
export function publicKeyOf(peer: string): Uint8Array {
  const known = publicKeys.get(peer)
  if (known !== undefined) return new Uint8Array(fromByteString(known))
  // The time that it takes to decode grows with the square of the length.
  if (peer.length > PEER_ID_CHARS_MAX)
    throw new ShoalError('malformed', `${peer.length} characters are not a peer id`)
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(peer)
  } catch (cause) {
    throw new ShoalError('malformed', `"${peer}" is not a peer id`, { cause })
  }
  const prefixed = PEER_ID_PREFIX.every((byte, i) => bytes[i] === byte)
  if (!prefixed || bytes.length !== PEER_ID_PREFIX.length + 32) {
    throw new ShoalError('malformed', `"${peer}" is not the id of an Ed25519 peer`)
  }
  const publicKey = bytes.subarray(PEER_ID_PREFIX.length)
  keepPeer(peer as PeerId, toByteString(publicKey))
  return publicKey
}

/** A PeerId from text, checked. throws ShoalError 'malformed'. */
export function parsePeerId(text: string): PeerId {
  publicKeyOf(text)
  return text as PeerId
}
