// Which peers get the shards of a stripe: the best by rendezvous, but no more in one failure domain (zone) than may be
// lost with it.
import { rankPeers } from './rendezvous.ts'
import type { Candidate } from './rendezvous.ts'
import type { PeerId, StripeId } from '../ids.ts'

/** Distinct peers in the order of shard indices; degraded: fewer than asked, or more in some zone than allowed. */
export interface Placement {
  readonly peers: readonly PeerId[]
  readonly degraded: boolean
}

/**
 * `count` distinct peers, at most perZoneMax of them in one zone. Where that can't be, the fullest zone holds as few as
 * can be; where there are fewer peers, all of them are taken.
 *
 * perZoneMax: the m of the code; 0 sets no bound, since without parity no loss is survived wherever shards lie.
 */
export function choosePlacement(
  stripe: StripeId | string,
  candidates: readonly Candidate[],
  count: number,
  perZoneMax: number,
): Placement {
  const ranked = rankPeers(stripe, candidates)
  const bound = perZoneMax === 0 ? count : perZoneMax
  for (let limit = bound; ; limit++) {
    const peers = takeSpread(ranked, count, limit)
    if (peers.length === count) return { peers, degraded: limit > bound }
    if (limit >= count) return { peers, degraded: true }
  }
}

/** The first `count` with at most `limit` in one zone. */
function takeSpread(ranked: readonly Candidate[], count: number, limit: number): PeerId[] {
  const inZone = new Map<string, number>()
  const peers: PeerId[] = []
  for (const { peer, zone } of ranked) {
    if (peers.length === count) break
    const held = inZone.get(zone) ?? 0
    if (zone !== '' && held >= limit) continue
    inZone.set(zone, held + 1)
    peers.push(peer)
  }
  return peers
}
