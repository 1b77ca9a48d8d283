// Causal stability: up to where all members who may write are known to hold the log, so that
// nothing concurrent with it can come any more (Baquero, Almeida, Shoker, "Making operation-based
// CRDTs operation-based", DAIS 2014). A member's claim tells what is durable there, and that its
// next entry will have a greater clock than any in it.
import { dominates } from '../clock/vector-clock.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import type { Hlc } from '../clock/hlc.ts'
import { HLC_ZERO } from '../clock/hlc.ts'
import type { ActorId } from '../ids.ts'

/** A member's durable entries, and the greatest clock among them. */
export interface Claim {
  readonly vector: VersionVector
  readonly hlc: Hlc
}

/** All entries up to a clock, and how many of each actor that is. */
export interface Cut {
  readonly hlc: Hlc
  readonly vector: VersionVector
}

/**
 * The greatest clock up to which all entries are held by everyone who makes a claim, and none can
 * still be made. HLC_ZERO while some claim tells of entries that are not held here: a claim can
 * overtake what its maker wrote before.
 *
 * held: this replica's own claim. claims: those of all other members. hlcAt: clock of an entry held
 * here. cost: O(claims * actors), and one lookup for each actor that somebody lacks entries of.
 */
export function stableClock(
  held: Claim,
  claims: readonly Claim[],
  hlcAt: (actor: ActorId, seq: number) => Hlc,
): Hlc {
  let stable = held.hlc
  for (const claim of claims) {
    if (!dominates(held.vector, claim.vector)) return HLC_ZERO
    if (claim.hlc < stable) stable = claim.hlc
  }
  for (const [actor, seq] of held.vector) {
    const everywhere = Math.min(seq, ...claims.map(({ vector }) => vector.get(actor) ?? 0))
    if (everywhere === seq) continue
    const before = (hlcAt(actor, everywhere + 1) - 1n) as Hlc
    if (before < stable) stable = before
  }
  return stable
}
