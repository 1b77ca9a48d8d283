// The cluster view: who may hold shards of a volume, and who of them is there, which every plan is
// made of. The same object as long as nothing changes, so that what was planned from it holds.
import { BREAKER_GRACES, isBreakerOpen } from '../../protocol/placement/circuit-breaker.ts'
import { rankForGroup } from '../../protocol/placement/plan.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { PlacePeer, Presence, RankedPeers } from '../../protocol/placement/plan.ts'
import type { Instant } from '../../protocol/units.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Detector } from '../peers/detector.ts'
import type { Clock } from '../world/world.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/**
 * A peer that is silent for this long counts as lost where no shard can be spared: longer than a
 * machine takes to restart.
 */
const ABSENT_MS: number = 5 * MINUTE_MS
/** A peer that refused a shard is left alone so long. */
const AVOID_MS: number = MINUTE_MS
/**
 * After so many a stripe is left alone: where all refuse slowly, the first is asked again before
 * the last has been.
 */
export const REFUSALS_MAX = 8

export interface ClusterViewParts {
  readonly map: Pick<StripeMap, 'candidates' | 'isAvoided'>
  readonly detector: Pick<Detector, 'liveness' | 'silentMs'>
  readonly clock: Clock
  /** After how long a silence a peer is taken for lost. */
  readonly graceMs: () => number
}

export interface ClusterView {
  readonly peers: readonly PlacePeer[]
  /** Only stripes without a spare are repaired. */
  readonly isBraked: boolean
  /** Some peer has just refused a shard, and counts as full for a while. */
  readonly isAvoiding: boolean
  /** Since when the members, their weights and their zones are the same. */
  readonly settledSince: Instant
  ranked(placementGroup: number): RankedPeers
}

export class ClusterObserver {
  readonly #parts: ClusterViewParts
  readonly #avoided = new Map<PeerId, Instant>()
  /**
   * By placement group, the members in their order: as long as those are the same, whoever is
   * there.
   */
  #orders = new Map<number, readonly PeerId[]>()
  #nextAt: Instant | undefined
  #last:
    | { readonly key: string; readonly members: string; readonly clusterView: ClusterView }
    | undefined

  constructor(parts: ClusterViewParts) {
    this.#parts = parts
  }

  /** When the view may be another although nobody was heard of. */
  get nextAt(): Instant | undefined {
    return this.#nextAt
  }

  /** Give a peer that refused a shard none for a while. */
  avoid(peer: PeerId): void {
    this.#avoided.set(peer, (this.#parts.clock.now() + AVOID_MS) as Instant)
  }

  /** As it is now. cost: O(members). */
  take(): ClusterView {
    const { map, detector, clock, graceMs } = this.#parts
    const grace = graceMs()
    const now = clock.now()
    const candidates = map.candidates()
    const silences = candidates.map(({ peer }) =>
      detector.liveness(peer, grace) === 'online' ? 0 : Math.max(1, detector.silentMs(peer)),
    )
    const braked = isBreakerOpen(silences, grace)
    for (const [peer, until] of this.#avoided) if (until <= now) this.#avoided.delete(peer)
    const steps = [Math.min(grace, ABSENT_MS), grace, BREAKER_GRACES * grace]
    const times = silences.flatMap((silentMs) =>
      silentMs === 0 ? [] : steps.map((stepMs) => now - silentMs + stepMs),
    )
    const next = Math.min(...[...times, ...this.#avoided.values()].filter((at) => at > now))
    this.#nextAt = next === Infinity ? undefined : (next as Instant)
    const peers = candidates.map((candidate, at) => ({
      ...candidate,
      presence: presenceOf(silences[at] ?? 0, grace, braked),
      isFull: map.isAvoided(candidate.peer) || this.#avoided.has(candidate.peer),
    }))
    const members = JSON.stringify(candidates)
    const key = JSON.stringify([braked, this.#avoided.size, peers])
    if (this.#last?.key === key) return this.#last.clusterView
    const last = this.#last?.members === members ? this.#last.clusterView : undefined
    const settledSince = last?.settledSince ?? now
    if (last === undefined) this.#orders = new Map()
    const facts = { peers, isBraked: braked, isAvoiding: this.#avoided.size > 0, settledSince }
    const clusterView = newClusterView(facts, this.#orders)
    this.#last = { key, members, clusterView }
    return clusterView
  }
}

function presenceOf(silentMs: number, graceMs: number, braked: boolean): Presence {
  if (silentMs === 0) return 'online'
  if (isPlanted('late-is-gone') && silentMs > 0) return 'gone'
  if (silentMs >= graceMs && !braked) return 'gone'
  return silentMs >= Math.min(graceMs, ABSENT_MS) ? 'absent' : 'late'
}

function newClusterView(
  facts: Omit<ClusterView, 'ranked'>,
  orders: Map<number, readonly PeerId[]>,
): ClusterView {
  const byId = new Map(facts.peers.map((peer) => [peer.peer, peer]))
  const ranks = new Map<number, RankedPeers>()
  return {
    ...facts,
    ranked(placementGroup) {
      const order =
        orders.get(placementGroup) ??
        rankForGroup(placementGroup, facts.peers).map(({ peer }) => peer)
      orders.set(placementGroup, order)
      const known = ranks.get(placementGroup) ?? order.flatMap((peer) => byId.get(peer) ?? [])
      ranks.set(placementGroup, known)
      return known
    },
  }
}
