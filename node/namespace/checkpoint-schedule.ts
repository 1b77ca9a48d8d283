// When a volume's next checkpoint is due, at which cut, and whose turn it is to make it (DESIGN §12). Always true of a
// cut given here: every member that is waited for holds it all durably, and these and this node are a quorum.
import { HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { stampHlc } from '../../protocol/log/dot.ts'
import { stableClock } from '../../protocol/log/stability.ts'
import type { Claim, Cut } from '../../protocol/log/stability.ts'
import type { Member } from '../../protocol/membership/members.ts'
import { mayWrite } from '../../protocol/membership/roles.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import { NO_CHECKPOINT } from './compute-checkpoint.ts'
import { awayMsOf, checkpointEntriesOf } from './settings.ts'
import type { Volume } from './volume.ts'

/** Fewer new entries than this are not worth a checkpoint, however old the last one is. */
const ENTRIES_MIN = 16
/** A member whose turn it is not waits this long for each one before it. */
const TURN_MS: number = DAY_MS

/** When a checkpoint is due. */
export interface CheckpointOptions {
  /** So many entries since the last one, or as many as the volume's setting says... */
  readonly entries: number
  /** ...or some, and so long ago. */
  readonly everyMs: number
  /** Default: TURN_MS. */
  readonly turnMs?: number
}

export class CheckpointSchedule {
  readonly #volume: Volume
  readonly #clock: Clock
  readonly #options: CheckpointOptions
  /** Since when a checkpoint is due that it is others' turn to make. */
  #dueSince: number | undefined

  constructor(volume: Volume, clock: Clock, options: CheckpointOptions) {
    this.#volume = volume
    this.#clock = clock
    this.#options = options
  }

  /** The cut to make a checkpoint at now, if one is due and it is this node's turn. */
  take(): Cut | undefined {
    const cut = this.#due()
    if (cut !== undefined && !this.#isMyTurn()) return undefined
    this.#dueSince = undefined
    return cut
  }

  #due(): Cut | undefined {
    const volume = this.#volume
    const held = volume.durableClaim()
    const base = volume.checkpoint ?? NO_CHECKPOINT
    // Not in a state that is to be another.
    if (!volume.cuts.areJudged) return undefined
    const claims = this.#claims()
    if (claims === undefined) return undefined
    const hlcAt = (actor: ActorId, seq: number): Hlc =>
      volume.entries.hlc(actor, Math.max(seq, volume.branches.firstSeq(actor))) ?? HLC_ZERO
    const hlc = volume.forks.wholeUpTo(stableClock(held, claims, hlcAt))
    if (hlc <= base.hlc) return undefined
    const vector = new Map<ActorId, number>()
    let count = 0
    for (const [actor, seq] of held.vector) {
      const from = base.vector.get(actor) ?? 0
      const last = volume.entries.lastUpTo(hlc, actor, from + 1, seq)
      if (last > 0) vector.set(actor, last)
      count += last - from
    }
    const ageMs = this.#clock.wall() - hlcMillis(base.hlc)
    const enough = Math.min(this.#options.entries, checkpointEntriesOf(volume))
    const isDue = count >= enough || (count >= ENTRIES_MIN && ageMs >= this.#options.everyMs)
    return isDue ? { hlc, vector } : undefined
  }

  /**
   * What the others claim, of those that are waited for; undefined while one of them was not heard at all, or these are
   * too few: two cuts that are announced apart have somebody in common, who confirmed one of them first.
   */
  #claims(): Claim[] | undefined {
    const volume = this.#volume
    const claims: Claim[] = []
    const waitedFor = this.#waitedFor()
    if (
      !isQuorum(
        volume,
        waitedFor.map(({ peer }) => peer),
      )
    )
      return undefined
    for (const member of waitedFor) {
      const claim = volume.claims.of(member.peer)
      if (claim === undefined) return undefined
      claims.push(claim)
    }
    return claims
  }

  /** Members other than this one that were heard of, or admitted, not too long ago. */
  #waitedFor(): Member[] {
    const volume = this.#volume
    const sinceMs = this.#clock.wall() - awayMsOf(volume)
    return volume.membership.members().filter(({ peer, granted }) => {
      const heardMs = volume.claims.of(peer)?.heardMs ?? hlcMillis(stampHlc(granted))
      return peer !== volume.identity.peer && heardMs >= sinceMs
    })
  }

  /**
   * The least peer that may write makes it, of those that are waited for, up or not: without its word there is hardly
   * anything new to cover. The others wait, each longer: so that hardly ever two announce a cut apart.
   */
  #isMyTurn(): boolean {
    const { turnMs = TURN_MS } = this.#options
    const before = countBefore(
      this.#volume,
      this.#waitedFor().map(({ peer }) => peer),
    )
    if (before === undefined) return false
    this.#dueSince ??= this.#clock.now()
    return this.#clock.now() - this.#dueSince >= before * turnMs
  }
}

/** Are these and this node so many of the members that any two such groups share one? Of two halves, one is. */
export function isQuorum(volume: Volume, others: readonly PeerId[]): boolean {
  const members = volume.membership.members()
  const here = new Set([...others, volume.identity.peer])
  const count = members.filter(({ peer }) => here.has(peer)).length
  const first = members[0]?.peer
  const isHalf = 2 * count === members.length && first !== undefined && here.has(first)
  return isHalf || 2 * count > members.length
}

/** How many of these have a smaller id and may write; undefined if this one may not. */
export function countBefore(
  { membership, identity }: Volume,
  peers: readonly PeerId[],
): number | undefined {
  const may = (peer: PeerId): boolean => {
    const role = membership.member(peer)?.role
    return role !== undefined && mayWrite(role)
  }
  if (!may(identity.peer)) return undefined
  return peers.filter((peer) => peer < identity.peer && may(peer)).length
}
