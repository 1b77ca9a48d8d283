// Exchanges summaries of logs between nodes, and translates them to the labels here: a peer may
// know other branches of a forked log, or hold another branch under the same name unawares.
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { mergeVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { logDigest } from '../../protocol/wire/gossip.ts'
import type { Beacon } from '../../protocol/wire/gossip.ts'
import type { LogSummary } from '../../protocol/wire/log.ts'
import type { WallTime } from '../../protocol/units.ts'
import { isOf } from './beacons.ts'
import type { Volume } from './volume.ts'

/** The summary of the durable log here. */
export function summaryOf(volume: Volume): LogSummary {
  const vector = volume.durableVector()
  const tips = new Map<ActorId, EntryHash>()
  for (const [label, seq] of vector) {
    const hash = volume.replica.ancestry.hashAt(label, seq)
    if (hash !== undefined) tips.set(label, hash)
  }
  const { hlc: cut, clear: root } = volume.checkpoint ?? NO_CHECKPOINT
  const attested = volume.attestations.digest
  return { vector, tips, forks: volume.branches.forks(), cut, root, attested }
}

/**
 * The durable log of a peer, by labels here: less than the truth where a fork is not known to both.
 */
export function heldBy(volume: Volume, summary: LogSummary): VersionVector {
  // It says what is said here (summary-cache.ts).
  if (summary.vector === volume.durableVector()) return summary.vector
  const held = volume.branches.vectorOf(summary, volume.replica.ancestry.hashAt)
  const { checkpoint } = volume
  // A peer with the same checkpoint holds all up to it.
  if (checkpoint === undefined || !isOf(checkpoint, summary)) return held
  return mergeVectors(held, checkpoint.vector)
}

/** A peer said what is durable there: remember what it holds of what this node wrote. */
export function confirmOwn(volume: Volume, { vector, tips }: LogSummary): void {
  const { actors, replica, acknowledged: shared, identity } = volume
  for (const [label, hash] of tips) {
    if (actors.get(label)?.peer !== identity.peer) continue
    const seq = vector.get(label) ?? 0
    const here = replica.ancestry.locate(label, seq, hash)
    if (here !== undefined) shared.confirm(here, seq)
  }
}

/**
 * Is what a beacon tells of held here, under the same labels? undefined: not all of it is here, or
 * too much was dropped to tell.
 */
export function agrees(
  { actors, replica }: Volume,
  { vector, digest }: Pick<Beacon, 'vector' | 'digest'>,
): boolean | undefined {
  if (digest === undefined || !actors.holds(vector)) return undefined
  const own = logDigest(vector, replica.ancestry.hashAt)
  return own === undefined ? undefined : equalBytes(own, digest)
}

/** Has a peer told since then that it holds nothing that is not here? */
export function hasAgreedSince(
  { beacons: claims }: Volume,
  peer: PeerId,
  sinceMs: WallTime,
): boolean {
  const claim = claims.of(peer)
  return claim !== undefined && claim.heardMs >= sinceMs && claim.vector.size > 0
}
