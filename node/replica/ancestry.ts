// Places entries in the chains of a log that may have forked (protocol/log/branches.ts): under
// which label, after what, and which entries here it names. Headers call an actor as it calls
// itself, and the others as their writer does; hashes say what is meant. An entry of an actor that
// never forked costs the look-up of its actor, as ever.
import { covers } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { HLC_MAX, HLC_ZERO } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Branches } from '../../protocol/log/branches.ts'
import type { BranchStart } from '../../protocol/log/fork.ts'
import type { Dependency, Entry, EntryHeader } from '../../protocol/log/entry.ts'
import type { Actor, ActorTable } from './actors.ts'
import type { EntryTable } from '../state/entries.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** The place of an entry. */
export interface Place {
  /**
   * The label of the entry before it, which it takes over; it has one of its own if that is taken
   * (Replica.nameAt).
   */
  readonly label: ActorId
  /** Its actor as of the entry before it; undefined: it is the first. */
  readonly before: Actor | undefined
  /** Its dependencies, by labels here. */
  readonly deps: readonly Dependency[]
  /** The entry that has the place: its chain forks here. */
  readonly existing: BranchStart | undefined
}

/** An entry, as its writer called it. */
export interface EntryName {
  readonly actor: ActorId
  readonly seq: number
  readonly id: EntryHash
}

export interface AncestryComponents {
  readonly actors: ActorTable
  readonly branches: Branches
  readonly entries: EntryTable
  /**
   * The part of the log covered by the checkpoint that the state builds on: every replica that has
   * it judges alike, whatever it dropped.
   */
  readonly settled: () => VersionVector
  /** The actor that has this label as of that checkpoint. */
  readonly atCheckpoint: (label: ActorId) => Actor | undefined
}

export class Ancestry {
  readonly #c: AncestryComponents

  constructor(components: AncestryComponents) {
    this.#c = components
  }

  /** Hash of the entry held under (label, seq); of one that was dropped, if that can be known. */
  readonly hashAt = (label: ActorId, seq: number): EntryHash | undefined => {
    const { actors, entries } = this.#c
    const last = actors.get(label)
    if (last === undefined || last.seq < seq) return undefined
    if (last.seq === seq) return last.hash
    return entries.hash(label, seq) ?? entries.entry(label, seq + 1)?.header.prev
  }

  /** The label here of an entry; undefined: it is not held, or was dropped. */
  locate(actor: ActorId, seq: number, hash: EntryHash): ActorId | undefined {
    const last = this.#c.actors.get(actor)
    if (last?.seq === seq && last.hash === hash) return actor
    return this.#c.branches.locate(actor, seq, hash, this.hashAt)
  }

  /** Is every entry with this number, whatever the branch, one that was dropped? */
  isDropped(actor: ActorId, seq: number): boolean {
    return this.#isWithin(this.#c.entries.dropped, actor, seq)
  }

  #isWithin(vector: VersionVector, actor: ActorId, seq: number): boolean {
    const { branches } = this.#c
    return branches
      .labels(actor)
      .every((label) => branches.firstSeq(label) > seq || covers(vector, label, seq))
  }

  /**
   * The place of an entry that is not yet held.
   * throws ShoalError 'fork' for one whose branch begins where what was written is settled: its
   * writer was away for so long that it must start from the checkpoint.
   */
  placeOf({ header, hash }: Entry): Place | 'known' | 'missing-past' {
    const { actor, seq } = header
    const last = this.#c.actors.get(actor)
    const isNext =
      last === undefined ? seq === 1 : seq === last.seq + 1 && header.prev === last.hash
    if (isNext) return this.#placeAfter(header, actor, last)
    if (this.locate(actor, seq, hash) !== undefined || this.isDropped(actor, seq)) return 'known'
    const label = header.prev === undefined ? actor : this.locate(actor, seq - 1, header.prev)
    if (label === undefined) {
      if (this.#isWithin(this.#c.settled(), actor, seq - 1)) throw tooLate(header)
      return 'missing-past'
    }
    const held = this.#c.actors.get(label)
    if (held !== undefined && held.seq >= seq) return this.#placeOfFork(header, label)
    return this.#placeAfter(header, label, held)
  }

  /**
   * The place of an entry that is held elsewhere under this label, and follows one that is held
   * here.
   */
  placeAt(label: ActorId, { header }: Entry): Place {
    const { actors, branches } = this.#c
    const first = branches.firstSeq(label)
    const last = actors.get(label)
    const before =
      last ?? (first > 1 ? this.recordAt(branches.labelAt(label, first - 1), first - 1) : undefined)
    const deps = header.deps.map((dep) => ({
      ...dep,
      actor: this.locate(dep.actor, dep.seq, dep.hash) ?? dep.actor,
    }))
    return { label, before, deps, existing: undefined }
  }

  /** The past of an entry's writer, by labels here, the entry included. */
  seenBy({ label, before, deps }: Place, { header }: Entry): VersionVector {
    const { branches } = this.#c
    const seen = new Map(before?.seen)
    if (before !== undefined) branches.see(seen, before.id, before.seq)
    for (const dep of deps) branches.see(seen, dep.actor, dep.seq)
    branches.see(seen, label, header.seq)
    return seen
  }

  /** Had the writer of an entry applied (label, seq) when it wrote that? */
  sees({ before, deps }: Place, label: ActorId, seq: number): boolean {
    const { branches } = this.#c
    const isOn = (path: { readonly actor: ActorId; readonly seq: number }): boolean =>
      path.seq >= seq && branches.labelAt(path.actor, seq) === label
    if (before !== undefined && isOn({ actor: before.id, seq: before.seq })) return true
    return (before?.seen.get(label) ?? 0) >= seq || deps.some(isOn)
  }

  /** The same of an entry by its own name, which may have been dropped: then any branch will do. */
  seesEntry(place: Place, entry: EntryName): boolean {
    return this.#labelsOf(entry).some((label) => this.sees(place, label, entry.seq))
  }

  /** Is an entry, by its own name, among those that somebody has applied? */
  covers(vector: VersionVector, entry: EntryName): boolean {
    return this.#labelsOf(entry).some((label) => covers(vector, label, entry.seq))
  }

  #labelsOf({ actor, seq, id }: EntryName): readonly ActorId[] {
    const { branches } = this.#c
    const labels = branches.labels(actor)
    if (labels.length === 1) return labels
    const here = this.locate(actor, seq, id)
    return here === undefined ? labels.filter((label) => branches.firstSeq(label) <= seq) : [here]
  }

  /** The first of what an entry follows that is not held; undefined: all is. */
  missingOf({ header }: Entry): EntryHash | undefined {
    const { actor, seq, prev, deps } = header
    if (prev !== undefined && this.locate(actor, seq - 1, prev) === undefined) return prev
    return deps.find((dep) => this.#locateDep(dep) === undefined)?.hash
  }

  /** Clock of an entry held. */
  hlcAt(label: ActorId, seq: number): Hlc | undefined {
    const last = this.#c.actors.get(label)
    return last?.seq === seq ? last.hlc : this.#c.entries.hlc(label, seq)
  }

  /**
   * Is this clock greater than that of an entry here? Below the checkpoint nobody asks: its clock
   * may be dropped.
   */
  isAfter(hlc: Hlc, { actor, seq }: Dependency): boolean {
    // Usually it is the latest.
    if ((this.#c.actors.get(actor)?.hlc ?? HLC_MAX) < hlc) return true
    if (this.#isBelow(actor, seq)) return true
    const at = this.hlcAt(actor, seq) ?? this.#c.atCheckpoint(actor)?.hlc
    return (at ?? HLC_ZERO) < hlc
  }

  /**
   * An actor as it was when (label, seq) was its last entry; undefined if too much was dropped to
   * tell. base: the same at an earlier entry. cost: O(its entries since that, or since the
   * checkpoint).
   */
  recordAt(
    label: ActorId,
    seq: number,
    base: Actor | undefined = this.#baseOf(label, seq),
  ): Actor | undefined {
    const { actors, branches, entries } = this.#c
    const last = actors.get(label)
    if (last?.seq === seq) return last
    const from = base?.seq ?? 0
    if (from === 0 && branches.firstSeq(label) > 1) return undefined
    const seen = new Map(base?.seen)
    if (base !== undefined) branches.see(seen, base.id, base.seq)
    let entry: Entry | undefined
    for (let at = from + 1; at <= seq; at++) {
      entry = entries.entry(label, at)
      if (entry === undefined) return undefined
      for (const dep of entry.header.deps)
        branches.see(seen, this.locate(dep.actor, dep.seq, dep.hash) ?? dep.actor, dep.seq)
    }
    if (entry === undefined) return base
    const { hash, header } = entry
    const known = base ?? last
    if (known === undefined) return undefined
    const { publicKey, peer, late } = known
    seen.delete(label)
    return {
      id: label,
      publicKey,
      peer,
      grant: header.grant,
      seq,
      hash,
      hlc: header.hlc,
      seen,
      late,
    }
  }

  /** From where what an actor had seen can be followed to (label, seq). */
  #baseOf(label: ActorId, seq: number): Actor | undefined {
    const { branches, atCheckpoint } = this.#c
    const settled = atCheckpoint(label)
    if (settled !== undefined && settled.seq <= seq) return settled
    const first = branches.firstSeq(label)
    return first > 1 ? this.recordAt(branches.labelAt(label, first - 1), first - 1) : undefined
  }

  #placeAfter(
    header: EntryHeader,
    label: ActorId,
    before: Actor | undefined,
  ): Place | 'missing-past' {
    const deps = this.#depsOf(header)
    return deps === undefined ? 'missing-past' : { label, before, deps, existing: undefined }
  }

  #placeOfFork(header: EntryHeader, label: ActorId): Place | 'missing-past' {
    const deps = this.#depsOf(header)
    if (deps === undefined) return 'missing-past'
    const { seq } = header
    const [hash, hlc] = [this.hashAt(label, seq), this.hlcAt(label, seq)]
    const before = seq === 1 ? undefined : this.recordAt(label, seq - 1)
    if (hash === undefined || hlc === undefined || (seq > 1 && before === undefined))
      throw tooLate(header)
    return { label, before, deps, existing: { hash, hlc } }
  }

  /** The dependencies of an entry, by labels here; undefined while some of them are not held. */
  #depsOf({ deps }: EntryHeader): readonly Dependency[] | undefined {
    const located: Dependency[] = []
    for (const dep of deps) {
      const actor = this.#locateDep(dep)
      if (actor === undefined && isPlanted('applied-before-its-past')) continue
      if (actor === undefined) return undefined
      located.push(actor === dep.actor ? dep : { ...dep, actor })
    }
    return located
  }

  /**
   * The label here of what an entry names; undefined while it is not held. Below the checkpoint any
   * hash will do: not everyone can compare it. The last entry that the checkpoint covers is in its
   * records.
   */
  #locateDep({ actor, seq, hash }: Dependency): ActorId | undefined {
    const label = this.locate(actor, seq, hash)
    if (label !== undefined || this.#isBelow(actor, seq)) return label ?? actor
    return this.#c.branches.labels(actor).find((other) => this.#isBelow(other, seq))
  }

  /** Does the checkpoint cover this entry and one that follows it? */
  #isBelow(label: ActorId, seq: number): boolean {
    return this.#c.branches.firstSeq(label) <= seq && covers(this.#c.settled(), label, seq + 1)
  }
}

function tooLate({ actor, seq }: EntryHeader): ShoalError {
  return new ShoalError(
    'fork',
    `${actor}:${seq} follows another entry than a checkpoint has kept: its writer is to start from that`,
  )
}
