// Removals of roles, and their effect on the past: a later one may make void what was applied. Then
// the state is to be built anew (rebuild.ts); that this is due is as durable as the entry that it
// comes of. What their authors had seen is found in the log; below a checkpoint nothing is asked of
// that, since none of them had seen what comes above.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import { isGoverning } from '../../protocol/log/entry.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Cut } from '../../protocol/log/stability.ts'
import type { GovernanceState } from '../../protocol/membership/governance-state.ts'
import type { Revocation } from '../../protocol/membership/revocations.ts'
import type { Place } from './ancestry.ts'
import type { Cuts } from './cuts.ts'
import { Judge } from './validity.ts'
import type { Membership } from './membership.ts'
import type { Replica } from './replica.ts'
import type { StateView } from '../state/state-view.ts'

/** There while the state in use is to be built anew. */
const DUE: ByteString = STATE_PREFIXES.removalsDue
/** There while this node has not said again what it wrote, being no member. */
const UNSAID: ByteString = STATE_PREFIXES.removalsUnsaid

export interface RemovalsComponents {
  readonly view: StateView
  readonly cuts: Cuts
  readonly membership: Membership
  /** The one in use. */
  readonly replica: () => Replica
}

/** The sources of the judge in use. */
interface Made {
  readonly judge: Judge
  readonly of: readonly unknown[]
}

export class Removals {
  readonly #c: RemovalsComponents
  /** The pasts of authors, by the labels of the state in use. */
  readonly #pasts = new Map<EntryHash, VersionVector>()
  #made: Made | undefined

  constructor(components: RemovalsComponents) {
    this.#c = components
  }

  /** The judge of entries that come now. */
  get judge(): Judge {
    const { cuts, membership, replica } = this.#c
    const of = [cuts.chain, membership.state, replica()]
    if (this.#made === undefined || !this.#made.of.every((part, index) => part === of[index]))
      this.#made = { judge: this.judgeBy(membership.state), of }
    return this.#made.judge
  }

  /**
   * A judge by a part of the governing entries: those that the announcer of a cut knew, up to that.
   */
  judgeBy(state: GovernanceState): Judge {
    return new Judge(this.#c.cuts.chain, state, this.#pastOf)
  }

  /** The state in use is to be built anew. */
  get isDue(): boolean {
    return this.#c.view.get(DUE) !== undefined
  }

  /**
   * An entry that is about to be applied becomes known to all judges now, if it governs. returns
   * whether it is why the state must be built anew.
   */
  add(entry: Entry, place: Place): boolean {
    if (!isGoverning(entry.header)) return false
    const before = this.judge
    this.#c.membership.take(entry)
    this.#pasts.set(entry.hash, this.#c.replica().ancestry.seenBy(place, entry))
    const wasDue = this.isDue
    if (this.#changes(before, entry.hash)) this.#setDue(true)
    return !wasDue && this.isDue
  }

  /**
   * The same of one that a state has which was built anew with it, without knowing what it says.
   */
  addTaken(entry: Entry): void {
    if (isGoverning(entry.header) && this.#c.membership.take(entry)) this.#setDue(true)
  }

  /** This node was given a role: what it wrote while it had none that counts it can say again. */
  admitted(): boolean {
    if (this.#c.view.get(UNSAID) === undefined) return false
    this.#c.view.delete(UNSAID)
    this.#setDue(true)
    return true
  }

  /** This node could not say again what it wrote, since it is no member. */
  leaveUnsaid(): void {
    this.#c.view.put(UNSAID, Uint8Array.of(1))
  }

  /**
   * The state builds on a checkpoint at this cut. Where what its announcer did not know would
   * decide on entries below it, or what that knew does not stand, it is built anew: below the cut
   * all go by what the announcer knew.
   */
  checkBelow({ vector }: Cut, then: GovernanceState): void {
    const { revocations } = this.#c.membership.state
    const before = this.judgeBy(then)
    const decidesBelow = (one: Revocation): boolean =>
      this.#unseenBy(one.target, this.#pastOf(one.act.id)).some(
        ({ id, first }) => first <= (vector.get(id) ?? 0),
      )
    const isOther =
      before.state.revocations.some((one) => !this.judge.has(one)) ||
      revocations.some((one) => !before.has(one) && decidesBelow(one))
    if (isOther) this.#setDue(true)
  }

  /**
   * The state in use was built by this judge: it is due again if what came meanwhile changes that.
   */
  settle(judge: Judge): void {
    this.#pasts.clear()
    this.#made = undefined
    this.#setDue(!this.judge.agrees(judge))
  }

  /**
   * The greatest clock up to `hlc` at which a cut is the same whatever else is heard of: no entry
   * above it that takes a role away decides on what is below.
   */
  wholeUpTo(hlc: Hlc): Hlc {
    const { ancestry, settled } = this.#c.replica()
    const { revocations } = this.#c.membership.state
    const open = revocations.filter(({ act }) => !ancestry.covers(settled, act))
    let whole = hlc
    for (;;) {
      const before = whole
      for (const revocation of open) {
        if (revocation.act.hlc <= whole) continue
        for (const clock of this.#notSeenBy(revocation))
          if (clock <= whole) whole = (clock - 1n) as Hlc
      }
      if (whole === before) return whole
    }
  }

  /** Clocks of the first entries of its target that it had not seen. */
  *#notSeenBy({ target, act }: Revocation): Generator<Hlc> {
    const { ancestry } = this.#c.replica()
    for (const { id, first } of this.#unseenBy(target, this.#pastOf(act.id)))
      yield ancestry.hlcAt(id, first) ?? HLC_MAX
  }

  /** Is what was applied so far not what it should be, by this entry? */
  #changes(before: Judge, id: EntryHash): boolean {
    const { judge } = this
    if (before.state.revocations.some((one) => !judge.has(one))) return true
    return judge.state.revocations.some((one) =>
      one.act.id === id
        ? this.#unseenBy(one.target, this.#pastOf(id)).length > 0
        : !before.has(one),
    )
  }

  /**
   * The first entry under each label of a peer that somebody with this past had not seen. Nobody's
   * past: none.
   */
  #unseenBy(
    target: PeerId,
    past: VersionVector | undefined,
  ): readonly { readonly id: ActorId; readonly first: number }[] {
    if (past === undefined) return []
    const { actors, branches } = this.#c.replica()
    return [...actors.all()]
      .filter(({ id, peer, seq }) => peer === target && (past.get(id) ?? 0) < seq)
      .map(({ id }) => ({ id, first: Math.max((past.get(id) ?? 0) + 1, branches.firstSeq(id)) }))
  }

  /** The past of a governing entry's author, if the log has the entry above its checkpoint. */
  readonly #pastOf = (id: EntryHash): VersionVector | undefined => {
    const known = this.#pasts.get(id)
    if (known !== undefined) return known
    const { ancestry, branches } = this.#c.replica()
    const act = this.#c.membership.governance.dag.get(id)
    const label = act && ancestry.locate(act.actor, act.seq, id)
    const record = act && label && ancestry.recordAt(label, act.seq)
    if (act === undefined || label === undefined || !record) return undefined
    const past = new Map(record.seen)
    branches.see(past, label, act.seq)
    this.#pasts.set(id, past)
    return past
  }

  #setDue(isDue: boolean): void {
    if (isDue) this.#c.view.put(DUE, Uint8Array.of(1))
    else this.#c.view.delete(DUE)
  }
}
