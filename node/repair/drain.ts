// How far a peer is with giving its shards away before it is removed, told from the shard map.
import { planShards } from '../../protocol/placement/plan.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { ClusterView } from './cluster-view.ts'
import { isOutdated } from './recode.ts'

/** In shards that nobody but the peer holds, of those that are there. */
export interface Drain {
  readonly left: number
  /**
   * The number of those that no peer accepts, or has just refused, and whose stripes are not about
   * to be recoded.
   */
  readonly stuck: number
  /** Stripes that can't be read without the peer, as long as nobody else returns. */
  readonly lost: number
}

/** cost: O(groups), and a plan for each of which the peer is a holder. */
export function drainOf(
  peer: PeerId,
  map: Pick<StripeMap, 'groups' | 'redundancy'>,
  clusterView: ClusterView,
): Drain {
  let left = 0
  let stuck = 0
  let lost = 0
  const online = new Set(
    clusterView.peers.filter(({ presence }) => presence === 'online').map((each) => each.peer),
  )
  const hasOther = (peers: readonly PeerId[]): boolean =>
    peers.some((other) => other !== peer && online.has(other))
  for (const group of map.groups()) {
    const own = group.holders.filter((peers) => peers.includes(peer) && !hasOther(peers)).length
    if (group.isCondemned || own === 0) continue
    left += own * group.count
    const plan = planShards(group, clusterView.ranked(group.placementGroup))
    const isMoving = plan.moves.some(({ from }) => from === peer)
    const isLooking = clusterView.isAvoiding || isMoving
    if (!isLooking && !isOutdated(group, map.redundancy(), clusterView)) stuck += own * group.count
    if (group.holders.filter(hasOther).length < group.k) lost += group.count
  }
  return { left, stuck, lost }
}
