// The plan of each group, made anew only when it may be another: a volume has thousands of groups,
// and somebody is late or back every few minutes in a large swarm. A firm plan
// (protocol/placement/plan.ts) stays as long as its holders are as they were and nobody who ranks
// before the last of them begins to count. What is told is what planShards says, always.
import { planShards } from '../../protocol/placement/plan.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Plan, PlacePeer } from '../../protocol/placement/plan.ts'
import type { GroupId, StripeGroup } from '../shard-map/stripe-map.ts'
import type { ClusterView } from './cluster-view.ts'

/** The differences of a cluster view from the one before. */
interface Differences {
  /** Peers of which anything is another, or that are new or gone. */
  readonly changed: ReadonlySet<PeerId>
  /** Peers among those that count and did not before, or in another way. */
  readonly gained: ReadonlySet<PeerId>
}

export class GroupPlans {
  #clusterView: ClusterView | undefined
  #plans: ReadonlyMap<GroupId, Plan> = new Map()
  #groups: ReadonlyMap<GroupId, StripeGroup> = new Map()

  /**
   * The plans of all groups. cost: O(groups), and a plan for each that is new or may have changed.
   */
  of(groups: readonly StripeGroup[], clusterView: ClusterView): ReadonlyMap<GroupId, Plan> {
    const differences = differencesOf(this.#clusterView, clusterView)
    const plans = new Map<GroupId, Plan>()
    for (const group of groups) {
      const known = this.#plans.get(group.id)
      const stays =
        known !== undefined &&
        this.#isAsWas(group) &&
        isStill(known, group, clusterView, differences)
      plans.set(
        group.id,
        stays ? known : planShards(group, clusterView.ranked(group.placementGroup)),
      )
    }
    this.#clusterView = clusterView
    this.#plans = plans
    this.#groups = new Map(groups.map((group) => [group.id, group]))
    return plans
  }

  /** Its id names who holds it as the log says; who of them counts may be others now. */
  #isAsWas({ id, floor, holders }: StripeGroup): boolean {
    const known = this.#groups.get(id)
    return known?.floor === floor && isSameHolders(known?.holders, holders)
  }
}

function isStill(
  plan: Plan,
  { holders, placementGroup }: StripeGroup,
  clusterView: ClusterView,
  { changed, gained }: Differences,
): boolean {
  if (changed.size === 0) return true
  if (!plan.isFirm || holders.some((peers) => peers.some((peer) => changed.has(peer)))) return false
  if (gained.size === 0) return true
  const holding = new Set(holders.flat())
  for (const { peer } of clusterView.ranked(placementGroup)) {
    if (gained.has(peer)) return false
    if (holding.delete(peer) && holding.size === 0) return true
  }
  return false
}

function isSameHolders(a: StripeGroup['holders'] | undefined, b: StripeGroup['holders']): boolean {
  if (a === b) return true
  return b.every((peers, index) => {
    const others = a?.[index]
    return others?.length === peers.length && peers.every((peer, at) => others[at] === peer)
  })
}

function differencesOf(before: ClusterView | undefined, after: ClusterView): Differences {
  const changed = new Set<PeerId>()
  const gained = new Set<PeerId>()
  if (before === after) return { changed, gained }
  const known = new Map(before?.peers.map((peer) => [peer.peer, peer]))
  for (const peer of after.peers) {
    const old = known.get(peer.peer)
    known.delete(peer.peer)
    const isMoved = old?.zone !== peer.zone || old.weight !== peer.weight
    const isOther = old?.presence !== peer.presence || old.isFull !== peer.isFull
    if (isMoved || isOther) changed.add(peer.peer)
    if (isMoved || (counts(peer) && !(old !== undefined && counts(old)))) gained.add(peer.peer)
  }
  for (const peer of known.keys()) changed.add(peer)
  return { changed, gained }
}

function counts({ presence, isFull }: PlacePeer): boolean {
  return presence !== 'gone' && !isFull
}
