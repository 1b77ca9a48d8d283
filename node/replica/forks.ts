// Entries that a volume's log does not hold yet, or no longer should, because a chain forked. They
// wait for the state to be built anew (rebuild.ts), which names everything as the whole set of
// branches says (protocol/log/fork.ts):
//   a newcomer: a branch that takes the name of one that is held. One at a time; until then nothing
//     else forks here
//   intruders: branches held here that a checkpoint was made without, beside what it covers. Nodes
//     that knew the checkpoint first never took them. Their writer restates them (rebase.ts)
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Place } from './ancestry.ts'
import type { Cuts } from './cuts.ts'
import { Listeners } from './listeners.ts'
import type { CheckpointOp } from './listeners.ts'
import type { Removals } from './removals.ts'
import type { Replica } from './replica.ts'

/**
 * The first entry of a branch that takes the name of another, and what is called otherwise for it.
 */
export interface Newcomer {
  readonly entry: Entry
  readonly rename: Rename
}

/** Entries that wait until the state is built anew. */
export interface Waiting {
  readonly newcomer: Newcomer | undefined
  /** First entries of branches. */
  readonly intruders: ReadonlySet<EntryHash>
  /** Corrections of cuts so far. */
  readonly corrections: number
}

export interface ForksComponents {
  /** The one in use. */
  readonly replica: () => Replica
  readonly cuts: Cuts
  readonly removals: Removals
}

export class Forks {
  readonly #c: ForksComponents
  readonly #listeners = new Listeners<[]>()
  #newcomer: Newcomer | undefined
  /** First entries of branches. */
  readonly #intruders = new Set<EntryHash>()
  /**
   * How often what a cut's announcer held became known better; and how many of these are in the
   * state.
   */
  #corrections = 0
  #corrected = 0
  /** Newcomers that turned out to have no place. */
  readonly #homeless = new Set<EntryHash>()

  constructor(components: ForksComponents) {
    this.#c = components
  }

  /** The entries that wait now. */
  get waiting(): Waiting {
    const intruders = new Set(this.#intruders)
    return { newcomer: this.#newcomer, intruders, corrections: this.#corrections }
  }

  /** The state is to be built anew. */
  get areWaiting(): boolean {
    return (
      this.#newcomer !== undefined ||
      this.#intruders.size > 0 ||
      this.#corrections > this.#corrected ||
      this.#c.removals.isDue
    )
  }

  /** Told when the state is to be built anew, and when there is one branch more, or one less. */
  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener)
  }

  /** A branch more is in the log. */
  tell(): void {
    this.#listeners.tell()
  }

  /**
   * The greatest clock up to `hlc` at which a cut is whole: it parts no branches of a fork from
   * each other, and no removal from what that decides on.
   */
  wholeUpTo(hlc: Hlc): Hlc {
    const { replica, removals } = this.#c
    const whole = removals.wholeUpTo(replica().branches.wholeUpTo(hlc))
    return whole === hlc ? hlc : this.wholeUpTo(whole)
  }

  /**
   * The label of an entry; undefined while the state must be built anew for it. throws ShoalError
   * 'fork'.
   */
  nameAt(place: Place, entry: Entry): ActorId | undefined {
    if (place.existing === undefined) return place.label
    if (this.#homeless.has(entry.hash))
      throw new ShoalError('fork', 'a branch has no place in a log that was settled without it')
    if (this.areWaiting) return undefined
    const { replica, cuts } = this.#c
    const name = replica().nameAt(place, entry, cuts.newest?.vector)
    if (typeof name === 'string') return name
    this.#newcomer = { entry, rename: name }
    this.tell()
    return undefined
  }

  /**
   * A member announced a cut, in the last entry under `label`, which may be called otherwise here:
   * its maker did not know of all branches.
   */
  observe({ vector }: CheckpointOp, label: ActorId): void {
    const { actors, branches } = this.#c.replica()
    if (branches.isEmpty) return
    const seen = actors.pastOf(label)
    for (const hash of branches.strayed(branches.vectorBy(seen, vector), seen))
      this.#intruders.add(hash)
    if (this.#intruders.size > 0) this.tell()
  }

  /** Judges late entries again: the cut was known by the labels of another, from its checkpoint. */
  judgeAgain(): void {
    this.#corrections++
    this.tell()
  }

  /** The state was built anew with all this, as far as it has a place. */
  settle({ newcomer, intruders, corrections }: Waiting): void {
    for (const hash of intruders) this.#intruders.delete(hash)
    this.#corrected = corrections
    if (newcomer !== undefined && newcomer === this.#newcomer) {
      const { header, hash } = newcomer.entry
      const label = this.#c.replica().ancestry.locate(header.actor, header.seq, hash)
      if (label === undefined) this.#homeless.add(hash)
      this.#newcomer = undefined
    }
    this.tell()
  }

  /** It could not be, or without the newcomer, this time: that comes again. */
  giveUp(): void {
    this.#newcomer = undefined
  }
}
