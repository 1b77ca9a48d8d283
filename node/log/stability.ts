// Causal stability of a volume: held by every member that is waited for, so that nothing concurrent
// can come any more (protocol/log/stability.ts).
import { HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { dominates } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { stampMs } from '../../protocol/clock/dot.ts'
import { stableClock } from '../../protocol/log/stability.ts'
import type { Claim } from '../../protocol/log/stability.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { isQuorum } from '../../protocol/membership/quorum.ts'
import { mayGiveUp, mayWrite } from '../../protocol/roles.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import { awayMsOf } from './settings.ts'
import type { Volume } from './volume.ts'

/** Some beacons. */
const IN_TOUCH_MS: number = MINUTE_MS

/**
 * Everyone who is waited for holds all entries up to this clock durably, and none can still be
 * made. HLC_ZERO while that is not known of any, or those who are waited for and this node are no
 * quorum.
 */
export function stableHlc(volume: Volume, clock: Pick<Clock, 'wall'>): Hlc {
  // Not in a state that is to be another.
  if (!volume.cuts.areJudged) return HLC_ZERO
  const claims = claimsOfOthers(volume, clock)
  if (claims === undefined) return HLC_ZERO
  const hlcAt = (actor: ActorId, seq: number): Hlc =>
    volume.entries.hlc(actor, Math.max(seq, volume.branches.firstSeq(actor))) ?? HLC_ZERO
  return volume.forks.wholeUpTo(stableClock(volume.durableClaim(), claims, hlcAt))
}

/**
 * Does one of these peers, members that are connected, say now that it has nothing that is not
 * here? Who was away hears only after it was connected what the others did meanwhile, which may be
 * much.
 */
export function isInTouch(volume: Volume, clock: Clock, connected: readonly PeerId[]): boolean {
  const sinceMs = clock.wall() - IN_TOUCH_MS
  const { vector } = volume.durableClaim()
  return connected.some((peer) => {
    const claim = volume.beacons.of(peer)
    return claim !== undefined && claim.heardMs >= sinceMs && dominates(vector, claim.vector)
  })
}

/** Members other than this one that were heard of, or admitted, not too long ago. */
function present(volume: Volume, clock: Pick<Clock, 'wall'>): Member[] {
  const sinceMs = clock.wall() - awayMsOf(volume)
  return volume.membership.nodes().filter(({ peer, granted }) => {
    const heardMs = volume.beacons.of(peer)?.heardMs ?? stampMs(granted)
    return peer !== volume.identity.peer && heardMs >= sinceMs
  })
}

/**
 * The members that are waited for and may write: nobody else makes anything that others would have
 * to go by. Members heard of that confirmed nothing new for so long that they must be stuck,
 * or lie, are left out.
 */
export function waitedFor(volume: Volume, clock: Pick<Clock, 'wall'>): Member[] {
  const writers = present(volume, clock).filter(({ role }) => mayWrite(role))
  const advancing = writers.filter(({ peer }) => !volume.beacons.isStalled(peer))
  // If most are stuck, it is this node that is.
  return 2 * advancing.length >= writers.length ? advancing : writers
}

/** The members that are waited for and not known to hold all that this node does. */
export function laggingBehind(volume: Volume, clock: Pick<Clock, 'wall'>): PeerId[] {
  return behind(volume, waitedFor(volume, clock))
}

/** The other nodes, also those that are away, that are not known to hold all that this one does. */
export function unconfirmedBy(volume: Volume): PeerId[] {
  const { peer: self } = volume.identity
  return behind(
    volume,
    volume.membership.nodes().filter(({ peer }) => peer !== self),
  )
}

function behind(volume: Volume, members: readonly Member[]): PeerId[] {
  const { vector } = volume.durableClaim()
  return members
    .map(({ peer }) => peer)
    .filter((peer) => {
      const claim = volume.beacons.of(peer)
      return claim === undefined || !dominates(claim.vector, vector)
    })
}

/**
 * The claims of the others that are waited for; undefined while one of them was not heard at all,
 * or so few members are there that a proposal of this node would not be attested by enough.
 */
function claimsOfOthers(volume: Volume, clock: Pick<Clock, 'wall'>): Claim[] | undefined {
  const here = present(volume, clock).map(({ peer }) => peer)
  if (!isQuorum(volume.membership.nodes(), new Set([...here, volume.identity.peer])))
    return undefined
  const claims = waitedFor(volume, clock).map(({ peer }) => volume.beacons.of(peer))
  const known = claims.filter((claim) => claim !== undefined)
  return known.length === claims.length ? known : undefined
}

/** How many of these have a smaller id and may give up data; undefined if this one may not. */
export function countBefore(
  { membership, identity }: Volume,
  peers: readonly PeerId[],
): number | undefined {
  const may = (peer: PeerId): boolean => {
    const role = membership.member(peer)?.role
    return role !== undefined && mayGiveUp(role)
  }
  if (!may(identity.peer)) return undefined
  return peers.filter((peer) => peer < identity.peer && may(peer)).length
}
