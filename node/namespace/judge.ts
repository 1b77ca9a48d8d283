// Which entries of a log count. One that came too late for a cut that counts does not (cuts.ts); nor does one of a member
// whose removal its writer had not seen, and which the remover had not seen, or one under a role that nobody could
// give. These are kept, pointed to and passed on like any other, and say nothing. A removal is void like any entry; of two
// that each remove the other's author the one by the senior stands: by who was granted the role first (MEMO §1.7).
//
// A judge goes by fixed cuts and removals, never by what a state has come to, so the order in which entries are taken
// decides nothing; who knows the same removals and cuts judges alike.
import { covers } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { makeStamp, stampDot, stampHlc } from '../../protocol/log/dot.ts'
import { isLate, renamedCuts } from './cuts.ts'
import type { AnnouncedCut } from './cuts.ts'
import type { Membership, Position } from './membership.ts'

/** Why an entry says nothing, if it does. */
export type Standing = 'counts' | 'late' | 'void'

/** An entry, as far as its standing goes by its writer's rights. */
export interface Act {
  readonly id: EntryHash
  /** Where it is, by labels here. */
  readonly actor: Position['actor']
  readonly seq: number
  /** Its writer. */
  readonly peer: PeerId
  /** The entry that gave the role it is written in. */
  readonly grant: EntryHash
}

/** One of which more is known. */
export interface PastAct extends Act {
  /** The op that gave the role. */
  readonly granted: Position
  /** What its writer had seen, itself included. */
  readonly past: VersionVector
}

/** An op that removes a member, whether it has effect or not. */
export interface Removal extends PastAct, Position {
  readonly target: PeerId
  /** The entry that gave its author the role, the one that gave the author of that its own, and so on. */
  readonly grants: readonly PastAct[]
}

/** What is settled already: a checkpoint, and the members as of that or later. */
export interface Settled {
  readonly vector: VersionVector
  readonly membership: Membership
}

export class Judge {
  readonly cuts: readonly AnnouncedCut[]
  /** The removals that have effect. */
  readonly effective: readonly Removal[]

  private constructor(cuts: readonly AnnouncedCut[], effective: readonly Removal[]) {
    this.cuts = cuts
    this.effective = effective
  }

  /** removals: all that are known, and not settled. cuts: those that count. cost: O(removals ** 3). */
  static of(removals: readonly Removal[], cuts: readonly AnnouncedCut[], settled: Settled): Judge {
    return new Judge(cuts, new Election(removals, cuts, settled).effectiveOf(removals))
  }

  /** The same by other labels. */
  renamed(renames: readonly Rename[]): Judge {
    const effective = this.effective.map((removal) => renamedRemoval(removal, renames))
    return new Judge(renamedCuts(this.cuts, renames), effective)
  }

  /** Of an entry above the checkpoint. seenBy: what its writer had applied, itself included. `members`: with its past. */
  standingOf(act: Act, members: Settled, seenBy: () => VersionVector): Standing {
    if (this.#removes(act.id)) return 'counts'
    if (isLate(this.cuts, { label: act.actor, seq: act.seq }, seenBy)) return 'late'
    const grant = members.membership.grant(act.grant, act.peer)
    if (grant === undefined || grant.isVoid) return 'void'
    const known = { ...act, granted: grant }
    if (isRemovedBefore(known, members) || isRemovedBy(known, this.effective)) return 'void'
    // Who has seen that it has another role by now writes in that.
    const isReplaced = members.membership.isReplaced(grant, ({ actor, seq }) =>
      covers(seenBy(), actor, seq),
    )
    return isReplaced ? 'void' : 'counts'
  }

  /** Do both take the same removals for effective? */
  agrees(other: Judge): boolean {
    return (
      this.effective.length === other.effective.length &&
      this.effective.every((removal) => other.has(removal))
    )
  }

  has({ id, target }: Pick<Removal, 'id' | 'target'>): boolean {
    return this.effective.some((known) => known.id === id && known.target === target)
  }

  #removes(id: EntryHash): boolean {
    return this.effective.some((removal) => removal.id === id)
  }
}

/** Finds which of some removals have effect. */
class Election {
  readonly #cuts: readonly AnnouncedCut[]
  readonly #settled: Settled
  readonly #all: readonly Removal[]
  readonly #legitimate = new Map<Removal, boolean>()

  constructor(all: readonly Removal[], cuts: readonly AnnouncedCut[], settled: Settled) {
    this.#all = all
    this.#cuts = cuts
    this.#settled = settled
  }

  /** removals: with each all in its past. */
  effectiveOf(removals: readonly Removal[]): readonly Removal[] {
    const effective: Removal[] = []
    for (const removal of removals.toSorted(bySeniority)) {
      if (this.#isLegitimate(removal) && this.#hasRole(removal, effective)) effective.push(removal)
    }
    return effective
  }

  /** Could its author make it, by what that had seen? No seniority lets one who knows of its own removal go on. */
  #isLegitimate(removal: Removal): boolean {
    const known = this.#legitimate.get(removal)
    if (known !== undefined) return known
    const seen = this.#all.filter(
      ({ id, actor, seq }) => id !== removal.id && covers(removal.past, actor, seq),
    )
    const found = this.#hasRole(removal, this.effectiveOf(seen))
    this.#legitimate.set(removal, found)
    return found
  }

  /** Do it, and all the grants that its author's role comes of, stand in view of these removals? */
  #hasRole(removal: Removal, effective: readonly Removal[]): boolean {
    const { vector, membership } = this.#settled
    for (const act of [removal, ...removal.grants]) {
      if (!this.#isAllowed(act, effective)) return false
      const { actor, seq } = act.granted
      if (covers(vector, actor, seq)) return membership.grant(act.grant, act.peer)?.isVoid === false
    }
    return true
  }

  #isAllowed(act: PastAct, effective: readonly Removal[]): boolean {
    if (effective.some(({ id }) => id === act.id)) return true
    const late = isLate(this.#cuts, { label: act.actor, seq: act.seq }, () => act.past)
    return !late && !isRemovedBefore(act, this.#settled) && !isRemovedBy(act, effective)
  }
}

type GrantedAct = Act & Pick<PastAct, 'granted'>

function isRemovedBy(act: GrantedAct, effective: readonly Removal[]): boolean {
  return effective.some(
    ({ target, stamp, past }) =>
      target === act.peer && stamp > act.granted.stamp && !covers(past, act.actor, act.seq),
  )
}

/** Was its writer removed below the checkpoint? Then nothing above it was seen by the remover. */
function isRemovedBefore({ peer, granted }: GrantedAct, { vector, membership }: Settled): boolean {
  return membership.isRemoved(peer, granted, ({ actor, seq }) => covers(vector, actor, seq))
}

function bySeniority(a: Removal, b: Removal): number {
  if (a.granted.stamp !== b.granted.stamp) return a.granted.stamp < b.granted.stamp ? -1 : 1
  return a.stamp < b.stamp ? -1 : 1
}

export function renamedRemoval(removal: Removal, renames: readonly Rename[]): Removal {
  const { stamp } = renamedPosition(removal, renames)
  const grants = removal.grants.map((act) => renamedAct(act, renames))
  return { ...removal, ...renamedAct(removal, renames), stamp, grants }
}

function renamedAct(act: PastAct, renames: readonly Rename[]): PastAct {
  const granted = renamedPosition(act.granted, renames)
  const { actor } = renames.reduce(renamedPlace, act)
  return { ...act, actor, granted, past: renamedBy(act.past, renames) }
}

function renamedPosition(position: Position, renames: readonly Rename[]): Position {
  const { actor, seq } = renames.reduce(renamedPlace, position)
  if (actor === position.actor) return position
  const index = Number(stampDot(position.stamp, seq).split(':')[2])
  return { actor, seq, stamp: makeStamp(stampHlc(position.stamp), actor, index) }
}

type Place = Pick<Position, 'actor' | 'seq'>

function renamedPlace({ actor, seq }: Place, { from, to, fromSeq }: Rename): Place {
  return { actor: actor === from && seq >= fromSeq ? to : actor, seq }
}
