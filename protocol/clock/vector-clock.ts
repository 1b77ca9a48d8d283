// Version vectors: per actor the highest seq whose whole past is held. Missing means 0.
import { fromHex } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { SHORT_ID_BYTES, hexId } from '../ids.ts'
import type { ActorId } from '../ids.ts'
import { ACTORS_MAX } from '../limits.ts'

export type VersionVector = ReadonlyMap<ActorId, number>

/** True if `vector` holds the entry (actor, seq). */
export function covers(vector: VersionVector, actor: ActorId, seq: number): boolean {
  return (vector.get(actor) ?? 0) >= seq
}

/** True if `a` holds everything that `b` holds. */
export function dominates(a: VersionVector, b: VersionVector): boolean {
  for (const [actor, seq] of b) if (!covers(a, actor, seq)) return false
  return true
}

/** How many entries of `b` are not in `a`. */
export function countMissing(a: VersionVector, b: VersionVector): number {
  let missing = 0
  for (const [actor, seq] of b) missing += Math.max(0, seq - (a.get(actor) ?? 0))
  return missing
}

/** True if both hold the same. */
export function equalVectors(a: VersionVector, b: VersionVector): boolean {
  return a.size === b.size && [...a].every(([actor, seq]) => b.get(actor) === seq)
}

/** The least vector that dominates both: commutative, associative, idempotent. */
export function mergeVectors(a: VersionVector, b: VersionVector): Map<ActorId, number> {
  const out = new Map(a)
  for (const [actor, seq] of b) out.set(actor, Math.max(seq, out.get(actor) ?? 0))
  return out
}

/** Actors in order, for every place where order reaches bytes. */
export function sortedActors(vector: VersionVector): ActorId[] {
  return [...vector.keys()].sort()
}

/** Wire form: [[actor bytes, seq]...] sorted by actor. */
export function encodeVector(vector: VersionVector): unknown[] {
  return sortedActors(vector).map((actor) => [fromHex(actor), vector.get(actor) ?? 0])
}

/**
 * Inverse of encodeVector, for what others say: of at most ACTORS_MAX actors. throws ShoalError
 * 'malformed'.
 */
export function decodeVector(value: unknown): Map<ActorId, number> {
  if (Array.isArray(value) && value.length <= ACTORS_MAX) return decodeStoredVector(value)
  throw new ShoalError('malformed', 'a version vector is not a list within its bound')
}

/**
 * The same of any length, for what is in this node's own store: that must open. throws ShoalError
 * 'malformed'.
 */
export function decodeStoredVector(value: unknown): Map<ActorId, number> {
  if (!Array.isArray(value)) {
    throw new ShoalError('malformed', 'a version vector is not a list')
  }
  const out = new Map<ActorId, number>()
  let before = ''
  for (const item of value as readonly unknown[]) {
    const [actor, seq] = Array.isArray(item) ? (item as readonly unknown[]) : []
    if (!(actor instanceof Uint8Array) || !isSeq(seq)) {
      throw new ShoalError('malformed', 'a version vector has a bad item')
    }
    const id = hexId<ActorId>(actor, SHORT_ID_BYTES, 'actor')
    if (id <= before) throw new ShoalError('malformed', 'a version vector is not sorted')
    before = id
    out.set(id, seq)
  }
  return out
}

/** True for a legal entry number. */
export function isSeq(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value < 2 ** 48
}
