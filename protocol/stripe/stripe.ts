// A stripe: sealed chunks back to back over k data shards, and m parity shards
// (protocol/stripe/reed-solomon.ts). The code is systematic and the layout contiguous: stripe byte
// p is byte p % shardBytes of shard p / shardBytes, so a chunk is read from one or two peers
// without decoding. The stripe id is the CID of the header, which has a hash tree root for each
// shard: who knows the id can check every byte.
//
// The header is DAG-CBOR {v: 1, code: [k, m], shardBytes, chunks: [[chunk id, length]..], roots:
// [32 bytes..], class: text}; unknown keys are skipped, and are part of the id. So is the class:
// the same chunks for another class are another stripe.
import { concatBytes, equalBytes } from '../bytes.ts'
import { Fields, decodeCbor, encodeCbor } from '../cbor.ts'
import { verifyChunk } from '../chunk/seal.ts'
import { ShoalError, assert } from '../errors.ts'
import { HASH_BYTES, blake3 } from '../hash.ts'
import {
  CID_BYTES,
  CODEC_DAG_CBOR,
  MULTIHASH_BLAKE3,
  chunkIdBytes,
  chunkIdFromCid,
  encodeCid,
  stripeIdFromCid,
} from '../ids.ts'
import {
  CHUNK_SEALED_MAX,
  CLASS_TEXT_MAX,
  STRIPE_CHUNKS_MAX,
  STRIPE_DATA_MAX,
  STRIPE_K_MAX,
  STRIPE_M_MAX,
} from '../limits.ts'
import { formatClass, parseClass } from '../placement/redundancy.ts'
import type { RedundancyClass } from '../placement/redundancy.ts'
import { divCeil } from '../units.ts'
import { encodeParity } from './reed-solomon.ts'
import { shardRoot } from './shard-tree.ts'
import type { ChunkId, StripeId } from '../ids.ts'

export interface StripeHeader {
  /** Data shards, 1..STRIPE_K_MAX. */
  readonly k: number
  /** Parity shards, 0..STRIPE_M_MAX. */
  readonly m: number
  /** Length of every shard; a multiple of SHARD_ALIGNMENT. */
  readonly shardBytes: number
  /** In stripe order, each with the length of its sealed bytes. Zeros follow the last. */
  readonly chunks: readonly { readonly id: ChunkId; readonly length: number }[]
  /** k+m hash tree roots (protocol/stripe/shard-tree.ts). */
  readonly shardRoots: readonly Uint8Array[]
  /** The class for which its data was written; absent: the volume's class, whatever that is. */
  readonly class?: RedundancyClass
}

export interface CodedStripe {
  readonly id: StripeId
  readonly header: StripeHeader
  readonly headerBytes: Uint8Array
  /** k data shards, then m parity shards. With k = 1 all are the same array. */
  readonly shards: readonly Uint8Array[]
}

/** Bytes [offset, offset + length) of one data shard. */
export interface ShardRange {
  readonly shard: number
  readonly offset: number
  readonly length: number
}

const STRIPE_VERSION = 1
/** Items of a header with all its chunks, of which each is a pair, and its roots. */
const ITEMS_MAX: number = 4 * STRIPE_CHUNKS_MAX
const NO_BYTES: Uint8Array = new Uint8Array(0)
/** Shards are whole vectors of the widest machines. */
const SHARD_ALIGNMENT = 64

/**
 * Lay sealed chunks out over k shards, and code m more. Copies the chunks once. cost: O(total * (1
 * + m)).
 */
export function codeStripe(
  chunks: readonly { readonly id: ChunkId; readonly bytes: Uint8Array }[],
  k: number,
  m: number,
  cls?: RedundancyClass,
): CodedStripe {
  const total = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const shardBytes = divCeil(divCeil(total, k), SHARD_ALIGNMENT) * SHARD_ALIGNMENT
  const data = dataShardsOf(
    { k, shardBytes },
    chunks.map(({ bytes }) => bytes),
  )
  const shards = [...data, ...encodeParity(data, m)]
  const header: StripeHeader = {
    k,
    m,
    shardBytes,
    chunks: chunks.map(({ id, bytes }) => ({ id, length: bytes.length })),
    shardRoots: rootsOf(shards),
    ...(cls === undefined ? {} : { class: cls }),
  }
  const headerBytes = encodeStripeHeader(header)
  return { id: stripeIdOf(headerBytes), header, headerBytes, shards }
}

/** Chunks back to back over k data shards, with zeros behind the last. Copies the chunks once. */
export function dataShardsOf(
  { k, shardBytes }: Pick<StripeHeader, 'k' | 'shardBytes'>,
  chunks: readonly Uint8Array[],
): Uint8Array[] {
  const stripe = new Uint8Array(k * shardBytes)
  let position = 0
  for (const bytes of chunks) {
    stripe.set(bytes, position)
    position += bytes.length
  }
  return Array.from({ length: k }, (_, i) => stripe.subarray(i * shardBytes, (i + 1) * shardBytes))
}

/**
 * Is a header true of these data shards: are the roots of them and of their parity those it has,
 * and do they hold the chunks that it lists? Who knows only that each shard matches its root does
 * not know that.
 */
export function isTrueOf(header: StripeHeader, data: readonly Uint8Array[]): boolean {
  const roots = rootsOf([...data, ...encodeParity(data, header.m)])
  const areRoots = header.shardRoots.every((root, i) => equalBytes(root, roots[i] ?? NO_BYTES))
  return areRoots && chunksOf(header, data).every(({ id, bytes }) => verifyChunk(id, bytes))
}

/** The chunks of a stripe, of its data shards. They share memory with those where they can. */
export function chunksOf(
  header: StripeHeader,
  data: readonly Uint8Array[],
): { id: ChunkId; bytes: Uint8Array }[] {
  let position = 0
  return header.chunks.map(({ id, length }) => {
    const parts = shardRanges(header, position, length).map(({ shard, offset, length: count }) =>
      (data[shard] ?? NO_BYTES).subarray(offset, offset + count),
    )
    position += length
    return { id, bytes: concatBytes(parts) }
  })
}

/** The bytes of a header. */
export function encodeStripeHeader(header: StripeHeader): Uint8Array {
  assertHeader(header)
  return encodeCbor({
    v: STRIPE_VERSION,
    code: [header.k, header.m],
    shardBytes: header.shardBytes,
    chunks: header.chunks.map(({ id, length }) => [chunkIdBytes(id), length]),
    roots: header.shardRoots,
    ...(header.class === undefined ? {} : { class: formatClass(header.class) }),
  })
}

/**
 * Inverse of encodeStripeHeader, every bound checked. throws ShoalError 'malformed', or
 * 'unsupported' for a later version or class.
 */
export function decodeStripeHeader(bytes: Uint8Array): StripeHeader {
  const fields = new Fields(decodeCbor(bytes, 'stripe header', ITEMS_MAX), 'stripe header')
  const version = fields.integer('v')
  if (version !== STRIPE_VERSION) {
    throw new ShoalError('unsupported', `stripe version ${version} is newer than this node`)
  }
  const [k, m] = fields.list('code', 2)
  const header = {
    k: integer(k, 1, STRIPE_K_MAX),
    m: integer(m, 0, STRIPE_M_MAX),
    shardBytes: fields.integer('shardBytes', SHARD_ALIGNMENT, STRIPE_DATA_MAX),
    chunks: fields.list('chunks', STRIPE_CHUNKS_MAX).map(readChunk),
    shardRoots: fields.list('roots', STRIPE_K_MAX + STRIPE_M_MAX).map(readRoot),
    ...(fields.has('class') ? { class: readClass(fields.text('class', CLASS_TEXT_MAX)) } : {}),
  }
  const fault = faultOf(header)
  if (fault !== undefined) throw malformed(fault)
  return header
}

/** The id of the stripe with this header: CIDv1 (dag-cbor, BLAKE3). */
export function stripeIdOf(headerBytes: Uint8Array): StripeId {
  return stripeIdFromCid(encodeCid(CODEC_DAG_CBOR, MULTIHASH_BLAKE3, blake3(headerBytes)))
}

/** The offset of a chunk in its stripe. cost: O(index). */
export function chunkPosition(header: StripeHeader, chunkIndex: number): number {
  let position = 0
  for (let i = 0; i < chunkIndex; i++) position += header.chunks[i]?.length ?? 0
  return position
}

/** The data-shard ranges, in order, that hold stripe bytes [position, position + length). */
export function shardRanges(header: StripeHeader, position: number, length: number): ShardRange[] {
  const end = position + length
  assert(
    position >= 0 && length >= 0 && end <= header.k * header.shardBytes,
    'a range of the stripe',
  )
  const ranges: ShardRange[] = []
  for (let at = position; at < end;) {
    const shard = Math.floor(at / header.shardBytes)
    const next = Math.min(end, (shard + 1) * header.shardBytes)
    ranges.push({ shard, offset: at - shard * header.shardBytes, length: next - at })
    at = next
  }
  return ranges
}

/** Equal shards, as copies are, are hashed once. */
function rootsOf(shards: readonly Uint8Array[]): Uint8Array[] {
  const roots = new Map<Uint8Array, Uint8Array>()
  return shards.map((shard) => {
    const root = roots.get(shard) ?? shardRoot(shard)
    roots.set(shard, root)
    return root
  })
}

/** The contradiction between the fields of a header; undefined if there is none. */
function faultOf({ k, m, shardBytes, chunks, shardRoots }: StripeHeader): string | undefined {
  const total = chunks.reduce((sum, { length }) => sum + length, 0)
  if (shardBytes % SHARD_ALIGNMENT !== 0) return `has shards of ${shardBytes} bytes`
  if (shardRoots.length !== k + m) return `has ${shardRoots.length} roots for ${k}+${m} shards`
  if (chunks.length === 0) return 'has no chunks'
  if (total > k * shardBytes || total > STRIPE_DATA_MAX) return `has ${total} bytes of chunks`
  if (k * shardBytes > STRIPE_DATA_MAX + k * SHARD_ALIGNMENT) return 'has too much padding'
  return undefined
}

function assertHeader(header: StripeHeader): void {
  const { k, m, chunks } = header
  assert(k >= 1 && k <= STRIPE_K_MAX && m >= 0 && m <= STRIPE_M_MAX, `code ${k}+${m}`)
  assert(chunks.length <= STRIPE_CHUNKS_MAX, 'chunks of a stripe')
  const fault = faultOf(header)
  assert(fault === undefined, `the stripe ${fault}`)
}

function readChunk(item: unknown): { readonly id: ChunkId; readonly length: number } {
  const [cid, length] = Array.isArray(item) ? (item as readonly unknown[]) : []
  if (!(cid instanceof Uint8Array) || cid.length !== CID_BYTES)
    throw malformed('has a bad chunk id')
  return { id: chunkIdFromCid(cid), length: integer(length, 1, CHUNK_SEALED_MAX) }
}

function readRoot(root: unknown): Uint8Array {
  if (root instanceof Uint8Array && root.length === HASH_BYTES) return root
  throw malformed('has a bad root')
}

function readClass(text: string): RedundancyClass {
  try {
    const cls = parseClass(text)
    if (formatClass(cls) === text) return cls
  } catch (cause) {
    throw new ShoalError('unsupported', `stripe class "${text}" is not known`, { cause })
  }
  throw malformed('has a class that is not in its canonical form')
}

function integer(value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max)
    return value
  throw malformed(`has ${String(value)} where a number in ${min}..${max} belongs`)
}

function malformed(how: string): ShoalError {
  return new ShoalError('malformed', `a stripe header ${how}`)
}
