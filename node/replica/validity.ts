// Which entries of a log count. One that came too late for a cut that counts does not (cuts.ts);
// nor does one of a member whose role was taken away before its writer knew, and without whoever
// did so knowing of it, or one under a role that nobody could give. These are kept, pointed to and
// passed on like any other, and say nothing. Governing entries are judged by each other alone
// (protocol/membership/governance-state.ts): no cut makes one of them late.
//
// A judge goes by fixed cuts and governing entries, never by what a state has come to, so the order
// in which entries are taken decides nothing; who knows the same of these judges alike.
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { renamedBy } from '../../protocol/log/branches.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import type { GovernanceState } from '../../protocol/membership/governance-state.ts'
import type { Revocation } from '../../protocol/membership/revocations.ts'
import type { Ancestry, EntryName } from './ancestry.ts'
import { isLate, renamedCuts } from './cuts.ts'
import type { AnnouncedCut } from './cuts.ts'

/** Why an entry says nothing, if it does. */
export type Validity = 'counts' | 'late' | 'void'

/** An entry, as far as its standing goes by its writer's rights. */
export interface Act {
  readonly id: EntryHash
  /** Its label here. */
  readonly label: ActorId
  readonly seq: number
  /** Its writer. */
  readonly peer: PeerId
  /** The entry that gave the role it is written in. */
  readonly grant: EntryHash
  readonly governs: boolean
}

/**
 * The past of a governing entry's author in the log; undefined where that does not have the entry.
 */
export type PastOf = (id: EntryHash) => VersionVector | undefined

/** The facts that a judge needs about the state that an entry is taken into. */
export interface Court {
  /** The part of the log covered by the checkpoint that the state builds on. */
  readonly settled: VersionVector
  readonly ancestry: Pick<Ancestry, 'covers'>
}

export class Judge {
  readonly cuts: readonly AnnouncedCut[]
  readonly state: GovernanceState
  readonly #pastOf: PastOf

  constructor(cuts: readonly AnnouncedCut[], state: GovernanceState, pastOf: PastOf) {
    this.cuts = cuts
    this.state = state
    this.#pastOf = pastOf
  }

  /** The same by other labels. */
  renamed(renames: readonly Rename[]): Judge {
    const pastOf = (id: EntryHash): VersionVector | undefined => {
      const past = this.#pastOf(id)
      return past && renamedBy(past, renames)
    }
    return new Judge(renamedCuts(this.cuts, renames), this.state, pastOf)
  }

  /**
   * The validity of an entry above the checkpoint. seenBy: what its writer had applied, itself
   * included.
   */
  standingOf(act: Act, court: Court, seenBy: () => VersionVector): Validity {
    if (act.governs) return this.state.isVoid(act.id) ? 'void' : 'counts'
    if (isLate(this.cuts, act, seenBy)) return 'late'
    return this.hasRight(act, court, seenBy) ? 'counts' : 'void'
  }

  /** Had its writer a right to an entry that does not govern, whether or not that came too late? */
  hasRight(act: Act, court: Court, seenBy: () => VersionVector): boolean {
    const grant = this.state.grant(act.grant, act.peer)
    if (grant === undefined) return false
    if (this.state.revocationsOf(grant).some((one) => this.#isUnseen(act, one, court))) return false
    // An author that has seen that it has a newer role writes under that one.
    const hasSeen = (entry: EntryName | undefined): boolean =>
      entry !== undefined && court.ancestry.covers(seenBy(), entry)
    return !this.state.newerGrants(grant).some(({ id }) => hasSeen(this.state.act(id)))
  }

  /** Do both take the same acts that take roles away for effective? */
  agrees(other: Judge): boolean {
    const [mine, theirs] = [this.state.revocations, other.state.revocations]
    return mine.length === theirs.length && mine.every((one) => other.has(one))
  }

  has({ act, target }: Pick<Revocation, 'act' | 'target'>): boolean {
    return this.state.revocations.some((one) => one.act.id === act.id && one.target === target)
  }

  /**
   * Had whoever took the role away not seen this entry? Below the checkpoint, nothing above it was.
   */
  #isUnseen({ label, seq }: Act, { act }: Revocation, { settled, ancestry }: Court): boolean {
    if (ancestry.covers(settled, act)) return true
    const past = this.#pastOf(act.id)
    // Not in the log yet: it will be, and decides then.
    return past !== undefined && (past.get(label) ?? 0) < seq
  }
}
