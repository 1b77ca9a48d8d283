// The keys of the ordered store and the values of the local index (docs/formats/store.md). Integers
// are big-endian.
import { STORE_PREFIXES } from './key-prefixes.ts'
import { concatBytes, fromByteString, toByteString } from '../../protocol/bytes.ts'
import { assert, ShoalError } from '../../protocol/errors.ts'
import {
  CID_BYTES,
  chunkIdBytes,
  chunkIdFromCid,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { SegmentsEnd } from './segments-end.ts'

export const CHUNK_PREFIX: ByteString = STORE_PREFIXES.chunk
export const SHARD_PREFIX: ByteString = STORE_PREFIXES.shard
export const HEADER_PREFIX: ByteString = STORE_PREFIXES.header
export const TRASH_PREFIX: ByteString = STORE_PREFIXES.trash
export const SEGMENT_PREFIX: ByteString = STORE_PREFIXES.segment
export const STRAY_PREFIX: ByteString = STORE_PREFIXES.orphanShard
const META_PREFIX: ByteString = STORE_PREFIXES.meta

/**
 * The place of a record's payload: segment number, offset of the payload's first byte in it, its
 * length.
 */
export interface Address {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/**
 * A local shard: the payload of its record has `prefixBytes` (the stripe header and its length)
 * before the shard.
 */
export interface ShardPointer {
  readonly index: number
  readonly address: Address
  readonly prefixBytes: number
}

/** A shard that is no longer held, and kept a while: since when. */
export interface TrashedShard {
  readonly pointer: ShardPointer
  readonly sinceMs: WallTime
}

/** Bytes of a segment, and of its records that the index points at, heads included. */
export interface SegmentRow {
  readonly bytes: number
  readonly liveBytes: number
}

/** How far the index is known to cover the segments, and the counters at that point. */
export interface Checkpoint {
  readonly segment: number
  readonly offset: number
  readonly chunkBytes: number
  readonly shardBytes: number
  readonly trashBytes: number
}

/** The checkpoint of a store that has no segments yet. */
export const FIRST_CHECKPOINT: Checkpoint = {
  segment: 1,
  offset: 0,
  chunkBytes: 0,
  shardBytes: 0,
  trashBytes: 0,
}

/** Chunk -> address of its sealed bytes. */
export function chunkKey(id: ChunkId): ByteString {
  return CHUNK_PREFIX + toByteString(chunkIdBytes(id))
}

/** Stripe -> the pointers of its local shards, by index. */
export function shardKey(stripe: StripeId): ByteString {
  return SHARD_PREFIX + toByteString(stripeIdBytes(stripe))
}

/** Stripe -> its header, held while a shard of it is. */
export function headerKey(stripe: StripeId): ByteString {
  return HEADER_PREFIX + toByteString(stripeIdBytes(stripe))
}

/** Shard in the trash -> where it is, and since when it is trash. */
export function trashKey(stripe: StripeId, index: number): ByteString {
  return TRASH_PREFIX + toByteString(stripeIdBytes(stripe)) + String.fromCharCode(index)
}

/** Shard held here that no map ascribes to this node -> since when that is known. */
export function strayKey(stripe: StripeId, index: number): ByteString {
  return STRAY_PREFIX + toByteString(stripeIdBytes(stripe)) + String.fromCharCode(index)
}

/** Segment -> what it holds. */
export function segmentKey(segment: number): ByteString {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, segment)
  return SEGMENT_PREFIX + toByteString(bytes)
}

/** -> the checkpoint of the segments. */
export function checkpointKey(): ByteString {
  return `${META_PREFIX}checkpoint`
}

/** -> up to where the segments were whole when they were last recovered, if they were not. */
export function wholeKey(): ByteString {
  return `${META_PREFIX}whole`
}

/** -> how far the pass over all that is stored is. */
export function scrubKey(): ByteString {
  return `${META_PREFIX}scrub`
}

/** -> how much of what is stored was found damaged, and when last. */
export function damageKey(): ByteString {
  return `${META_PREFIX}damage`
}

/** -> the disk identity of the home when the node last ran. */
export function deviceKey(): ByteString {
  return `${META_PREFIX}device`
}

/** -> how often the node started and ended at once. */
export function startsKey(): ByteString {
  return `${META_PREFIX}starts`
}

/** The chunk of a chunk key. */
export function chunkOfKey(key: ByteString): ChunkId {
  return chunkIdFromCid(fromByteString(key.slice(CHUNK_PREFIX.length)))
}

/** The stripe of a key that begins with its id: of a shard, of trash. */
export function stripeOfKey(key: ByteString): StripeId {
  const start = SHARD_PREFIX.length
  return stripeIdFromCid(fromByteString(key.slice(start, start + CID_BYTES)))
}

/** The segment of a segment key. */
export function segmentOfKey(key: ByteString): number {
  const bytes = fromByteString(key.slice(SEGMENT_PREFIX.length))
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0)
}

/** All keys that begin with `prefix` (not empty, its last byte below 255). */
export function prefixRange(prefix: ByteString): { from: ByteString; to: ByteString } {
  const last = prefix.length - 1
  return {
    from: prefix,
    to: prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1),
  }
}

const ADDRESS_BYTES = 12
const POINTER_BYTES: number = 1 + ADDRESS_BYTES + 4
const SINCE_BYTES = 8
const PAIR_BYTES = 8
const CHECKPOINT_VERSION = 2
const CHECKPOINT_BYTES = 33

export function encodeAddress(address: Address): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES)
  putAddress(new DataView(bytes.buffer), 0, address)
  return bytes
}

export function decodeAddress(bytes: Uint8Array): Address {
  return getAddress(viewOf(bytes, bytes.byteLength === ADDRESS_BYTES, 'a chunk'), 0)
}

export function encodePointers(pointers: readonly ShardPointer[]): Uint8Array {
  const bytes = new Uint8Array(pointers.length * POINTER_BYTES)
  const view = new DataView(bytes.buffer)
  for (const [i, pointer] of pointers.entries()) {
    view.setUint8(i * POINTER_BYTES, pointer.index)
    putAddress(view, i * POINTER_BYTES + 1, pointer.address)
    view.setUint32(i * POINTER_BYTES + 1 + ADDRESS_BYTES, pointer.prefixBytes)
  }
  return bytes
}

export function decodePointers(bytes: Uint8Array): readonly ShardPointer[] {
  const view = viewOf(bytes, bytes.byteLength % POINTER_BYTES === 0, 'a shard')
  return Array.from({ length: bytes.byteLength / POINTER_BYTES }, (_, i) => ({
    index: view.getUint8(i * POINTER_BYTES),
    address: getAddress(view, i * POINTER_BYTES + 1),
    prefixBytes: view.getUint32(i * POINTER_BYTES + 1 + ADDRESS_BYTES),
  }))
}

export function encodeTrash({ pointer, sinceMs }: TrashedShard): Uint8Array {
  const since = new Uint8Array(SINCE_BYTES)
  new DataView(since.buffer).setBigUint64(0, BigInt(Math.floor(sinceMs)))
  return concatBytes([since, encodePointers([pointer])])
}

export function decodeTrash(bytes: Uint8Array): TrashedShard {
  const isWhole = bytes.byteLength === SINCE_BYTES + POINTER_BYTES
  const view = viewOf(bytes, isWhole, 'a shard in the trash')
  const [pointer] = decodePointers(bytes.subarray(SINCE_BYTES))
  assert(pointer !== undefined, 'a pointer was read')
  return { pointer, sinceMs: Number(view.getBigUint64(0)) as WallTime }
}

export function encodeEnd({ segment, offset }: SegmentsEnd): Uint8Array {
  return encodePair(segment, offset)
}

export function decodeEnd(encoded: Uint8Array): SegmentsEnd {
  const [segment, offset] = decodePair(encoded, 'where the segments were whole')
  return { segment, offset }
}

export function encodeSegmentRow({ bytes, liveBytes }: SegmentRow): Uint8Array {
  return encodePair(bytes, liveBytes)
}

export function decodeSegmentRow(encoded: Uint8Array): SegmentRow {
  const [bytes, liveBytes] = decodePair(encoded, 'a segment')
  return { bytes, liveBytes }
}

/** Two numbers of 32 bits. */
function encodePair(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(PAIR_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, first)
  view.setUint32(4, second)
  return bytes
}

function decodePair(bytes: Uint8Array, what: string): [number, number] {
  const view = viewOf(bytes, bytes.byteLength === PAIR_BYTES, what)
  return [view.getUint32(0), view.getUint32(4)]
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const bytes = new Uint8Array(CHECKPOINT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, CHECKPOINT_VERSION)
  view.setUint32(1, checkpoint.segment)
  view.setUint32(5, checkpoint.offset)
  view.setBigUint64(9, BigInt(checkpoint.chunkBytes))
  view.setBigUint64(17, BigInt(checkpoint.shardBytes))
  view.setBigUint64(25, BigInt(checkpoint.trashBytes))
  return bytes
}

/** throws ShoalError 'unsupported' for a version this program does not know. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  if (bytes[0] !== CHECKPOINT_VERSION) {
    throw new ShoalError(
      'unsupported',
      `the local store has format version ${bytes[0]}, this program reads ${CHECKPOINT_VERSION}: upgrade Shoal`,
    )
  }
  const view = viewOf(bytes, bytes.byteLength === CHECKPOINT_BYTES, 'the checkpoint')
  return {
    segment: view.getUint32(1),
    offset: view.getUint32(5),
    chunkBytes: Number(view.getBigUint64(9)),
    shardBytes: Number(view.getBigUint64(17)),
    trashBytes: Number(view.getBigUint64(25)),
  }
}

function putAddress(view: DataView, at: number, address: Address): void {
  view.setUint32(at, address.segment)
  view.setUint32(at + 4, address.offset)
  view.setUint32(at + 8, address.length)
}

function getAddress(view: DataView, at: number): Address {
  return {
    segment: view.getUint32(at),
    offset: view.getUint32(at + 4),
    length: view.getUint32(at + 8),
  }
}

function viewOf(bytes: Uint8Array, wellFormed: boolean, what: string): DataView {
  if (!wellFormed) {
    throw new ShoalError(
      'corrupt',
      `the index entry of ${what} has ${bytes.byteLength} bytes: run \`shoal doctor --rebuild-index\``,
    )
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
