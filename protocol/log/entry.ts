// A log entry: header, body, signature (docs/formats/log.md). The hash of the header names the
// entry; the header holds the hash of the body, so chains stay verifiable when bodies are dropped
// or cannot be read.
//
// Invariants of a valid entry: seq = 1 exactly when prev is absent; deps name other actors, sorted,
// each once; hlc is greater than that of prev and of every dep; the signature is the origin key's.
// A governing entry, which speaks of members, keys and policies, can be verified without the rest
// of the log: it has its origin, and names those before it.
import { decodeCanonicalCbor, decodeCbor, encodeCbor } from '../cbor.ts'
import { toHex, fromHex, utf8, compareBytes, equalBytes } from '../bytes.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import { isSeq } from '../clock/vector-clock.ts'
import { ShoalError, assert } from '../errors.ts'
import { blake3, blake3Concat, HASH_BYTES } from '../hash.ts'
import {
  CODEC_DAG_CBOR,
  MULTIHASH_BLAKE3,
  SHORT_ID_BYTES,
  cidText,
  encodeCid,
  peerIdFromPublicKey,
} from '../ids.ts'
import type { ActorId, EntryHash, PeerId, VolumeId } from '../ids.ts'
import { ENTRY_BODY_MAX, ENTRY_DEPS_MAX, ENTRY_MAX, GOVERNED_MAX } from '../limits.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'

const ENTRY_VERSION = 1
const HEADER_FIELDS = 13
/** Items of a header with all its deps, of which each has 3, and of what later versions may add. */
const HEADER_ITEMS_MAX: number = 5 * ENTRY_DEPS_MAX
/** An entry is 3 byte strings, and what later versions may add. */
const PARTS_ITEMS_MAX = 8
/** Bodies that every member may read, keepers too: membership and placement. Others are sealed. */
export const FLAG_CLEAR_BODY = 1
/**
 * Entries about members, keys and policies (protocol/membership/governance.ts): kept for good by
 * every member.
 */
export const FLAG_GOVERNS = 2

export interface Dependency {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: EntryHash
}

/** The identity of an actor; in its first entry, and in governing entries. */
export interface Origin {
  /** Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** 16 random bytes: a new one for each incarnation. */
  readonly nonce: Uint8Array
}

export interface EntryHeader {
  readonly volume: VolumeId
  readonly actor: ActorId
  readonly seq: number
  readonly prev: EntryHash | undefined
  /** Latest entries of the other actors that advanced since prev, sorted by actor. */
  readonly deps: readonly Dependency[]
  readonly hlc: Hlc
  /** The entry that granted the author its role; the volume id for the volume's creator. */
  readonly grant: EntryHash
  readonly epoch: number
  readonly bodyBytes: number
  readonly bodyHash: Uint8Array
  readonly flags: number
  readonly origin: Origin | undefined
  /**
   * In a governing entry, the newest governing entries that its author knew, sorted; otherwise
   * absent. Otherwise absent.
   */
  readonly governed?: readonly EntryHash[] | undefined
}

/** An entry without its body: who has written it can be verified. */
export interface EntryHead {
  readonly header: EntryHeader
  readonly headerBytes: Uint8Array
  readonly hash: EntryHash
  readonly signature: Uint8Array
}

export interface Entry extends EntryHead {
  readonly body: Uint8Array
}

/** The actor id of an identity's incarnation in a volume. */
export function actorIdOf(volume: VolumeId, origin: Origin): ActorId {
  const digest = blake3Concat(
    utf8('shoal/actor/1\0'),
    fromHex(volume),
    origin.publicKey,
    origin.nonce,
  )
  return toHex(digest.subarray(0, SHORT_ID_BYTES)) as ActorId
}

/** Make and sign an entry. `body` is sealed already if it is to be. */
export function signEntry(
  identity: Identity,
  fields: Omit<EntryHeader, 'bodyBytes' | 'bodyHash'>,
  body: Uint8Array,
): Entry {
  const header: EntryHeader = { ...fields, bodyBytes: body.byteLength, bodyHash: blake3(body) }
  const headerBytes = encodeHeader(header)
  const digest = blake3(headerBytes)
  const signature = identity.sign('shoal/entry/1', digest)
  return { header, headerBytes, hash: toHex(digest) as EntryHash, signature, body }
}

/** True for an entry about members, keys and policies. */
export function isGoverning({ flags }: Pick<EntryHeader, 'flags'>): boolean {
  return (flags & FLAG_GOVERNS) !== 0
}

/** True for an entry whose body every member may read. */
export function isClear({ flags }: Pick<EntryHeader, 'flags'>): boolean {
  return (flags & FLAG_CLEAR_BODY) !== 0
}

/** Whoever signed a governing entry, by the key that it has. */
export function authorOfGoverning({ origin }: EntryHeader): PeerId {
  assert(origin !== undefined, 'a governing entry has its origin')
  return peerIdFromPublicKey(origin.publicKey)
}

/** True if the entry is signed by `publicKey`. */
export function verifyEntry(entry: EntryHead, publicKey: Uint8Array): boolean {
  return verifySignature(publicKey, 'shoal/entry/1', fromHex(entry.hash), entry.signature)
}

/** CIDv1 (dag-cbor, BLAKE3) text of an entry, as shown to people. */
export function entryCid(hash: EntryHash): string {
  return cidText(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, fromHex(hash)))
}

/** Wire form: DAG-CBOR [header bytes, signature, body]. */
export function encodeEntry(entry: Entry): Uint8Array {
  return encodeCbor([entry.headerBytes, entry.signature, entry.body])
}

/**
 * Inverse of encodeEntry; checks shape, bounds and the body hash, not the signature. throws
 * ShoalError 'malformed'.
 */
export function decodeEntry(bytes: Uint8Array): Entry {
  const [headerBytes, signature, body] = decodeParts(bytes)
  return withBody(decodeHead(headerBytes, signature), body)
}

/**
 * The part of an entry that names and proves it; checks its shape, not the signature. throws
 * ShoalError 'malformed'.
 */
export function decodeHead(headerBytes: Uint8Array, signature: Uint8Array): EntryHead {
  const header = decodeHeader(decodeCanonicalCbor(headerBytes, 'entry header', HEADER_ITEMS_MAX))
  return { header, headerBytes, hash: toHex(blake3(headerBytes)) as EntryHash, signature }
}

/** The whole entry. throws ShoalError 'malformed' if this is not its body. */
export function withBody(head: EntryHead, body: Uint8Array): Entry {
  const { actor, seq, bodyBytes, bodyHash } = head.header
  if (bodyBytes !== body.length || !equalBytes(blake3(body), bodyHash))
    throw new ShoalError('malformed', `entry ${actor}:${seq} has another body than it says`)
  return { ...head, body }
}

/**
 * As decodeEntry, of bytes that it has taken before, as an entry with this hash: that is not
 * checked again.
 */
export function decodeKnownEntry(bytes: Uint8Array, hash: EntryHash): Entry {
  const [headerBytes, signature, body] = decodeParts(bytes)
  const header = decodeHeader(decodeCbor(headerBytes, 'entry header', HEADER_ITEMS_MAX))
  return { header, headerBytes, hash, signature, body }
}

function decodeParts(bytes: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] {
  if (bytes.length > ENTRY_MAX) throw new ShoalError('malformed', 'an entry is too long')
  const value = decodeCbor(bytes, 'entry', PARTS_ITEMS_MAX)
  const [headerBytes, signature, body] = Array.isArray(value) ? (value as readonly unknown[]) : []
  if (
    !(headerBytes instanceof Uint8Array) ||
    !(signature instanceof Uint8Array) ||
    !(body instanceof Uint8Array) ||
    signature.length !== SIGNATURE_BYTES ||
    body.length > ENTRY_BODY_MAX
  ) {
    throw new ShoalError('malformed', 'an entry is not [header, signature, body]')
  }
  return [headerBytes, signature, body]
}

function encodeHeader(header: EntryHeader): Uint8Array {
  return encodeCbor([
    ENTRY_VERSION,
    fromHex(header.volume),
    fromHex(header.actor),
    header.seq,
    header.prev === undefined ? null : fromHex(header.prev),
    header.deps.map((dep) => [fromHex(dep.actor), dep.seq, fromHex(dep.hash)]),
    header.hlc,
    fromHex(header.grant),
    header.epoch,
    header.bodyBytes,
    header.bodyHash,
    header.flags,
    header.origin === undefined ? null : [header.origin.publicKey, header.origin.nonce],
    ...(header.governed === undefined ? [] : [header.governed.map(fromHex)]),
  ])
}

function decodeHeader(value: unknown): EntryHeader {
  const fields: readonly unknown[] = Array.isArray(value) ? value : []
  if (count(fields[0], 'version', 2 ** 31) !== ENTRY_VERSION) {
    throw new ShoalError(
      'unsupported',
      `entry version ${String(fields[0])} is not known to this node`,
    )
  }
  if (fields.length < HEADER_FIELDS)
    throw new ShoalError('malformed', 'an entry header is too short')
  const seq = fields[3]
  if (!isSeq(seq)) throw new ShoalError('malformed', 'an entry header has a bad seq')
  const flags = count(fields[11], 'flags', 2 ** 31)
  const governs = isGoverning({ flags })
  const header: EntryHeader = {
    volume: hash32(fields[1], 'volume') as VolumeId,
    actor: id16(fields[2], 'actor') as ActorId,
    seq,
    prev: fields[4] === null ? undefined : (hash32(fields[4], 'prev') as EntryHash),
    deps: decodeDeps(fields[5]),
    hlc: decodeHlc(fields[6]),
    grant: hash32(fields[7], 'grant') as EntryHash,
    epoch: count(fields[8], 'epoch', 2 ** 32),
    bodyBytes: count(fields[9], 'body length', ENTRY_BODY_MAX),
    bodyHash: fromHex(hash32(fields[10], 'body hash')),
    flags,
    origin: decodeOrigin(fields[12]),
    ...(governs ? { governed: decodeGoverned(fields[13]) } : {}),
  }
  const first = seq === 1
  if (
    first !== (header.prev === undefined) ||
    (first || governs) !== (header.origin !== undefined)
  ) {
    throw new ShoalError('malformed', 'an entry has prev and origin that do not fit its seq')
  }
  return header
}

function decodeDeps(value: unknown): Dependency[] {
  if (!Array.isArray(value) || value.length > ENTRY_DEPS_MAX) {
    throw new ShoalError('malformed', 'the deps of an entry are not a list within its bound')
  }
  let before: Uint8Array | undefined
  return (value as readonly unknown[]).map((item) => {
    const [actor, seq, hash] = Array.isArray(item) ? (item as readonly unknown[]) : []
    if (!(actor instanceof Uint8Array) || !isSeq(seq)) {
      throw new ShoalError('malformed', 'an entry has a malformed dep')
    }
    if (before !== undefined && compareBytes(before, actor) >= 0) {
      throw new ShoalError('malformed', 'the deps of an entry are not sorted')
    }
    before = actor
    return {
      actor: id16(actor, 'dep') as ActorId,
      seq,
      hash: hash32(hash, 'dep hash') as EntryHash,
    }
  })
}

function decodeGoverned(value: unknown): EntryHash[] {
  if (!Array.isArray(value) || value.length > GOVERNED_MAX)
    throw new ShoalError('malformed', 'an entry names no governing entries within their bound')
  const hashes = (value as readonly unknown[]).map((item) => hash32(item, 'governing entry'))
  if (hashes.some((hash, index) => index > 0 && hash <= (hashes[index - 1] ?? '')))
    throw new ShoalError('malformed', 'the governing entries that an entry names are not sorted')
  return hashes as EntryHash[]
}

function decodeOrigin(value: unknown): Origin | undefined {
  if (value === null) return undefined
  const [publicKey, nonce] = Array.isArray(value) ? (value as readonly unknown[]) : []
  return {
    publicKey: fromHex(hash32(publicKey, 'origin key')),
    nonce: fromHex(id16(nonce, 'origin nonce')),
  }
}

function hash32(value: unknown, what: string): string {
  if (!(value instanceof Uint8Array) || value.length !== HASH_BYTES) {
    throw new ShoalError('malformed', `${what} is not ${HASH_BYTES} bytes`)
  }
  return toHex(value)
}

function id16(value: unknown, what: string): string {
  if (!(value instanceof Uint8Array) || value.length !== SHORT_ID_BYTES) {
    throw new ShoalError('malformed', `${what} is not ${SHORT_ID_BYTES} bytes`)
  }
  return toHex(value)
}

function count(value: unknown, what: string, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    throw new ShoalError('malformed', `${what} of an entry is not in 0..${max}`)
  }
  return value
}
