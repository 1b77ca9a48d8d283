// How safe the data of a volume is, from the groups of its shard map: O(groups), however many
// stripes there are.
//
// A shard counts while a peer that holds it can be reached now, as a reader would find it, and not
// for as long as that peer's grace lasts. So a laptop that is shut makes stripes degraded at once,
// while repair (node/upkeep) waits for it to be gone. "Lost" is what cannot be read now; it is lost
// for good only if none of the holders that are away comes back.
import type { PeerId } from '../../../protocol/ids.ts'
import type {
  ColdCounts,
  StripeCounts,
  VolumeStatus,
  WaitingStripes,
} from '../../control/status.ts'
import type { StripeGroup } from '../../shard-map/stripe-map.ts'

/** The facts about groups: which are in use, who is reachable, who fails together. */
export interface Groups {
  /** None that is condemned. */
  readonly live: readonly StripeGroup[]
  readonly reachable: ReadonlySet<PeerId>
  readonly zoneOf: (peer: PeerId) => string
}

/** Those that lie in no cold tier. */
export function countStripes({ live, reachable }: Groups): StripeCounts {
  const counts = { full: 0, degraded: 0, atRisk: 0, lost: 0 }
  for (const group of live.filter(isWarm)) {
    const { k, m, count } = group
    const shards = liveShards(group, reachable)
    if (shards < k) counts.lost += count
    else if (shards === k && m > 0) counts.atRisk += count
    else if (shards < k + m) counts.degraded += count
    else counts.full += count
  }
  return counts
}

/** Those that lie in a cold tier. */
export function countCold({ live, reachable }: Groups): ColdCounts {
  const counts = { copied: 0, only: 0, bytes: 0 }
  for (const group of live.filter((one) => !isWarm(one))) {
    counts.bytes += group.k * group.shardBytes
    if (liveShards(group, reachable) < group.k) counts.only += group.count
    else counts.copied += group.count
  }
  return counts
}

/** store: members that may hold shards. isGone: a holder that is not waited for any more. */
export function countWaiting(
  { live, reachable }: Groups,
  store: readonly PeerId[],
  isGone: (peer: PeerId) => boolean,
): Omit<WaitingStripes, 'gone'> {
  const counts = { forPeers: 0, forRoom: 0 }
  const present = new Set(store.filter((peer) => !isGone(peer)))
  for (const group of live.filter(isWarm)) {
    const { k, m, count } = group
    if (liveShards(group, reachable) === k + m) continue
    const shards = liveShards(group, present)
    const holders = new Set(group.holders.flat())
    if (shards === k + m || shards < k) counts.forPeers += count
    else if (present.isSubsetOf(holders)) counts.forRoom += count
  }
  return counts
}

/** Stripes with parity of which a single zone has more shards than may be lost. */
export function countDegradedPlacement({ live, zoneOf }: Groups): number {
  return live
    .filter(isWarm)
    .filter(({ m, holders }) => m > 0 && Math.max(0, ...shardsPerZone(holders, zoneOf)) > m)
    .reduce((sum, { count }) => sum + count, 0)
}

/**
 * How many failure domains may be lost at once with the log and every stripe still readable,
 * assuming the worst ones are. Every one of `members` has the log; what lies in a cold tier does
 * not depend on them.
 */
export function tolerated(groups: Groups, members: readonly PeerId[]): number {
  const zones = new Set(members.filter((peer) => groups.reachable.has(peer)).map(groups.zoneOf))
  const ofStripes = groups.live.filter(isWarm).map((group) => groupTolerance(group, groups))
  return ofStripes.reduce((least, many) => Math.min(least, many), Math.max(0, zones.size - 1))
}

/** Shards each peer holds, and their bytes; of stripes that are swept each lets go by itself. */
export function holdings(
  groups: readonly StripeGroup[],
): ReadonlyMap<PeerId, { readonly shards: number; readonly bytes: number }> {
  const held = new Map<PeerId, { shards: number; bytes: number }>()
  for (const { holders, count, shardBytes, isSwept } of groups) {
    if (isSwept) continue
    for (const peer of holders.flat()) {
      const { shards, bytes } = held.get(peer) ?? { shards: 0, bytes: 0 }
      held.set(peer, { shards: shards + count, bytes: bytes + shardBytes })
    }
  }
  return held
}

/** Bytes of the shards of condemned stripes, on all peers. */
export function reclaimableBytes(groups: readonly StripeGroup[]): number {
  return groups
    .filter(({ isCondemned, isSwept }) => isCondemned && !isSwept)
    .reduce((sum, { holders, shardBytes }) => sum + holders.flat().length * shardBytes, 0)
}

/** Bytes of the data in stripes, and of the shards of all stripes on all peers. */
export function spaceOf(groups: readonly StripeGroup[]): VolumeStatus['space'] {
  let dataBytes = 0
  let shardBytes = 0
  for (const { k, holders, shardBytes: each, isCondemned, isSwept } of groups) {
    if (!isCondemned) dataBytes += k * each
    if (!isSwept) shardBytes += holders.flat().length * each
  }
  return { dataBytes, shardBytes }
}

/** Bytes of the shards of a peer that are whole copies of their stripes. */
export function wholeBytesOf(groups: readonly StripeGroup[], peer: PeerId): number {
  return groups
    .filter(({ k, isSwept, holders }) => k === 1 && !isSwept && holders.flat().includes(peer))
    .reduce((sum, { shardBytes }) => sum + shardBytes, 0)
}

/** Is all of it that there is with peers? */
function isWarm({ tiers }: StripeGroup): boolean {
  return tiers.length === 0
}

/** Shards of a stripe of this group with a holder that is up. */
function liveShards({ holders }: StripeGroup, reachable: ReadonlySet<PeerId>): number {
  return holders.filter((peers) => peers.some((peer) => reachable.has(peer))).length
}

/** Per zone the shards that nobody outside of it has. */
function shardsPerZone(
  holders: StripeGroup['holders'],
  zoneOf: (peer: PeerId) => string,
): number[] {
  const perZone = new Map<string, number>()
  for (const peers of holders) {
    const [zone, ...others] = new Set(peers.map(zoneOf))
    if (zone === undefined || others.length > 0) continue
    perZone.set(zone, (perZone.get(zone) ?? 0) + 1)
  }
  return [...perZone.values()]
}

/**
 * A shard with several holders counts once: whether the others are among the lost too would be a
 * search.
 */
function groupTolerance(group: StripeGroup, { reachable, zoneOf }: Groups): number {
  const upHolders = group.holders.map((peers) =>
    peers.filter((peer) => reachable.has(peer)).slice(0, 1),
  )
  let live = liveShards(group, reachable)
  let lost = 0
  for (const shards of shardsPerZone(upHolders, zoneOf).sort((a, b) => b - a)) {
    live -= shards
    if (live < group.k) break
    lost++
  }
  return lost
}
