// Describes what volumes would be without one peer, by the counts that status has.
import type { PeerId } from '../../protocol/ids.ts'
import type { LossOfPeer } from '../control/peers.ts'
import { countCold, countStripes, holdings, tolerated } from './observe/health.ts'
import type { NodeParts } from './parts.ts'

/** Each volume that it is a member of. cost: O(groups of all volumes). */
export function describeLossOf(
  { volumes, hosted, world: { network } }: NodeParts,
  lost: PeerId,
): readonly LossOfPeer[] {
  const present = [network.self, ...network.peers()]
  const reachable = new Set<PeerId>(present.filter((peer) => peer !== lost))
  return volumes.all().flatMap((named) => {
    const { name, volume } = named
    const { membership } = volume
    if (membership.member(lost) === undefined) return []
    const here = hosted.of(named)
    const all = here.map.groups()
    const live = all.filter(({ isCondemned }) => !isCondemned)
    const zoneOf = (peer: PeerId): string => membership.member(peer)?.zone || peer
    const groups = { live, reachable, zoneOf }
    const members = membership.nodes().map(({ peer }) => peer)
    return [
      {
        volume: name,
        stripes: countStripes(groups),
        coldOnly: countCold(groups).only,
        tolerates: tolerated(groups, members),
        repairBytes: holdings(all).get(lost)?.bytes ?? 0,
        unplacedBytes: lost === network.self ? here.unplacedBytes : undefined,
        isOnlyCopy: members.every((peer) => peer === lost),
      },
    ]
  })
}
