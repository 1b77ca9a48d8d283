// The removals of members that a volume's log tells of, whether they have effect or not (judge.ts): a later one may
// decide on earlier ones, and on entries that were applied. Then the state is to be built anew (rebuild.ts); that this is
// due is as durable as the entry that it comes of. Kept while the log is: below a checkpoint, its records say the same.
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { HLC_MAX } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { covers, decodeVector, encodeVector } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { peerIdFromPublicKey, publicKeyOf } from '../../protocol/ids.ts'
import type { ActorId, EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import { makeStamp, stampHlc } from '../../protocol/log/dot.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import type { Op } from '../../protocol/tree/op.ts'
import type { Place } from './ancestry.ts'
import { isLate } from './cuts.ts'
import type { Cuts } from './cuts.ts'
import { Judge, renamedRemoval } from './judge.ts'
import type { PastAct, Removal } from './judge.ts'
import { decodePosition, encodePosition } from './membership.ts'
import type { Replica } from './replica.ts'
import type { StateView } from './state-view.ts'

const REMOVALS: ByteString = 'wremovals'
/** There while the state in use is to be built anew. */
const DUE: ByteString = 'wremovals-due'
/** There while this node has not said again what it wrote, being no member. */
const UNSAID: ByteString = 'wremovals-unsaid'

export interface RemovalsComponents {
  readonly view: StateView
  readonly cuts: Cuts
  /** The one in use. */
  readonly replica: () => Replica
}

/** What a judge in use was made of. */
interface Made {
  readonly judge: Judge
  readonly of: readonly unknown[]
}

export class Removals {
  readonly #c: RemovalsComponents
  #all: readonly Removal[]
  #made: Made | undefined

  constructor(components: RemovalsComponents) {
    this.#c = components
    const bytes = components.view.get(REMOVALS)
    this.#all = bytes === undefined ? [] : decodeRemovals(bytes)
  }

  /** What judges entries that come now. */
  get judge(): Judge {
    const replica = this.#c.replica()
    const of = [this.#all, this.#c.cuts.chain, replica, replica.checkpoint]
    if (this.#made === undefined || !this.#made.of.every((part, index) => part === of[index]))
      this.#made = { judge: this.judgeFor(replica), of }
    return this.#made.judge
  }

  /** What judges all entries that are taken into a state, which holds no more yet than its checkpoint. */
  judgeFor(replica: Replica): Judge {
    const { settled } = replica
    const open = this.#all.filter(({ actor, seq }) => !covers(settled.vector, actor, seq))
    return Judge.of(open, this.#c.cuts.chain, settled)
  }

  /** The state in use is to be built anew. */
  get isDue(): boolean {
    return this.#c.view.get(DUE) !== undefined
  }

  /**
   * An entry that is about to be applied says this. returns whether it is why the state must now be built anew. `ops`: all
   * that its role allows, also if it does not count.
   */
  add(entry: Entry, place: Place, ops: readonly (Op | undefined)[]): boolean {
    if (!ops.some((op) => op?.kind === 'remove-member')) return false
    const act = this.#actOf(entry, place.label, this.#c.replica().ancestry.seenBy(place, entry))
    const found = ops.flatMap((op, index) =>
      op?.kind === 'remove-member' && act !== undefined
        ? [this.#removalOf(act, op.peer, makeStamp(entry.header.hlc, place.label, index))]
        : [],
    )
    const isNew = ({ id, target }: Removal): boolean =>
      !this.#all.some((known) => known.id === id && known.target === target)
    const news = found.filter(isNew)
    if (news.length === 0) return false
    const before = this.judge
    this.#all = [...this.#all, ...news]
    this.#save()
    const wasDue = this.isDue
    if (this.#changes(before, news)) this.#setDue(true)
    return !wasDue && this.isDue
  }

  /** The same of one that a state has which was built anew with it. */
  addTaken(entry: Entry): void {
    const { ancestry } = this.#c.replica()
    const { actor, seq } = entry.header
    const label = ancestry.locate(actor, seq, entry.hash)
    const reading = this.#c.replica().read(entry)
    if (label === undefined || reading.kind !== 'ops') return
    const known = this.#all
    this.add(entry, ancestry.placeAt(label, entry), reading.ops)
    // It was judged without knowing what it says.
    if (this.#all !== known) this.#setDue(true)
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
   * The state in use was built by this judge, with these labels: it is due again if what came meanwhile changes that.
   * Removals of entries that are no longer in the log, or settled, are forgotten.
   */
  settle(judge: Judge, renames: readonly Rename[]): void {
    const { ancestry, branches, entries } = this.#c.replica()
    this.#all = this.#all
      .map((removal) => renamedRemoval(removal, renames))
      .filter(({ id, actor, seq }) => {
        if (covers(entries.dropped, actor, seq)) return false
        return ancestry.locate(branches.actor(actor), seq, id) === actor
      })
    this.#save()
    this.#setDue(!this.judge.agrees(judge))
  }

  /**
   * The greatest clock up to `hlc` at which a cut is the same whatever else is heard of: no removal above it decides on
   * what is below.
   */
  wholeUpTo(hlc: Hlc): Hlc {
    let whole = hlc
    for (;;) {
      const before = whole
      for (const removal of this.#open()) {
        if (stampHlc(removal.stamp) <= whole) continue
        for (const clock of this.#notSeenBy(removal))
          if (clock <= whole) whole = (clock - 1n) as Hlc
      }
      if (whole === before) return whole
    }
  }

  /** Those above the checkpoint that did not come too late. */
  #open(): readonly Removal[] {
    const { vector } = this.#c.replica().settled
    return this.#all.filter(
      ({ actor, seq, past }) =>
        !covers(vector, actor, seq) &&
        !isLate(this.#c.cuts.chain, { label: actor, seq }, () => past),
    )
  }

  /** Clocks of what a removal may decide on: other removals, and the first entries of its target that it had not seen. */
  *#notSeenBy({ target, past }: Removal): Generator<Hlc> {
    for (const { actor, seq, stamp } of this.#open())
      if (!covers(past, actor, seq)) yield stampHlc(stamp)
    const { actors, ancestry, branches } = this.#c.replica()
    for (const { id, peer, seq } of actors.all()) {
      const first = Math.max((past.get(id) ?? 0) + 1, branches.firstSeq(id))
      if (peer === target && first <= seq) yield ancestry.hlcAt(id, first) ?? HLC_MAX
    }
  }

  /** Is what was applied so far not what it should be, by what is new? */
  #changes(before: Judge, news: readonly Removal[]): boolean {
    const { judge } = this
    if (before.effective.some((removal) => !judge.has(removal))) return true
    return judge.effective.some(
      (removal) => !before.has(removal) && (!news.includes(removal) || this.#hasUnseen(removal)),
    )
  }

  /** Has its target written what the remover had not seen? */
  #hasUnseen({ target, past }: Removal): boolean {
    return [...this.#c.replica().actors.all()].some(
      ({ id, peer, seq }) => peer === target && !covers(past, id, seq),
    )
  }

  /** undefined: its grant is not known. */
  #actOf(entry: Entry, actor: ActorId, past: VersionVector): PastAct | undefined {
    const { grant, seq } = entry.header
    const peer = this.#c.replica().authorOf(entry)
    const granted = this.#c.replica().membership.grant(grant, peer)
    return granted && { id: entry.hash, actor, seq, peer, granted, grant, past }
  }

  #removalOf(act: PastAct, target: PeerId, stamp: Removal['stamp']): Removal {
    return { ...act, stamp, target, grants: this.#grantsOf(act) }
  }

  /** The entries that the role of an act comes of, as far as the log has them. */
  #grantsOf({ granted: { actor, seq } }: PastAct): readonly PastAct[] {
    const { ancestry, branches, entries } = this.#c.replica()
    const [entry, record] = [entries.entry(actor, seq), ancestry.recordAt(actor, seq)]
    if (seq === 0 || entry === undefined || record === undefined) return []
    const past = new Map(record.seen)
    branches.see(past, actor, seq)
    const act = this.#actOf(entry, actor, past)
    return act === undefined ? [] : [act, ...this.#grantsOf(act)]
  }

  #setDue(isDue: boolean): void {
    if (isDue) this.#c.view.put(DUE, Uint8Array.of(1))
    else this.#c.view.delete(DUE)
  }

  #save(): void {
    this.#c.view.put(REMOVALS, encodeCbor(this.#all.map(encodeRemoval)))
  }
}

function encodeAct({ id, actor, seq, peer, granted, grant, past }: PastAct): unknown[] {
  return [
    fromHex(id),
    fromHex(actor),
    seq,
    publicKeyOf(peer),
    encodePosition(granted),
    fromHex(grant),
    encodeVector(past),
  ]
}

function decodeAct(value: unknown): PastAct {
  const [id, actor, seq, peer, granted, grant, past] = value as readonly unknown[]
  return {
    id: toHex(id as Uint8Array) as EntryHash,
    actor: toHex(actor as Uint8Array) as ActorId,
    seq: seq as number,
    peer: peerIdFromPublicKey(peer as Uint8Array),
    granted: decodePosition(granted as Uint8Array),
    grant: toHex(grant as Uint8Array) as EntryHash,
    past: decodeVector(past),
  }
}

function encodeRemoval(removal: Removal): unknown[] {
  const { stamp, target, grants } = removal
  const rest = [fromByteString(stamp), publicKeyOf(target), grants.map(encodeAct)]
  return [encodeAct(removal), ...rest]
}

function decodeRemovals(bytes: Uint8Array): readonly Removal[] {
  const removals = decodeCbor(bytes, 'removals') as readonly (readonly unknown[])[]
  return removals.map(([act, stamp, target, grants]) => ({
    ...decodeAct(act),
    stamp: toByteString(stamp as Uint8Array) as Removal['stamp'],
    target: peerIdFromPublicKey(target as Uint8Array),
    grants: (grants as readonly unknown[]).map(decodeAct),
  }))
}
