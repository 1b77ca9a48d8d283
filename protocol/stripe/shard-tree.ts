// A hash tree over a shard, so that any run of its leaves can be checked against the root in the
// stripe header, by keepers too. The shape is that of Certificate Transparency (RFC 6962 §2.1): of
// n leaves the left subtree holds the largest power of two below n. Leaves are hashed plainly and
// inner nodes in BLAKE3's derive-key mode, so neither passes for the other; the shard's length is
// in the stripe header.
import { equalBytes } from '../bytes.ts'
import { assert } from '../errors.ts'
import { HASH_BYTES, blake3, deriveKey } from '../hash.ts'
import { SHARD_LEAF } from '../limits.ts'
import { divCeil } from '../units.ts'

const NODE_CONTEXT = 'shoal 2026 shard node v1'

/** Leaves [start, end) of the tree. */
interface Span {
  readonly start: number
  readonly end: number
}

/** The root of a shard's tree. cost: one hash of the shard. */
export function shardRoot(shard: Uint8Array): Uint8Array {
  return leavesRoot(shardLeaves(shard))
}

/**
 * Hashes of the leaves that `bytes` are: a shard, or a run of it that starts and ends where leaves
 * do.
 */
export function shardLeaves(bytes: Uint8Array): Uint8Array[] {
  assert(bytes.length > 0, 'a shard is not empty')
  return Array.from({ length: leavesOf(bytes.length) }, (_, leaf) =>
    blake3(bytes.subarray(leaf * SHARD_LEAF, (leaf + 1) * SHARD_LEAF)),
  )
}

/** The root over the leaves of a whole shard. */
export function leavesRoot(leaves: readonly Uint8Array[]): Uint8Array {
  return spanHash(leaves, { start: 0, end: leaves.length }, 0)
}

/** As leavesProof, from the shard itself. cost: one hash of the shard. */
export function shardProof(shard: Uint8Array, firstLeaf: number, leafCount: number): Uint8Array[] {
  return leavesProof(shardLeaves(shard), firstLeaf, leafCount)
}

/**
 * The hashes that prove leaves [firstLeaf, firstLeaf + leafCount) of a shard with these leaves: the
 * roots of the largest subtrees beside them, from left to right.
 */
export function leavesProof(
  leaves: readonly Uint8Array[],
  firstLeaf: number,
  leafCount: number,
): Uint8Array[] {
  const range = { start: firstLeaf, end: firstLeaf + leafCount }
  const whole = { start: 0, end: leaves.length }
  assert(leafCount > 0 && firstLeaf >= 0 && range.end <= whole.end, 'leaves of the shard')
  const collect = (span: Span): Uint8Array[] => {
    if (isApart(span, range)) return [spanHash(leaves, span, 0)]
    if (isInside(span, range)) return []
    return halves(span).flatMap(collect)
  }
  return collect(whole)
}

/**
 * True if `bytes` are the whole leaves from firstLeaf on, as many as they fill, of the shard with
 * this root and length. The last leaf of a shard may be shorter than SHARD_LEAF, no other. `root`
 * and `shardLength` are those of a header that is trusted; firstLeaf, bytes and proof may be
 * anything.
 */
export function verifyShardRange(
  root: Uint8Array,
  shardLength: number,
  firstLeaf: number,
  bytes: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  const whole = { start: 0, end: leavesOf(shardLength) }
  const range = { start: firstLeaf, end: firstLeaf + leavesOf(bytes.length) }
  const endByte = firstLeaf * SHARD_LEAF + bytes.length
  if (bytes.length === 0 || firstLeaf < 0 || range.end > whole.end) return false
  if (endByte !== Math.min(range.end * SHARD_LEAF, shardLength)) return false
  const computed = rootOfProven(shardLeaves(bytes), firstLeaf, whole.end, proof)
  return computed !== undefined && equalBytes(computed, root)
}

/**
 * The root of a tree of `count` leaves, of which these are those from firstLeaf on, if the proof is
 * as leavesProof makes it; else undefined. All of it may be anything.
 */
export function rootOfProven(
  leaves: readonly Uint8Array[],
  firstLeaf: number,
  count: number,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  const whole = { start: 0, end: count }
  const range = { start: firstLeaf, end: firstLeaf + leaves.length }
  if (leaves.length === 0 || firstLeaf < 0 || range.end > whole.end) return undefined
  if (proof.some((hash) => hash.length !== HASH_BYTES)) return undefined
  const beside = proof.values()
  const compute = (span: Span): Uint8Array | undefined => {
    if (isApart(span, range)) return beside.next().value
    if (isInside(span, range)) return spanHash(leaves, span, firstLeaf)
    const [left, right] = halves(span).map(compute)
    return left === undefined || right === undefined ? undefined : nodeHash(left, right)
  }
  const computed = compute(whole)
  return beside.next().done === true ? computed : undefined
}

function leavesOf(length: number): number {
  return divCeil(length, SHARD_LEAF)
}

/** Root of the subtree over a span; `leaves` start with leaf `offset`. */
function spanHash(leaves: readonly Uint8Array[], span: Span, offset: number): Uint8Array {
  if (span.end - span.start > 1) {
    const [left, right] = halves(span)
    return nodeHash(spanHash(leaves, left, offset), spanHash(leaves, right, offset))
  }
  const leaf = leaves[span.start - offset]
  assert(leaf !== undefined, 'a leaf of the tree')
  return leaf
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(2 * HASH_BYTES)
  both.set(left)
  both.set(right, HASH_BYTES)
  return deriveKey(NODE_CONTEXT, both)
}

/** The subtrees of a span of two or more leaves. */
function halves({ start, end }: Span): readonly [Span, Span] {
  let half = 1
  while (half * 2 < end - start) half *= 2
  return [
    { start, end: start + half },
    { start: start + half, end },
  ]
}

function isApart(span: Span, range: Span): boolean {
  return span.end <= range.start || span.start >= range.end
}

function isInside(span: Span, range: Span): boolean {
  return span.start >= range.start && span.end <= range.end
}
