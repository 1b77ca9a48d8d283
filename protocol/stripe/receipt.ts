// A holder's word that it has shards durably, for others to pass on: one signature over the root of
// a tree of all that it made durable at once (protocol/stripe/shard-tree.ts has its shape), and for
// each shard its path to that root. Anybody can check it by its bytes alone. The time is the
// holder's own clock, so that of all its words on a shard the newest is known, whoever passes them
// on, and a receipt that is shown again says nothing new.
import { concatBytes, fromHex, toByteString } from '../bytes.ts'
import type { Hlc } from '../clock/hlc.ts'
import { ShoalError, assert } from '../errors.ts'
import { HASH_BYTES, blake3, deriveKey } from '../hash.ts'
import { publicKeyOf, stripeIdBytes } from '../ids.ts'
import type { PeerId, StripeId, VolumeId } from '../ids.ts'
import { RECEIPT_SHARDS_MAX } from '../limits.ts'
import { decodeHlc } from '../clock/hlc.ts'
import { SIGNATURE_BYTES, verifySignature } from '../signed.ts'
import type { Identity } from '../signed.ts'
import { bytes, integer, list } from '../cbor-values.ts'
import { leavesProof, leavesRoot, rootOfProven } from './shard-tree.ts'

/** One shard of a stripe. */
export interface ShardName {
  readonly stripe: StripeId
  readonly index: number
}

export interface Receipt {
  /** The holder's clock when it had the shard. */
  readonly hlc: Hlc
  readonly signature: Uint8Array
  /** The place of the shard among all that are signed for at once, and how many that are. */
  readonly position: number
  readonly count: number
  /** Hashes of the largest subtrees beside the shard, from left to right. */
  readonly path: readonly Uint8Array[]
}

const LEAF_CONTEXT = 'shoal 2026 receipt leaf v1'
const DOMAIN = 'shoal/receipt/1'
const COUNT_BYTES = 2
const HLC_BYTES = 8
const PATH_MAX = Math.ceil(Math.log2(RECEIPT_SHARDS_MAX))

/**
 * Receipts of a holder for shards that are durable there, at most RECEIPT_SHARDS_MAX, in their
 * order. cost: a signature.
 */
export function signReceipts(
  identity: Pick<Identity, 'sign'>,
  { volume, hlc }: { readonly volume: VolumeId; readonly hlc: Hlc },
  shards: readonly ShardName[],
): Receipt[] {
  assert(shards.length > 0 && shards.length <= RECEIPT_SHARDS_MAX, 'shards of a receipt')
  const leaves = shards.map(leafOf)
  const count = leaves.length
  const signature = identity.sign(DOMAIN, signedBytes(volume, hlc, count, leavesRoot(leaves)))
  return leaves.map((_, position) => {
    return { hlc, signature, position, count, path: leavesProof(leaves, position, 1) }
  })
}

/**
 * Has `peer` said, of this volume, that it holds the shard? cost: a verification, once for all
 * shards signed for at once.
 */
export function isReceiptOf(
  { hlc, signature, position, count, path }: Receipt,
  { volume, peer, stripe, index }: ShardName & { readonly volume: VolumeId; readonly peer: PeerId },
): boolean {
  const root = rootOfProven([leafOf({ stripe, index })], position, count, path)
  if (root === undefined) return false
  const message = signedBytes(volume, hlc, count, root)
  const publicKey = publicKeyOf(peer)
  const name = toByteString(blake3(concatBytes([publicKey, signature, message])))
  if (verified.has(name)) return true
  if (!verifySignature(publicKey, DOMAIN, message, signature)) return false
  if (verified.size >= VERIFIED_MAX) verified.clear()
  verified.add(name)
  return true
}

/**
 * Signatures found good, by all that they are of: replicas of one process, and a state that is
 * built anew, see them again.
 */
const verified = new Set<string>()
const VERIFIED_MAX = 8192

/** As a CBOR value. */
export function encodeReceipt({ hlc, signature, position, count, path }: Receipt): unknown[] {
  return [hlc, signature, position, count, path]
}

/** Inverse of encodeReceipt, of foreign values. throws ShoalError 'malformed'. */
export function decodeReceipt(value: unknown): Receipt {
  const [hlc, signature, position, count, path] = list(value, 8)
  const receipt = {
    hlc: decodeHlc(hlc),
    signature: bytes(signature, SIGNATURE_BYTES, SIGNATURE_BYTES),
    position: integer(position, RECEIPT_SHARDS_MAX - 1),
    count: integer(count, RECEIPT_SHARDS_MAX),
    path: list(path, PATH_MAX).map((hash) => bytes(hash, HASH_BYTES, HASH_BYTES)),
  }
  if (receipt.position < receipt.count) return receipt
  throw new ShoalError('malformed', 'a receipt is for a shard beyond those that it is signed for')
}

function leafOf({ stripe, index }: ShardName): Uint8Array {
  return deriveKey(LEAF_CONTEXT, concatBytes([stripeIdBytes(stripe), Uint8Array.of(index)]))
}

function signedBytes(volume: VolumeId, hlc: Hlc, count: number, root: Uint8Array): Uint8Array {
  const numbers = Buffer.alloc(HLC_BYTES + COUNT_BYTES)
  numbers.writeBigUInt64BE(hlc, 0)
  numbers.writeUInt16BE(count, HLC_BYTES)
  return concatBytes([fromHex(volume), numbers, root])
}
