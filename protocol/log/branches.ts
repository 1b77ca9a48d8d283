// The forks that one replica knows of in a volume's log, and what they make of names: an entry is
// at one (label, seq) here, and may be called otherwise by who knows other branches
// (protocol/log/fork.ts). An actor that never forked is its own label, at the cost of one Map
// lookup.
import { ShoalError } from '../errors.ts'
import { ForkTree } from './fork.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import type { ActorId, EntryHash } from '../ids.ts'
import type { BranchStart, Fork, HashAt } from './fork.ts'
import type { Translate } from '../op/dots.ts'

/** From this seq on, what has label `from` has label `to` now: in vectors, keys and dots. */
export interface Rename {
  readonly from: ActorId
  readonly to: ActorId
  readonly fromSeq: number
}

/** The result of adding a branch. */
export interface Addition {
  /** The newcomer's label. */
  readonly label: ActorId
  /**
   * To apply before the newcomer is put: the one that was there, and what follows it, gave up its
   * label.
   */
  readonly rename: Rename | undefined
  /** The actor's record now. */
  readonly fork: Fork
}

/** A peer's description of its log, in its own labels. */
export interface PeerLog {
  readonly vector: VersionVector
  readonly forks: readonly Fork[]
  /**
   * Hashes of the entries (label, vector.get(label)); those it left out are believed to be as here.
   */
  readonly tips: ReadonlyMap<ActorId, EntryHash>
}

export class Branches {
  readonly #trees = new Map<ActorId, ForkTree>()

  constructor(forks: readonly Fork[] = []) {
    for (const fork of forks) this.#set(new ForkTree(fork))
  }

  /** True while no actor's chain is known to have forked. */
  get isEmpty(): boolean {
    return this.#trees.size === 0
  }

  /** The forks to store and to send to peers, sorted by actor. */
  forks(): Fork[] {
    return this.#sortedTrees().map(({ fork }) => fork)
  }

  /**
   * The forks that one knows of who holds what `vector` says (in labels here): of a checkpoint, by
   * its cut.
   */
  forksWithin(vector: VersionVector): Fork[] {
    const within = this.#sortedTrees().map((tree) => tree.within(vector))
    return within.filter(({ branches }) => branches.length > 0)
  }

  /** All labels of an actor, given by any of them. */
  labels(label: ActorId): readonly ActorId[] {
    return this.#trees.get(label)?.labels ?? [label]
  }

  /** The actor that the headers of entries with this label name. */
  actor(label: ActorId): ActorId {
    return this.#trees.get(label)?.fork.actor ?? label
  }

  /** Seq of the first entry under a label; what comes before on its path has another one. */
  firstSeq(label: ActorId): number {
    return this.#trees.get(label)?.firstSeq(label) ?? 1
  }

  /** The label of entry `seq` on the path that ends in `label`. */
  labelAt(label: ActorId, seq: number): ActorId {
    return this.#trees.get(label)?.labelAt(label, seq) ?? label
  }

  /**
   * First entries of branches that whoever made a cut of what is `covered` left out unawares: they
   * begin where the cut has another branch, and are not among what it had seen.
   */
  strayed(covered: VersionVector, seen: VersionVector): EntryHash[] {
    return this.#sortedTrees().flatMap((tree) => tree.strayed(covered, seen))
  }

  /** The greatest clock up to `hlc` at which a cut has all branches of a fork, or none. */
  wholeUpTo(hlc: Hlc): Hlc {
    let whole = hlc
    for (;;) {
      const before = whole
      for (const tree of this.#sortedTrees()) whole = tree.wholeUpTo(whole)
      if (whole === before) return whole
    }
  }

  /** Add to what somebody has seen an entry, and what comes before it under other labels. */
  see(seen: Map<ActorId, number>, label: ActorId, seq: number): void {
    let [at, last] = [label, seq]
    for (;;) {
      seen.set(at, Math.max(last, seen.get(at) ?? 0))
      last = this.firstSeq(at) - 1
      if (last === 0) return
      at = this.labelAt(at, last)
    }
  }

  /**
   * The label that an entry has here, whatever the label its actor is called by; undefined: not
   * held.
   */
  locate(label: ActorId, seq: number, hash: EntryHash, hashAt: HashAt): ActorId | undefined {
    return this.labels(label).find((candidate) => hashAt(candidate, seq) === hash)
  }

  /**
   * Take up a branch: `newcomer` follows the same entry as `existing`, which is at (label, seq) and
   * has that entry's label. settled: what a checkpoint covers, which has fixed which branches there
   * are.
   * throws ShoalError 'fork', and knows no more than before, if the actor has as many branches as
   * are kept, or if the newcomer begins beside entries that are settled, and is not: it is late by
   * far.
   */
  add(
    label: ActorId,
    seq: number,
    existing: BranchStart,
    newcomer: BranchStart,
    settled: VersionVector = new Map(),
  ): Addition {
    const grown = this.#treeOf(label).with(label, seq, existing, newcomer)
    const own = grown.labelOf(newcomer.hash)
    const to = grown.labelOf(existing.hash)
    const rename = to === label ? undefined : { from: label, to, fromSeq: seq }
    const isSettled = rename === undefined && (settled.get(own) ?? 0) >= seq
    if ((settled.get(label) ?? 0) >= seq && !isSettled)
      throw new ShoalError('fork', `a branch of ${label} at ${seq} came after that was settled`)
    this.#set(grown)
    return { label: own, rename, fork: grown.fork }
  }

  /**
   * How an entry calls what its ops refer to: by the branches in its past, and no others.
   * seen: what its past holds, in labels here, its own path included.
   */
  translation(seen: VersionVector): Translate {
    const translations = new Map<ForkTree, Translate>()
    return (label, seq) => {
      const tree = this.#trees.get(label)
      if (tree === undefined) return label
      const known = translations.get(tree) ?? tree.translation(seen)
      translations.set(tree, known)
      return known(label, seq)
    }
  }

  /** A vector of one who has `seen` that (a cut it announced, say), in labels here. */
  vectorBy(seen: VersionVector, vector: VersionVector): VersionVector {
    if (this.isEmpty) return vector
    const translate = this.translation(seen)
    const translated = new Map<ActorId, number>()
    for (const [label, seq] of vector) this.see(translated, translate(label, seq), seq)
    return translated
  }

  /**
   * The part of a peer's log that has names here: per label the last seq, absent if none. It is
   * less than the truth where a fork is not known to both; it may be more only where the peer is
   * ahead on a branch of which nothing tells yet that it is another (then the peer finds that out
   * from what it is told).
   */
  vectorOf({ vector, forks, tips }: PeerLog, hashAt: HashAt): Map<ActorId, number> {
    const theirs = new Branches(forks)
    const held = new Map<ActorId, number>()
    for (const [label, last] of vector) {
      const actor = theirs.actor(label)
      // A branch that the peer did not explain.
      if (this.actor(actor) !== actor) continue
      if (!this.#trees.has(label) && !theirs.#trees.has(label)) {
        // As below, of the many that never forked.
        const tip = tips.get(label)
        const hash = tip && hashAt(label, last)
        if (last > 0 && (hash === undefined || hash === tip)) held.set(label, last)
        continue
      }
      const mine = this.#treeOf(actor)
      for (const run of theirs.#treeOf(label).runs(label, last, tips.get(label)))
        mine.addRun(held, run, hashAt)
    }
    return held
  }

  #sortedTrees(): ForkTree[] {
    const trees = [...new Set(this.#trees.values())]
    return trees.sort((a, b) => (a.fork.actor < b.fork.actor ? -1 : 1))
  }

  #treeOf(label: ActorId): ForkTree {
    return this.#trees.get(label) ?? new ForkTree({ actor: label, branches: [] })
  }

  #set(tree: ForkTree): void {
    for (const label of tree.labels) this.#trees.set(label, tree)
  }
}

/** A vector after renames, one after the other. */
export function renamedBy(vector: VersionVector, renames: readonly Rename[]): VersionVector {
  return renames.reduce(renamed, vector)
}

/** A vector after a rename. */
export function renamed(
  vector: VersionVector,
  { from, to, fromSeq }: Rename,
): Map<ActorId, number> {
  const out = new Map(vector)
  const seq = vector.get(from) ?? 0
  if (seq < fromSeq) return out
  out.set(to, seq)
  if (fromSeq === 1) out.delete(from)
  else out.set(from, fromSeq - 1)
  return out
}
