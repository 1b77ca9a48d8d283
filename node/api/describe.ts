// What status says of peers and volumes, from what the node knows without asking anyone.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { mayStore } from '../../protocol/membership/roles.ts'
import { codeFor, formatClass } from '../../protocol/placement/redundancy.ts'
import { STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import { readConflictCount } from '../../protocol/tree/conflicts.ts'
import type { PeerStatus, StripeCounts, VolumeInfo, VolumeStatus } from '../control/api.ts'
import { classOf, conflictsOf, settingsOf } from '../namespace/settings.ts'
import type { StripeGroup } from '../namespace/stripes.ts'
import type { Volume } from '../namespace/volume.ts'
import type { NamedVolume, Volumes } from '../namespace/volumes.ts'
import type { NodeParts } from './parts.ts'

/**
 * The peer a person means: by name, id, or the unique beginning or end of an id.
 * throws ShoalError 'no-such-peer'.
 */
export function findPeer(text: string, peers: readonly PeerId[], volumes: Volumes): PeerId {
  const named = peers.filter((peer) => peer === text || peerName(peer, volumes) === text)
  const found =
    named.length > 0 ? named : peers.filter((peer) => peer.startsWith(text) || peer.endsWith(text))
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  throw new ShoalError(
    'no-such-peer',
    found.length === 0
      ? `there is no peer "${text}"; see shoal peer ls`
      : `"${text}" may be ${found.join(' or ')}; use the id`,
  )
}

function peerName(peer: PeerId, volumes: Volumes): string {
  for (const { volume } of volumes.all()) {
    const member = volume.membership.member(peer)
    if (member !== undefined) return member.name
  }
  return peer
}

export async function describePeer(
  { world: { network }, volumes, swarm }: NodeParts,
  peer: PeerId,
): Promise<PeerStatus> {
  const memberships = volumes.all().flatMap(({ name, volume }) => {
    const member = volume.membership.member(peer)
    return member === undefined ? [] : [{ name, member }]
  })
  const news = swarm.news(peer)
  return {
    id: peer,
    name: peerName(peer, volumes),
    zone: memberships[0]?.member.zone,
    state: network.peers().includes(peer) ? 'connected' : 'away',
    addresses: await network.addressesOf(peer),
    volumes: memberships.map(({ name, member }) => ({ name, role: member.role })),
    lastSeenMs: news?.lastSeenMs,
    freeBytes: news?.freeBytes,
  }
}

export function describeVolume(
  { world: { network }, volumes, hosted, swarm }: NodeParts,
  named: NamedVolume,
): VolumeStatus {
  const { name, volume } = named
  const reachable = new Set<PeerId>([network.self, ...network.peers()])
  const groups = volume.stripes.groups()
  return {
    id: volume.id,
    name,
    isDefault: volumes.all()[0]?.volume === volume,
    role: volume.membership.member(volume.identity.peer)?.role ?? 'reader',
    class: classInForce(volume),
    stripes: countStripes(groups, reachable),
    tolerates: tolerated(volume, groups, reachable),
    unplacedBytes: hosted.of(named).unplacedBytes,
    conflicts: readConflictCount(volume.view, conflictsOf(volume)),
    differsMs: swarm.differsMs(volume.id),
    heads: volume.actors.heads(),
  }
}

export function describeVolumeInfo(parts: NodeParts, named: NamedVolume): VolumeInfo {
  const { volume } = named
  return {
    ...describeVolume(parts, named),
    members: volume.membership.members().map(({ peer, name, role }) => ({ peer, name, role })),
    settings: settingsOf(volume),
    chunk: volume.genesis.chunk,
    hash: volume.genesis.hash,
    createdMs: volume.genesis.created,
    entries: volume.entries.count(volume.actors.vector()),
  }
}

function classInForce(volume: Volume): string {
  const setting = classOf(volume)
  const peers = volume.membership.members().filter(({ role }) => mayStore(role)).length
  const code = codeFor(setting, peers, STRIPE_DATA_TARGET)
  if (setting.kind !== 'auto') return formatClass(setting)
  return code === undefined ? 'local' : `rs${code.k}+${code.m}`
}

/** Shards of a stripe of this group with a holder that is up. */
function liveShards(group: StripeGroup, reachable: ReadonlySet<PeerId>): number {
  return group.holders.filter((peers) => peers.some((peer) => reachable.has(peer))).length
}

function countStripes(
  groups: readonly StripeGroup[],
  reachable: ReadonlySet<PeerId>,
): StripeCounts {
  const counts = { full: 0, degraded: 0, atRisk: 0, lost: 0 }
  for (const group of groups) {
    const live = liveShards(group, reachable)
    if (live < group.k) counts.lost += group.count
    else if (live === group.k && group.m > 0) counts.atRisk += group.count
    else if (live < group.k + group.m) counts.degraded += group.count
    else counts.full += group.count
  }
  return counts
}

/**
 * How many failure domains may be lost at once with the log and every stripe still readable, assuming the worst ones
 * are. Every member has the log. cost: O(members + distinct holder sets * shards).
 */
function tolerated(
  volume: Volume,
  groups: readonly StripeGroup[],
  reachable: ReadonlySet<PeerId>,
): number {
  const zoneOf = (peer: PeerId): string => volume.membership.member(peer)?.zone || peer
  const members = volume.membership.members().filter(({ peer }) => reachable.has(peer))
  const zones = new Set(members.map(({ peer }) => zoneOf(peer)))
  const ofStripes = groups.map((group) => groupTolerance(group, reachable, zoneOf))
  return Math.min(Math.max(0, zones.size - 1), ...ofStripes)
}

function groupTolerance(
  group: StripeGroup,
  reachable: ReadonlySet<PeerId>,
  zoneOf: (peer: PeerId) => string,
): number {
  const perZone = new Map<string, number>()
  for (const peers of group.holders) {
    const holder = peers.find((peer) => reachable.has(peer))
    if (holder !== undefined) perZone.set(zoneOf(holder), (perZone.get(zoneOf(holder)) ?? 0) + 1)
  }
  let live = liveShards(group, reachable)
  let lost = 0
  for (const shards of [...perZone.values()].sort((a, b) => b - a)) {
    live -= shards
    if (live < group.k) break
    lost++
  }
  return lost
}
