// The messages of /shoal/shard/1 (docs/formats/shard-protocol.md). A request is one DAG-CBOR frame,
// followed for `put` by its payload; a reply is one DAG-CBOR frame followed by as many payload
// bytes as it says. Payload travels in frames of at most PAYLOAD_PIECE bytes. One request is in
// flight on a channel, in both directions nothing else. Unknown fields are ignored. Every decoder
// throws ShoalError 'malformed' and nothing else.
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import { HASH_BYTES } from '../hash.ts'
import {
  CID_BYTES,
  chunkIdBytes,
  chunkIdFromCid,
  hexId,
  hexIdBytes,
  stripeIdBytes,
  stripeIdFromCid,
} from '../ids.ts'
import {
  CHUNK_SEALED_MAX,
  SHARD_LEAF,
  STRIPE_DATA_MAX,
  STRIPE_K_MAX,
  STRIPE_M_MAX,
} from '../limits.ts'
import { KIB, MIB } from '../units.ts'
import { encodeTraceContext, readTraceContext } from './trace-context.ts'
import { decodeReceipt, encodeReceipt } from '../stripe/receipt.ts'
import type { ErrorCode } from '../errors.ts'
import type { ChunkId, StripeId, VolumeId } from '../ids.ts'
import type { Receipt } from '../stripe/receipt.ts'
import type { TraceContext } from './trace-context.ts'

export const SHARD_PROTOCOL = '/shoal/shard/1'
/** Payload frames are this long, the last one shorter. */
export const PAYLOAD_PIECE: number = 1 * MIB
/** A frame: a piece of payload, or a request with the header of a stripe. */
export const SHARD_FRAME_MAX: number = PAYLOAD_PIECE + 64 * KIB
/** Bytes of an encoded stripe header. */
export const STRIPE_HEADER_MAX: number = 1 * MIB
/** Bytes of a shard, and of any payload: with k = 1 a shard is the whole stripe. */
export const SHARD_MAX: number = STRIPE_DATA_MAX + SHARD_LEAF

const SHARDS_MAX = STRIPE_K_MAX + STRIPE_M_MAX
const ERROR_TEXT_MAX = 500
/** Hashes of a proof: two paths through the tree of the largest shard, with room to spare. */
const PROOF_MAX = 64
/** Items of any message. */
const ITEMS_MAX = 256
const VERSION = 1

/** The requests to a holder. */
export type ShardRequest = {
  /** Its place in a trace of the asker; changes nothing about the answer. */
  readonly trace?: TraceContext
} &
  /** Store a shard; its `length` bytes follow. Answered once it is durable. */
  (
    | {
        readonly kind: 'put'
        readonly volume: VolumeId
        readonly header: Uint8Array
        readonly index: number
        readonly length: number
      }
    /** A range of a shard, with the Merkle proof of the leaves it touches if `proof`. */
    | {
        readonly kind: 'get'
        readonly volume: VolumeId
        readonly stripe: StripeId
        readonly index: number
        readonly offset: number
        readonly length: number
        readonly proof: boolean
      }
    /** A whole sealed chunk, from any holder of it. */
    | { readonly kind: 'chunk'; readonly volume: VolumeId; readonly chunk: ChunkId }
    /** Which shards of a stripe are held. */
    | { readonly kind: 'have'; readonly volume: VolumeId; readonly stripe: StripeId }
  )

/** The answer: `length` payload bytes follow it. */
export type ShardReply =
  | {
      readonly kind: 'ok'
      readonly length: number
      /** In a `have`, the shard indices held, ascending. Else empty. */
      readonly indices: readonly number[]
      /**
       * In a `get` with proof, the hashes that protocol/stripe/shard-tree.ts asks for. Else empty.
       */
      readonly proof: readonly Uint8Array[]
      /** In a `put`, the receipt that others may be shown. */
      readonly receipt?: Receipt | undefined
    }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string }

/** Codes that cross the wire; any other becomes 'internal'. */
const WIRE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ENOENT',
  'ENOSPC',
  'EACCES',
  'EIO',
  'EBUSY',
  'malformed',
  'corrupt',
  'unsupported',
  'not-a-member',
  'no-such-volume',
  'stopped',
])

/** The request as one frame. */
export function encodeShardRequest(request: ShardRequest): Uint8Array {
  const { kind: op, trace } = request
  const common = {
    v: VERSION,
    op,
    vol: hexIdBytes(request.volume),
    ...(trace !== undefined && { trace: encodeTraceContext(trace) }),
  }
  switch (request.kind) {
    case 'put': {
      const { header, index, length } = request
      return encodeCbor({ ...common, header, index, length })
    }
    case 'get': {
      const { index, offset, length, proof } = request
      const stripe = stripeIdBytes(request.stripe)
      return encodeCbor({ ...common, stripe, index, offset, length, proof })
    }
    case 'chunk':
      return encodeCbor({ ...common, chunk: chunkIdBytes(request.chunk) })
    case 'have':
      return encodeCbor({ ...common, stripe: stripeIdBytes(request.stripe) })
  }
}

/**
 * Inverse of encodeShardRequest, of foreign bytes. throws ShoalError 'malformed', 'unsupported' for
 * a newer version.
 */
export function decodeShardRequest(frame: Uint8Array): ShardRequest {
  const fields = new Fields(decodeCbor(frame, 'shard request', ITEMS_MAX), 'shard request')
  checkVersion(fields)
  const volume = hexId<VolumeId>(fields.bytes('vol', HASH_BYTES), HASH_BYTES, 'volume id')
  const index = (): number => fields.integer('index', 0, SHARDS_MAX - 1)
  const stripe = (): StripeId => stripeIdFromCid(fields.bytes('stripe', CID_BYTES))
  const kind = fields.text('op', 8)
  const trace = readTraceContext(fields)
  const common = { volume, ...(trace !== undefined && { trace }) }
  switch (kind) {
    case 'put': {
      const length = fields.integer('length', 1, SHARD_MAX)
      return {
        kind,
        ...common,
        header: fields.bytes('header', STRIPE_HEADER_MAX),
        index: index(),
        length,
      }
    }
    case 'get': {
      const offset = fields.integer('offset', 0, SHARD_MAX)
      const length = fields.integer('length', 1, SHARD_MAX)
      const proof = fields.boolean('proof')
      return { kind, ...common, stripe: stripe(), index: index(), offset, length, proof }
    }
    case 'chunk':
      return { kind, ...common, chunk: chunkIdFromCid(fields.bytes('chunk', CID_BYTES)) }
    case 'have':
      return { kind, ...common, stripe: stripe() }
    default:
      throw new ShoalError('malformed', `shard request: unknown op "${kind}"`)
  }
}

/** The reply as one frame. */
export function encodeShardReply(reply: ShardReply): Uint8Array {
  if (reply.kind === 'ok') {
    const { length, indices, proof, receipt } = reply
    const given = receipt === undefined ? {} : { receipt: encodeReceipt(receipt) }
    return encodeCbor({ v: VERSION, ok: true, length, indices, proof, ...given })
  }
  const code = WIRE_CODES.has(reply.code) ? reply.code : 'internal'
  const message = reply.message.slice(0, ERROR_TEXT_MAX)
  return encodeCbor({ v: VERSION, ok: false, code, message })
}

/**
 * Inverse of encodeShardReply, of foreign bytes. throws ShoalError 'malformed', 'unsupported' for a
 * newer version.
 */
export function decodeShardReply(frame: Uint8Array): ShardReply {
  const fields = new Fields(decodeCbor(frame, 'shard reply', ITEMS_MAX), 'shard reply')
  checkVersion(fields)
  if (!fields.boolean('ok')) {
    const code = fields.text('code', 32)
    const message = fields.text('message', ERROR_TEXT_MAX)
    return { kind: 'error', code: WIRE_CODES.has(code) ? (code as ErrorCode) : 'internal', message }
  }
  const indices = fields.list('indices', SHARDS_MAX).map((index) => {
    const valid = typeof index === 'number' && Number.isInteger(index)
    if (!valid || index < 0 || index >= SHARDS_MAX) {
      throw new ShoalError('malformed', 'shard reply: bad shard index')
    }
    return index
  })
  const proof = fields.list('proof', PROOF_MAX).map((hash) => {
    if (!(hash instanceof Uint8Array) || hash.length !== HASH_BYTES) {
      throw new ShoalError('malformed', 'shard reply: bad hash in proof')
    }
    return hash
  })
  const length = fields.integer('length', 0, Math.max(SHARD_MAX, CHUNK_SEALED_MAX))
  const given = fields.has('receipt') ? { receipt: decodeReceipt(fields.raw('receipt')) } : {}
  return { kind: 'ok', length, indices, proof, ...given }
}

function checkVersion(fields: Fields): void {
  const version = fields.integer('v')
  if (version !== VERSION) {
    throw new ShoalError(
      'unsupported',
      `shard protocol message of version ${version}, known: ${VERSION}`,
    )
  }
}
