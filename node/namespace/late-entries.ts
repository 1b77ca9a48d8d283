// Entries that come too late for a cut: which would, and which did.
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { isGoverning } from '../../protocol/log/entry.ts'
import type { Clock } from '../world/world.ts'
import type { CountedCut } from './cuts.ts'
import { hasSeq } from './seq-ranges.ts'
import { waitedFor } from './stable.ts'
import type { Volume } from './volume.ts'

/**
 * Would a cut make an entry late that is held here, and whose writer is waited for? Not one whose writer has said that it
 * held all of the cut: it made the entry as if it did not. cost: O(actors + entries above the cut that are asked of).
 */
export function wouldMakeLate(
  volume: Volume,
  clock: Pick<Clock, 'wall'>,
  cut: Pick<CountedCut, 'vector' | 'held'>,
): boolean {
  const { claims, identity } = volume
  const waited = new Set([identity.peer, ...waitedFor(volume, clock).map(({ peer }) => peer)])
  const isSpared = (peer: PeerId): boolean =>
    waited.has(peer) && !dominates(claims.of(peer)?.vector ?? new Map(), cut.vector)
  return hasLate(volume, cut, isSpared)
}

/** Does a cut make an entry late that is held here, of one of these writers? */
export function hasLate(
  { actors, branches, entries, replica }: Volume,
  { vector, held }: Pick<CountedCut, 'vector' | 'held'>,
  isOf: (writer: PeerId) => boolean = () => true,
): boolean {
  for (const { id, peer, seq: last, late } of actors.all()) {
    if (!isOf(peer)) continue
    const first = Math.max((held.get(id) ?? 0) + 1, branches.firstSeq(id))
    for (let seq = first; seq <= last; seq++) {
      const header = hasSeq(late, seq) ? undefined : entries.entry(id, seq)?.header
      if (header === undefined || isGoverning(header)) continue
      const seen = new Map(replica.ancestry.recordAt(id, seq)?.seen)
      branches.see(seen, id, seq)
      if (!dominates(seen, vector)) return true
      // Those that follow have seen as much.
      break
    }
  }
  return false
}
