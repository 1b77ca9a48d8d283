// Weighted rendezvous hashing (Thaler, Ravishankar, "Using Name-Based Mappings to Increase Hit
// Rates", 1998; Schindelhauer, Schomaker, "Weighted Distributed Hash Tables", SPAA 2005): every
// node ranks the peers for a placement group alike, a peer comes first in proportion to its weight,
// and a peer that comes or goes moves only its own share.
//
// The rank chooses holders for new shards and who coordinates a repair. Where shards are is the
// shard map in the log.
import { utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { PeerId } from '../ids.ts'

/** A peer that may hold shards. */
export interface Candidate {
  readonly peer: PeerId
  /** Label of what fails together; empty if the peer shares its fate with no other. */
  readonly zone: string
  /** Capacity offered, in any unit that is the same for all; 0 takes no part. */
  readonly weight: number
}

/** Candidates of positive weight, the best first. Independent of their order in `candidates`. */
export function rankPeers(placementGroup: number, candidates: readonly Candidate[]): Candidate[] {
  return candidates
    .filter(({ weight }) => weight > 0)
    .map((candidate) => ({ candidate, score: scoreOf(placementGroup, candidate) }))
    .sort((a, b) => b.score - a.score || (a.candidate.peer < b.candidate.peer ? -1 : 1))
    .map(({ candidate }) => candidate)
}

/** -weight / ln(h), h in (0, 1) from the hash of "<placement group> <peer>". */
function scoreOf(placementGroup: number, { peer, weight }: Candidate): number {
  const hash = blake3(utf8(`${placementGroup} ${peer}`))
  const top53 = new DataView(hash.buffer, hash.byteOffset).getBigUint64(0) >> 11n
  return -weight / Math.log(Math.max(Number(top53), 1) / 2 ** 53)
}
