// The keys of what is unfinished, all under 'u' in a volume's state: chunks that are in no stripe yet, in the order of
// writing (so that stripes keep files together) and by id, and stripes of which not every shard has a holder. What is
// listed here survives a crash and is taken up again at the next start.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import {
  CID_BYTES,
  chunkIdBytes,
  chunkIdFromCid,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'

const CHUNK: ByteString = 'uc'
const ORDER: ByteString = 'uo'
const STRIPE: ByteString = 'us'
const ORDER_BYTES = 8
const LENGTH_BYTES = 4

/** -> order of the next chunk. */
export const NEXT_ORDER_KEY: ByteString = 'un'

/** -> sealed bytes of all chunks that are in no stripe, as a number in the same form. */
export const UNPLACED_BYTES_KEY: ByteString = 'ub'

/** A chunk in no stripe yet: where it comes in the order of writing, and its sealed length. */
export interface UnplacedChunk {
  readonly id: ChunkId
  readonly order: number
  readonly length: number
}

interface KeyRange {
  /** Inclusive. */
  readonly from: ByteString
  /** Exclusive. */
  readonly to: ByteString
}

/** -> order of a chunk that is in no stripe yet. */
export function chunkKey(id: ChunkId): ByteString {
  return CHUNK + toByteString(chunkIdBytes(id))
}

/** -> the chunk with this order. */
export function orderKey(order: number): ByteString {
  return ORDER + toByteString(encodeOrder(order))
}

/** The orderKey()s of [from, to). */
export function orderRange(from: number, to: number): KeyRange {
  return { from: orderKey(from), to: orderKey(to) }
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

/** The chunk of an orderKey and its value. throws ShoalError 'corrupt'. */
export function decodeChunk(key: ByteString, value: Uint8Array): UnplacedChunk {
  if (value.length !== CID_BYTES + LENGTH_BYTES) throw corrupt(value)
  return {
    id: chunkIdFromCid(value.subarray(0, CID_BYTES)),
    order: decodeOrder(fromByteString(key.slice(ORDER.length))),
    length: viewOf(value).getUint32(CID_BYTES),
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function corrupt(bytes: Uint8Array): ShoalError {
  return new ShoalError('corrupt', `the mark of an unplaced chunk has ${bytes.length} bytes`)
}
