// The keys of the data paths in the ordered store, all under 'u' (unfinished): chunks that are in no stripe yet, and
// stripes of which not every shard has a holder. Chunk and stripe CIDs differ in their second byte, so one prefix
// serves both. What is listed here survives a crash and is taken up again at the next start.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import {
  CODEC_DAG_CBOR,
  CODEC_RAW,
  chunkIdBytes,
  chunkIdFromCid,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'

const PREFIX = 'u'
const MARK_BYTES = 12

/** A chunk in no stripe yet: where it comes in the order of writing (so that stripes keep files together), its sealed length. */
export interface UnplacedMark {
  readonly order: number
  readonly length: number
}

/** -> UnplacedMark of a chunk that is in no stripe yet. */
export function unplacedKey(id: ChunkId): ByteString {
  return PREFIX + toByteString(chunkIdBytes(id))
}

/** All unplacedKey()s, from after `after` if given. */
export function unplacedRange(after?: ChunkId): { from: ByteString; to: ByteString } {
  const { from, to } = codecRange(CODEC_RAW)
  return { from: after === undefined ? from : `${unplacedKey(after)}\0`, to }
}

/** The chunk of an unplacedKey. */
export function unplacedChunk(key: ByteString): ChunkId {
  return chunkIdFromCid(fromByteString(key.slice(PREFIX.length)))
}

/** -> nothing; the stripe lacks holders of some shards. */
export function incompleteKey(id: StripeId): ByteString {
  return PREFIX + toByteString(stripeIdBytes(id))
}

/** All incompleteKey()s. */
export function incompleteRange(): { from: ByteString; to: ByteString } {
  return codecRange(CODEC_DAG_CBOR)
}

/** The stripe of an incompleteKey. */
export function incompleteStripe(key: ByteString): StripeId {
  return stripeIdFromCid(fromByteString(key.slice(PREFIX.length)))
}

/** Order as a 64-bit and length as a 32-bit integer, big-endian. */
export function encodeMark({ order, length }: UnplacedMark): Uint8Array {
  const bytes = new Uint8Array(MARK_BYTES)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, BigInt(order))
  view.setUint32(8, length)
  return bytes
}

/** throws ShoalError 'corrupt'. */
export function decodeMark(bytes: Uint8Array): UnplacedMark {
  if (bytes.length !== MARK_BYTES) {
    throw new ShoalError('corrupt', `the mark of an unplaced chunk has ${bytes.length} bytes`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { order: Number(view.getBigUint64(0)), length: view.getUint32(8) }
}

function codecRange(codec: number): { from: ByteString; to: ByteString } {
  return {
    from: PREFIX + String.fromCharCode(1, codec),
    to: PREFIX + String.fromCharCode(1, codec + 1),
  }
}
