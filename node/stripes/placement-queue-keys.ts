// The keys of what is unfinished, all under 'u' in a volume's state: chunks that are in no stripe
// yet of a redundancy class that they are for, in the order of writing (so that stripes keep files
// together) and by id, and stripes of which not every shard has a holder. What is listed here
// survives a crash and is taken up again at the next start. Beside it which stripes were found to
// be true (verified-stripes.ts), and of which this node has copies (placed-copies.ts).
//
// A class is its text (protocol/placement/redundancy.ts); the volume's, whatever it is, is the
// empty text.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import {
  CID_BYTES,
  chunkIdBytes,
  chunkIdFromCid,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'

const CHUNK: ByteString = STATE_PREFIXES.unplacedChunk
/** The order: the volume's class, then others. */
const ORDER: ByteString = STATE_PREFIXES.unplacedOrder
const CLASS_ORDER: ByteString = STATE_PREFIXES.unplacedClassOrder
const CLASS_END = '\0'
const STRIPE: ByteString = STATE_PREFIXES.unplacedStripe
const VERIFIED: ByteString = STATE_PREFIXES.verifiedStripe
const COPY: ByteString = STATE_PREFIXES.placedCopy
const ORDER_BYTES = 8
const LENGTH_BYTES = 4

/** -> order of the next chunk. */
export const NEXT_ORDER_KEY: ByteString = STATE_PREFIXES.nextOrder

/** -> sealed bytes of all chunks that are in no stripe, as a number in the same form. */
export const UNPLACED_BYTES_KEY: ByteString = STATE_PREFIXES.unplacedBytes

/**
 * A chunk in no stripe yet: for which class, where it comes in the order of writing, and its sealed
 * length.
 */
export interface UnplacedChunk {
  readonly id: ChunkId
  readonly class: string
  readonly order: number
  readonly length: number
}

export interface KeyRange {
  /** Inclusive. */
  readonly from: ByteString
  /** Exclusive. */
  readonly to: ByteString
}

/** -> order of a chunk that is in no stripe of this class yet. */
export function chunkKey({ id, class: cls }: Pick<UnplacedChunk, 'id' | 'class'>): ByteString {
  return CHUNK + toByteString(chunkIdBytes(id)) + cls
}

/** -> the chunk of this class with this order. */
export function orderKey({
  class: cls,
  order,
}: Pick<UnplacedChunk, 'class' | 'order'>): ByteString {
  return orderPrefix(cls) + toByteString(encodeOrder(order))
}

/** The orderKey()s of a class in [from, to). */
export function orderRange(cls: string, from: number, to: number): KeyRange {
  return { from: orderKey({ class: cls, order: from }), to: orderKey({ class: cls, order: to }) }
}

/** The range of the orderKey()s of classes after this one, which is not the volume's. */
export function laterClasses(cls: string | undefined): KeyRange {
  const from = cls === undefined ? '' : `${cls}${CLASS_END}\xff`
  return { from: `${CLASS_ORDER}${from}`, to: `${CLASS_ORDER}\xff` }
}

/** The class of an orderKey that is not of the volume's. */
export function classOfKey(key: ByteString): string {
  return key.slice(CLASS_ORDER.length, key.indexOf(CLASS_END, CLASS_ORDER.length))
}

/** -> nothing; the stripe lacks holders of some shards. */
export function stripeKey(id: StripeId): ByteString {
  return STRIPE + toByteString(stripeIdBytes(id))
}

/** All stripeKey()s. */
export function stripeRange(): KeyRange {
  return { from: STRIPE, to: `${STRIPE}\xff` }
}

/** The stripe of a stripeKey. */
export function stripeOfKey(key: ByteString): StripeId {
  return stripeIdFromCid(fromByteString(key.slice(STRIPE.length)))
}

/** -> whether the stripe was found to be what its header says: 1, or 0 if it is not. */
export function verifiedKey(id: StripeId): ByteString {
  return VERIFIED + toByteString(stripeIdBytes(id))
}

/**
 * -> nothing, or 1 where they were not released in time and the time is a later one; chunks of the
 * stripe may be in this node's store, since this time.
 */
export function copyKey({ stripe, sinceMs }: { stripe: StripeId; sinceMs: number }): ByteString {
  return COPY + toByteString(encodeOrder(sinceMs)) + toByteString(stripeIdBytes(stripe))
}

/** All copyKey()s. */
export function copyRange(): KeyRange {
  return { from: COPY, to: `${COPY}\xff` }
}

/** The stripe and the time of a copyKey. */
export function copyOfKey(key: ByteString): { stripe: StripeId; sinceMs: number } {
  const bytes = fromByteString(key.slice(COPY.length))
  return {
    stripe: stripeIdFromCid(bytes.subarray(ORDER_BYTES)),
    sinceMs: decodeOrder(bytes.subarray(0, ORDER_BYTES)),
  }
}

/** 64 bits, big-endian. */
export function encodeOrder(order: number): Uint8Array {
  const bytes = new Uint8Array(ORDER_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(order))
  return bytes
}

/** throws ShoalError 'corrupt'. */
export function decodeOrder(bytes: Uint8Array): number {
  if (bytes.length !== ORDER_BYTES) throw corrupt(bytes)
  return Number(viewOf(bytes).getBigUint64(0))
}

/** The value of an orderKey: CID, then the length in 32 bits, big-endian. */
export function encodeChunk({ id, length }: { id: ChunkId; length: number }): Uint8Array {
  const bytes = new Uint8Array(CID_BYTES + LENGTH_BYTES)
  bytes.set(chunkIdBytes(id))
  new DataView(bytes.buffer).setUint32(CID_BYTES, length)
  return bytes
}

/** The chunk of an orderKey of this class and its value. throws ShoalError 'corrupt'. */
export function decodeChunk(cls: string, key: ByteString, value: Uint8Array): UnplacedChunk {
  if (value.length !== CID_BYTES + LENGTH_BYTES) throw corrupt(value)
  return {
    id: chunkIdFromCid(value.subarray(0, CID_BYTES)),
    class: cls,
    order: decodeOrder(fromByteString(key.slice(orderPrefix(cls).length))),
    length: viewOf(value).getUint32(CID_BYTES),
  }
}

export function classText(cls: RedundancyClass | undefined): string {
  return cls === undefined ? '' : formatClass(cls)
}

export function classOfText(text: string): RedundancyClass | undefined {
  return text === '' ? undefined : parseClass(text)
}

function orderPrefix(cls: string): ByteString {
  return cls === '' ? ORDER : CLASS_ORDER + cls + CLASS_END
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function corrupt(bytes: Uint8Array): ShoalError {
  return new ShoalError('corrupt', `the mark of an unplaced chunk has ${bytes.length} bytes`)
}
