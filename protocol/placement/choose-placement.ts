// Which peers get the shards of the stripes in a placement group: the best by rendezvous, but no
// more in one failure domain (zone) than may be lost with it.
import { rankPeers } from './rendezvous.ts'
import type { Candidate } from './rendezvous.ts'
import type { PeerId } from '../ids.ts'

/**
 * Distinct peers in the order of shard indices; degraded: fewer than asked, or more in some zone
 * than allowed.
 */
export interface Placement {
  readonly peers: readonly PeerId[]
  readonly degraded: boolean
}

/**
 * `count` distinct peers, at most perZoneMax of them in one zone. Where that can't be, the fullest
 * zone holds as few as can be; where there are fewer peers, all of them are taken.
 *
 * perZoneMax: the m of the code; 0 sets no bound, since without parity no loss is survived wherever
 * shards lie.
 */
export function choosePlacement(
  placementGroup: number,
  candidates: readonly Candidate[],
  count: number,
  perZoneMax: number,
): Placement {
  const { chosen, degraded } = placeRanked(rankPeers(placementGroup, candidates), count, perZoneMax)
  return { peers: chosen.map(({ peer }) => peer), degraded }
}

/** The same of candidates that are ranked already, the best first. */
export function placeRanked<Ranked extends Candidate>(
  ranked: readonly Ranked[],
  count: number,
  perZoneMax: number,
): { readonly chosen: readonly Ranked[]; readonly degraded: boolean } {
  const bound = perZoneMax === 0 ? count : perZoneMax
  for (let limit = bound; ; limit++) {
    const chosen = takeSpread(ranked, count, limit)
    if (chosen.length === count) return { chosen, degraded: limit > bound }
    if (limit >= count) return { chosen, degraded: true }
  }
}

/** The first `count` with at most `limit` in one zone. */
function takeSpread<Ranked extends Candidate>(
  ranked: readonly Ranked[],
  count: number,
  limit: number,
): Ranked[] {
  const inZone = new Map<string, number>()
  const chosen: Ranked[] = []
  for (const candidate of ranked) {
    if (chosen.length === count) break
    const held = inZone.get(candidate.zone) ?? 0
    if (candidate.zone !== '' && held >= limit) continue
    inZone.set(candidate.zone, held + 1)
    chosen.push(candidate)
  }
  return chosen
}
