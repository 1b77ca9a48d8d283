// The log of a volume taken once more, into a state that is built beside the one in use, with the
// log as it is called there. Entries come in the order of their clocks, in which the branches of a
// fork get their labels once and for all.
import { NO_CHECKPOINT } from '../replica/kept-checkpoint.ts'
import { mergeVectors } from '../../protocol/clock/vector-clock.ts'
import type { VersionVector } from '../../protocol/clock/vector-clock.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { Rename } from '../../protocol/log/branches.ts'
import type { Entry } from '../../protocol/log/entry.ts'
import { readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import type { Op } from '../../protocol/op/op.ts'
import type { Checkpoint } from '../replica/kept-checkpoint.ts'
import { byClock } from '../state/entries.ts'
import type { Logged } from '../state/entries.ts'
import type { Place } from '../replica/ancestry.ts'
import type { Newcomer } from '../replica/forks.ts'
import type { Judge } from '../replica/validity.ts'
import type { Rebase } from './rebase.ts'
import type { Replica } from '../replica/replica.ts'
import { seqsOf } from '../state/seq-ranges.ts'
import type { Volume } from '../log/volume.ts'

/** An entry of the old log, or a newcomer to it. */
type Taken = Omit<Logged, 'label'> & { readonly label: ActorId | undefined }

export interface ReplayComponents {
  readonly volume: Volume
  /** The replica that is built. */
  readonly replica: Replica
  /** Told of what this node wrote too late. */
  readonly rebase: Rebase
  /** First entries of branches that are to be left out. */
  readonly intruders: ReadonlySet<EntryHash>
}

export class Replay {
  readonly #c: ReplayComponents
  /** The entries of the old log, by its labels, that need not be taken any more. */
  #taken = new Map<ActorId, number>()
  /** Renames from the old label to the new. */
  readonly #renames = new Map<string, Rename>()
  #judge: Judge
  #news: Logged | undefined

  constructor(components: ReplayComponents) {
    this.#c = components
    const { removals, membership } = components.volume
    this.#judge = removals.judgeBy(membership.state)
  }

  /** The newcomer, if it was taken: the side effects of its ops have not run yet. */
  get news(): Logged | undefined {
    return this.#news
  }

  /** The judge of the new state. */
  get judge(): Judge {
    return this.#judge
  }

  get renames(): readonly Rename[] {
    return [...this.#renames.values()]
  }

  /**
   * Take the log as far as the state does not hold it: it was built on a checkpoint of this log, or
   * on nothing.
   */
  *keepLog(base: Checkpoint | undefined, newcomer: Newcomer | undefined): Generator<void> {
    const { volume, replica } = this.#c
    if (newcomer !== undefined) this.#rename(newcomer.rename)
    const { dropped } = volume.entries
    replica.entries.skip(dropped)
    const { vector } = base ?? NO_CHECKPOINT
    this.#sayLate()
    for (const { label, entry } of volume.entries.between(dropped, vector)) {
      replica.entries.put(label, entry)
      yield
    }
    this.#taken = new Map(vector)
    yield* this.take(newcomer?.entry)
  }

  /** Take of the log what the checkpoint of another does not hold, on which the state is built. */
  *skipTo(checkpoint: Checkpoint): Generator<void> {
    const { volume, replica } = this.#c
    const { vector } = checkpoint
    this.#sayLate()
    replica.entries.skip(vector)
    const tips = new Map<ActorId, EntryHash>()
    for (const [label, seq] of vector) {
      const last = replica.actors.get(label)
      if (last?.seq === seq) tips.set(label, last.hash)
    }
    const forks = replica.branches.forks()
    const { hashAt } = volume.replica.ancestry
    const held = volume.branches.vectorOf({ vector, forks, tips }, hashAt)
    const { vector: settled } = volume.checkpoint ?? NO_CHECKPOINT
    this.#doubtOwn(held, settled)
    this.#taken = mergeVectors(mergeVectors(held, settled), volume.entries.dropped)
    yield* this.take(undefined)
  }

  /**
   * Own entries are in the checkpoint up to where that can be told: by hash, where the chain there
   * is not longer than here, or where others had confirmed that they hold it. For the rest a copy
   * of this node may have written something else, and what was written here is said again, at worst
   * twice. held: what the checkpoint seems to hold.
   */
  #doubtOwn(held: Map<ActorId, number>, settled: VersionVector): void {
    const { volume, replica } = this.#c
    const { branches, acknowledged: shared } = volume
    for (const { id, peer } of volume.actors.all()) {
      if (peer !== volume.identity.peer) continue
      let sure = Math.max(settled.get(id) ?? 0, shared.vector.get(id) ?? 0)
      for (const label of replica.branches.labels(branches.actor(id))) {
        const last = replica.actors.get(label)
        if (last === undefined) continue
        const here = volume.replica.ancestry.locate(branches.actor(id), last.seq, last.hash)
        if (here !== undefined && branches.labelAt(id, last.seq) === here)
          sure = Math.max(sure, last.seq)
      }
      held.set(id, Math.min(sure, held.get(id) ?? 0))
    }
  }

  /**
   * Restates own entries that came too late for the checkpoint on which the state is built, if they
   * are here still.
   */
  #sayLate(): void {
    const { volume, replica, rebase } = this.#c
    for (const { id, peer, late } of replica.actors.all()) {
      if (peer !== volume.identity.peer) continue
      for (const seq of seqsOf(late)) {
        const entry = volume.entries.entry(id, seq)
        const reading = entry === undefined ? undefined : volume.replica.read(entry)
        if (entry !== undefined && reading?.kind === 'ops')
          rebase.add(entry, reading.ops, { old: id, label: id })
      }
    }
  }

  /** Takes the entries that came since. */
  *take(newcomer: Entry | undefined): Generator<void> {
    const { volume } = this.#c
    const log = volume.entries.between(this.#taken, volume.actors.vector())
    for (const { label, entry } of withNewcomer(log, newcomer)) {
      const at = this.#takeOne(entry, label ?? entry.header.actor)
      if (label !== undefined) this.#taken.set(label, entry.header.seq)
      else if (at !== undefined) this.#news = { label: at, entry }
      yield
    }
  }

  /** returns its label, if it has a place and did not come too late. */
  #takeOne(entry: Entry, old: ActorId): ActorId | undefined {
    const { volume, replica, rebase } = this.#c
    const isOwn = volume.replica.authorOf(entry) === volume.identity.peer
    const place = this.#placeOf(entry)
    if (place === 'held') return undefined
    if (place === undefined) {
      // It has no place in a log that was settled without it.
      const reading = volume.replica.read(entry)
      if (isOwn && reading.kind === 'ops') rebase.add(entry, reading.ops, { old, label: old })
      return undefined
    }
    const { label } = place
    if (label !== old) this.#rename({ from: old, to: label, fromSeq: entry.header.seq })
    const lateOps = replica.replay(entry, place, this.#judge)
    replica.entries.put(label, entry)
    const unsaid = isOwn ? (lateOps ?? this.#groundless(entry)) : []
    if (unsaid.some((op) => op !== undefined)) rebase.add(entry, unsaid, { old, label })
    return lateOps === undefined ? label : undefined
  }

  /**
   * Ops of an entry just taken that came to nothing: what they go on from was made by one who had
   * no right to.
   */
  #groundless(entry: Entry): readonly (Op | undefined)[] {
    const { replica } = this.#c
    const reading = replica.read(entry)
    const ops = reading.kind === 'ops' ? reading.ops : []
    return ops.map((op) => (op !== undefined && isGroundless(replica.view, op) ? op : undefined))
  }

  #rename(rename: Rename): void {
    const key = `${rename.from} ${rename.to}`
    if (this.#renames.has(key)) return
    this.#renames.set(key, rename)
    this.#judge = this.#judge.renamed([rename])
  }

  /** Its place, with the label it has there; undefined: it has none. */
  #placeOf(entry: Entry): Place | 'held' | undefined {
    const { volume, replica } = this.#c
    const { actor, seq } = entry.header
    if (this.#c.intruders.has(entry.hash)) return undefined
    try {
      const found = replica.ancestry.placeOf(entry)
      if (found === 'missing-past') return undefined
      if (found === 'known')
        return replica.ancestry.locate(actor, seq, entry.hash) === undefined ? undefined : 'held'
      const label = replica.nameAt(found, entry, volume.cuts.newest?.vector)
      assert(typeof label === 'string', 'labels are given in the order of clocks')
      return { ...found, label }
    } catch (error) {
      if (error instanceof ShoalError && error.code === 'fork') return undefined
      throw error
    }
  }
}

function isGroundless(view: StateStore, op: Op): boolean {
  switch (op.kind) {
    case 'mkdir':
      return readDir(view, op.id) === undefined
    case 'create':
    case 'link':
      return readLink(view, op.link) === undefined
    case 'version':
      return readInode(view, op.inode) === undefined
    default:
      return false
  }
}

function* withNewcomer(log: Iterable<Logged>, newcomer: Entry | undefined): Generator<Taken> {
  let waiting = newcomer
  for (const logged of log) {
    if (waiting !== undefined && byClock({ entry: waiting }, logged) < 0) {
      yield { label: undefined, entry: waiting }
      waiting = undefined
    }
    yield logged
  }
  if (waiting !== undefined) yield { label: undefined, entry: waiting }
}
