// Describes peers and volumes for status, from local knowledge alone.
import { asShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { reliefsOf, shorteningAt } from '../../protocol/tree/retention.ts'
import { DAY_MS } from '../../protocol/units.ts'
import { mayStore } from '../../protocol/roles.ts'
import { codeFor, formatClass } from '../../protocol/placement/redundancy.ts'
import { STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import type { WallTime } from '../../protocol/units.ts'
import { ROOT, readDir } from '../../protocol/tree/records.ts'
import { readConflictCount } from '../../protocol/tree/conflict-counts.ts'
import type { VolumeInfo } from '../control/volumes.ts'
import type { MemberStatus } from '../control/peers.ts'
import type { LogStatus, PeerStatus, ReplicaLag, VolumeStatus } from '../control/status.ts'
import { classOf, conflictsOf, graceMsOf, settingsOf } from '../log/settings.ts'
import type { Volume } from '../log/volume.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { peerName } from './find-peer.ts'
import { describeLosses } from './losses.ts'
import {
  countCold,
  countDegradedPlacement,
  countStripes,
  countWaiting,
  holdings,
  reclaimableBytes,
  spaceOf,
  tolerated,
} from './observe/health.ts'
import type { NodeParts } from './parts.ts'
import { countMissing } from '../../protocol/clock/vector-clock.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { tally } from '../replica/attestations.ts'
import { lateEntries } from '../log/late-entries.ts'
import { unconfirmedBy } from '../log/stability.ts'

/** A relief is told of for so long. */
const RELIEF_TOLD_MS: number = 7 * DAY_MS

/** The data shared by descriptions of all peers. */
export interface PeersView {
  readonly connected: ReadonlySet<PeerId>
  readonly holdings: ReturnType<typeof holdings>
}

/** cost: O(groups of all volumes). */
export function viewPeers({ world: { network }, volumes, hosted }: NodeParts): PeersView {
  const groups = volumes.all().flatMap((named) => hosted.of(named).map.groups())
  return { connected: new Set(network.peers()), holdings: holdings(groups) }
}

export async function describePeer(
  parts: NodeParts,
  peer: PeerId,
  view: PeersView = viewPeers(parts),
): Promise<PeerStatus> {
  const { volumes, swarm, roundTrips, witness, world, budgets } = parts
  const memberships = volumes.all().flatMap(({ name, volume }) => {
    const member = volume.membership.member(peer)
    return member === undefined ? [] : [{ name, volume, member }]
  })
  const [first] = memberships
  const held = view.holdings.get(peer)
  return {
    id: peer,
    name: peerName(peer, volumes),
    zone: first?.member.zone,
    ...stateOf(
      parts,
      peer,
      memberships.map(({ volume }) => graceMsOf(volume)),
    ),
    limited: budgets.cutOffOf(peer),
    isConnected: view.connected.has(peer),
    addresses: await world.network.addressesOf(peer),
    volumes: memberships.map(({ name, member }) => ({ name, role: member.role })),
    lastSeenMs: lastSeenMs(
      parts,
      peer,
      memberships.map(({ volume }) => volume),
    ),
    roundTripMs: view.connected.has(peer) ? roundTrips.of(peer) : undefined,
    capacityBytes: first?.member.capacityBytes || undefined,
    freeBytes: swarm.news(peer)?.freeBytes,
    usedBytes: swarm.news(peer)?.usedBytes,
    shards: held?.shards ?? 0,
    shardBytes: held?.bytes ?? 0,
    securityLog: witness.of(peer),
  }
}

/** Describes a member of one volume to whoever removes it. cost: O(groups of the volume). */
export function describeMember(
  parts: NodeParts,
  named: NamedVolume,
  { peer, name, role }: Member,
): MemberStatus {
  const held = holdings(parts.hosted.of(named).map.groups()).get(peer)
  return {
    id: peer,
    name,
    role,
    volume: named.name,
    lastSeenMs: lastSeenMs(parts, peer, [named.volume]),
    shards: held?.shards ?? 0,
    shardBytes: held?.bytes ?? 0,
  }
}

/** When a peer was last heard; undefined: never. */
export function lastSeenMs(
  { swarm }: Pick<NodeParts, 'swarm'>,
  peer: PeerId,
  volumes: readonly Volume[],
): WallTime | undefined {
  const heardMs = volumes.map(({ beacons }) => beacons.of(peer)?.heardMs ?? 0)
  const lastMs = Math.max(swarm.news(peer)?.lastSeenMs ?? 0, ...heardMs)
  return lastMs === 0 ? undefined : (lastMs as WallTime)
}

/** By the shortest grace: where that has passed its shards are made anew. */
function stateOf(
  { detector }: NodeParts,
  peer: PeerId,
  gracesMs: readonly number[],
): Pick<PeerStatus, 'state' | 'goneInMs'> {
  const graceMs = Math.min(...gracesMs)
  const state = detector.liveness(peer, graceMs)
  const isAwaited = state === 'late' && graceMs < Infinity
  return { state, goneInMs: isAwaited ? graceMs - detector.silentMs(peer) : undefined }
}

export function describeVolume(
  { world: { network }, volumes, hosted, detector, swarm, upkeep, cold }: NodeParts,
  named: NamedVolume,
): VolumeStatus {
  const { name, volume } = named
  const { membership } = volume
  const here = hosted.of(named)
  const all = here.map.groups()
  const groups = {
    live: all.filter(({ isCondemned }) => !isCondemned),
    reachable: new Set<PeerId>([network.self, ...network.peers()]),
    zoneOf: (peer: PeerId) => membership.member(peer)?.zone || peer,
  }
  const members = membership.nodes().map(({ peer }) => peer)
  const store = members.filter((peer) => here.map.mayStore(peer))
  const graceMs = graceMsOf(volume)
  const isGone = (peer: PeerId): boolean => detector.liveness(peer, graceMs) === 'gone'
  const { totals } = volume.replica.files
  return {
    id: volume.id,
    name,
    isDefault: volumes.all()[0]?.volume === volume,
    role: membership.member(volume.identity.peer)?.role,
    calledAs: volumes.introductions.calledAs(volume),
    class: classInForce(volume),
    stripes: countStripes(groups),
    cold: countCold(groups),
    tiersToTrust: here.tiers.names().filter((tier) => !here.tiers.isAgreed(tier)),
    tierFailures: here.tiers.names().flatMap((tier) => {
      const failure = cold.of(here).failureOf(tier)
      return failure === undefined ? [] : [{ tier, message: failure.message }]
    }),
    degradedPlacement: countDegradedPlacement(groups),
    reclaimableBytes: reclaimableBytes(all),
    waiting: {
      ...countWaiting(groups, store, isGone),
      gone: store.filter(isGone).map((peer) => membership.nameOf(peer)),
    },
    upkeep: upkeep.of(here).report(),
    tolerates: tolerated(groups, members),
    unplacedBytes: here.unplacedBytes,
    files: totals.files,
    bytes: Number(totals.bytes),
    space: spaceOf(all),
    isEmpty: (readDir(volume.view, ROOT)?.visibleChildren ?? 0) === 0,
    logCopies: {
      nodes: members.length,
      behind: unconfirmedBy(volume).map((peer) => membership.nameOf(peer)),
    },
    lags: lagsOf(volume),
    conflicts: readConflictCount(volume.view, conflictsOf(volume)),
    falseFiles: upkeep.faultsOf(here)?.falseFiles ?? [],
    garbageFault: upkeep.faultsOf(here)?.fault,
    massLosses: describeLosses(here, named),
    shortening: describeShortening(volume),
    relief: describeRelief(volume),
    differsMs: swarm.differsMs(volume.id),
    log: describeLog(volume, swarm.heldElsewhere.heldBackBy(volume)),
    heads: headsOf(volume),
  }
}

function lagsOf(volume: Volume): ReplicaLag[] {
  const { membership, identity, beacons } = volume
  const { vector, hlc } = volume.durableClaim()
  const others = membership.nodes().filter(({ peer }) => peer !== identity.peer)
  return others.map(({ peer }) => {
    const claim = beacons.of(peer)
    const entries = countMissing(claim?.vector ?? new Map(), vector)
    const ms = claim && (entries === 0 ? 0 : Math.max(0, hlcMillis(hlc) - hlcMillis(claim.hlc)))
    return { peer, name: membership.nameOf(peer), entries, ms }
  })
}

function describeShortening(volume: Volume): VolumeStatus['shortening'] {
  const shortening = shorteningAt(volume.membership.state.retention, volume.time.now())
  const versions = volume.membership.policy('versions')
  return shortening && versions !== undefined ? { versions, ...shortening } : undefined
}

/** The last relief, for a while. */
function describeRelief({ membership, time }: Volume): VolumeStatus['relief'] {
  const last = reliefsOf(membership.state.retention).at(-1)
  return last !== undefined && time.now() < last.setMs + RELIEF_TOLD_MS ? last : undefined
}

/** The heads of all that was written here so far: what is in no entry yet becomes one. */
function headsOf(volume: Volume): VolumeStatus['heads'] {
  volume.endBatch()
  return volume.actors.heads()
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

/** Why something is not as it should be: an Error by itself loses its message in JSON. */
export interface Reason {
  readonly failure?: { readonly code: ErrorCode; readonly message: string }
}

/** Nothing for undefined. */
export function reasonOf(failure: unknown): Reason {
  if (failure === undefined) return {}
  const { code, message } = asShoalError(failure)
  return { failure: { code, message } }
}

/** heldBackBy: who takes no more of what is written here. cost: O(actors + late entries). */
/**
 * Reports the log of a volume: entries that are not taken, its checkpoints, late entries, and the
 * members that hold them up.
 */
function describeLog(volume: Volume, heldBackBy: readonly PeerId[]): LogStatus {
  const {
    attestations,
    checkpoint,
    beacons: claims,
    cuts,
    growth,
    membership,
    stop,
    stranded,
  } = volume
  const nameOf = (peer: PeerId): string => membership.nameOf(peer)
  const proposed = cuts.proposed.findLast(({ hlc }) => hlc > (checkpoint?.hlc ?? 0n))
  const counted =
    proposed?.proposal && tally(proposed.proposal, attestations.of(proposed.id), membership)
  const late = new Map<PeerId, number>()
  for (const { peer } of lateEntries(volume)) late.set(peer, (late.get(peer) ?? 0) + 1)
  const stalled = membership.nodes().filter(({ peer }) => claims.isStalled(peer))
  const { at, isHalted } = stop
  return {
    stoppedAt: at && { ...at, author: nameOf(at.author) },
    isHalted,
    isFull: growth.isFull,
    heldBack: growth.paused.map(({ peer, ...paused }) => ({ member: nameOf(peer), ...paused })),
    heldBackBy: heldBackBy.map(nameOf),
    checkpointMs: checkpoint && hlcMillis(checkpoint.hlc),
    proposed:
      proposed === undefined || counted === undefined
        ? undefined
        : { timeMs: hlcMillis(proposed.hlc), missing: counted.missing.map(nameOf) },
    late: [...late].map(([peer, entries]) => ({ name: nameOf(peer), entries })),
    stalled: stalled.map(({ name }) => name),
    stranded: stranded && {
      peer: nameOf(stranded.peer),
      missing: stranded.missing.map(nameOf),
    },
  }
}
