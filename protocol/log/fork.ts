// The tree of one actor's chain that forked: an entry was followed by two or more (a restored
// backup, a cloned disk, an attacker). Every branch has a label, which stands for it in vectors,
// dots and keys (docs/decisions/0006). Invariants:
//   at each fork the first child by (hlc, hash) keeps its parent's label, every other begins one of
//     its own, made of the actor and that child's hash: labels depend on the set of branches alone,
//     and each entry is at one (label, seq)
//   a branch that begins above a stable cut changes no label below it: the least clock keeps the
//     label
//   a branch with a label of its own keeps it whatever else becomes known; one with its parent's
//     may lose it once
import type { Translate } from '../op/dots.ts'
import { fromHex, toHex, utf8 } from '../bytes.ts'
import { decodeCanonicalCbor, encodeCbor } from '../cbor.ts'
import { isSeq } from '../clock/vector-clock.ts'
import { ShoalError, assert } from '../errors.ts'
import { HASH_BYTES, blake3Concat } from '../hash.ts'
import { SHORT_ID_BYTES, hexId } from '../ids.ts'
import { BRANCHES_MAX } from '../limits.ts'
import { decodeHlc } from '../clock/hlc.ts'
import type { Hlc } from '../clock/hlc.ts'
import type { VersionVector } from '../clock/vector-clock.ts'
import type { ActorId, EntryHash } from '../ids.ts'

/** Items of one with all its branches. */
const ITEMS_MAX: number = 16 * BRANCHES_MAX

/** The first entry of a branch: one of those that follow the same entry. */
export interface BranchStart {
  readonly hash: EntryHash
  readonly hlc: Hlc
}

/** A run of entries from a fork to the next one, or to the latest. */
export interface Branch extends BranchStart {
  /** The seq of its first entry. */
  readonly seq: number
  /**
   * First entry of the branch it forks from; undefined: of the trunk, which begins with the chain.
   */
  readonly parent: EntryHash | undefined
}

/** A forked actor and its known branches. */
export interface Fork {
  readonly actor: ActorId
  /**
   * By (seq, hlc, hash): parents before children, siblings in the order of their claims to the
   * label.
   */
  readonly branches: readonly Branch[]
}

/** The hash of an entry held under (label, seq) here. */
export type HashAt = (label: ActorId, seq: number) => EntryHash | undefined

/**
 * Entries that follow each other in somebody's tree, and what that one knows of the place where
 * they end.
 */
export interface Run {
  /** The branch on which it begins; undefined for the trunk. */
  readonly first: Branch | undefined
  readonly last: number
  /** Hashes of what is at `seq`: the last entry itself, or those that follow it. */
  readonly end: { readonly seq: number; readonly hashes: readonly EntryHash[] } | undefined
}

/** Labels of branches by their first entries; undefined: the trunk. */
type Labels = ReadonlyMap<EntryHash | undefined, ActorId>

export class ForkTree {
  readonly fork: Fork
  /** The actor's own first. */
  readonly labels: readonly ActorId[]
  readonly #labels: Labels

  constructor(fork: Fork) {
    this.fork = fork
    this.#labels = labelsOf(fork, (first) => virtualActor(fork.actor, first))
    this.labels = [...new Set(this.#labels.values())]
  }

  /** The label of the branch that begins with this entry. */
  labelOf(first: EntryHash): ActorId {
    const label = this.#labels.get(first)
    assert(label !== undefined, 'a branch has a label')
    return label
  }

  /** Seq of the first entry under a label. */
  firstSeq(label: ActorId): number {
    if (label === this.fork.actor) return 1
    return this.fork.branches.find(({ hash }) => this.#labels.get(hash) === label)?.seq ?? 1
  }

  /** The label of entry `seq` on the path that ends in `label`. */
  labelAt(label: ActorId, seq: number): ActorId {
    let branch = this.#branchAt(label, Infinity)
    while (branch !== undefined && branch.seq > seq) branch = this.#branch(branch.parent)
    return this.#labelOf(branch)
  }

  /** First entries of branches that begin beside one in `covered`, and are not in `known`. */
  strayed(covered: VersionVector, known: VersionVector): EntryHash[] {
    const isIn = (vector: VersionVector, { seq, hash }: Branch): boolean =>
      (vector.get(this.labelOf(hash)) ?? 0) >= seq
    const strayed = this.fork.branches.filter(
      (branch) =>
        !isIn(known, branch) &&
        this.fork.branches.some(
          ({ parent, ...b }) => parent === branch.parent && isIn(covered, { parent, ...b }),
        ),
    )
    return hashesOf(strayed)
  }

  /**
   * The greatest clock up to `hlc` that no fork is cut in two by: that all its branches begin
   * before, or after.
   */
  wholeUpTo(hlc: Hlc): Hlc {
    const groups = Map.groupBy(this.fork.branches, ({ parent }) => parent)
    let whole = hlc
    // Parents first: what is left out of a branch leaves out all that forks from it.
    for (const [first, ...others] of groups.values()) {
      if (first !== undefined && first.hlc <= whole && others.some((b) => b.hlc > whole))
        whole = (first.hlc - 1n) as Hlc
    }
    return whole
  }

  /**
   * This tree and one branch more: `newcomer` and `existing`, which is at (label, seq), follow the
   * same entry.
   * throws ShoalError 'fork' if that is a label too many.
   */
  with(label: ActorId, seq: number, existing: BranchStart, newcomer: BranchStart): ForkTree {
    const { actor, branches } = this.fork
    if (this.labels.length >= BRANCHES_MAX) {
      throw new ShoalError('fork', `actor ${actor} has ${BRANCHES_MAX} branches: no more are kept`)
    }
    const parent = this.#branchAt(label, seq - 1)?.hash
    const rest = branches.map((branch) =>
      branch.parent === parent && branch.seq > seq ? { ...branch, parent: existing.hash } : branch,
    )
    const known = rest.some(({ hash }) => hash === existing.hash)
    const starts = known ? [newcomer] : [existing, newcomer]
    const added = starts.map(({ hash, hlc }) => ({ seq, hash, hlc, parent }))
    return new ForkTree({ actor, branches: [...rest, ...added].sort(compareBranches) })
  }

  /**
   * How one names who knows only the branches in `seen` (in the labels of this tree, its own path
   * included).
   */
  translation(seen: VersionVector): Translate {
    const branches = this.#branchesIn(seen)
    // An entry without a claim among some siblings has none among all: its own label is the one it
    // has here.
    const labels = labelsOf({ actor: this.fork.actor, branches }, (first) => this.labelOf(first))
    return (label, seq) => {
      const branch = branches.findLast(
        (candidate) => candidate.seq <= seq && labels.get(candidate.hash) === label,
      )
      // A branch that the writer cannot have seen, by its own account, has the same label
      // everywhere, and nobody else's.
      return branch === undefined ? label : this.labelOf(branch.hash)
    }
  }

  /**
   * The fork as known to a replica that has only the branches in `seen`; without branches if it has
   * none.
   */
  within(seen: VersionVector): Fork {
    const branches = this.#branchesIn(seen)
    const joined = new Map<EntryHash | undefined, EntryHash | undefined>()
    const left: Branch[] = []
    for (const branch of branches) {
      const parent = joined.has(branch.parent) ? joined.get(branch.parent) : branch.parent
      const isAlone = branches.every((b) => b === branch || b.parent !== branch.parent)
      if (isAlone) joined.set(branch.hash, parent)
      else left.push({ ...branch, parent })
    }
    return { actor: this.fork.actor, branches: left }
  }

  /** The runs of a label up to `last`, whose hash is `tip` where known. */
  runs(label: ActorId, last: number, tip: EntryHash | undefined): Run[] {
    const firsts = this.fork.branches.filter(
      ({ seq, hash }) => seq <= last && this.#labels.get(hash) === label,
    )
    const all = label === this.fork.actor ? [undefined, ...firsts] : firsts
    return all.map((first) => {
      const next = this.#children(first)
      const seq = next[0]?.seq ?? Infinity
      if (seq <= last) return { first, last: seq - 1, end: { seq, hashes: hashesOf(next) } }
      return { first, last, end: tip === undefined ? undefined : { seq: last, hashes: [tip] } }
    })
  }

  /**
   * Add to `held`, a vector in the labels of this tree, what of a run in another's tree is held
   * here too.
   */
  addRun(held: Map<ActorId, number>, { first, last, end }: Run, hashAt: HashAt): void {
    const label = first === undefined ? this.fork.actor : this.#find(first, hashAt)
    if (label === undefined) return
    const from = first?.seq ?? 0
    let sure = Math.min(last, this.#lastSeq(label, from))
    for (const through of end === undefined ? [] : this.labels) {
      if (from > 0 && this.labelAt(through, from) !== label) continue
      const hash = hashAt(through, end?.seq ?? 0)
      if (hash === undefined) continue
      if (end?.hashes.includes(hash)) return this.#addPath(held, this.labelAt(through, last), last)
      // The chain here is as long and ends otherwise: a fork that one of the two does not know of,
      // anywhere on the way.
      sure = from
    }
    this.#addPath(held, label, sure)
  }

  /** Those that begin in `seen`, and those they come from. */
  #branchesIn(seen: VersionVector): Branch[] {
    const known = new Set<EntryHash | undefined>()
    for (const { seq, hash, parent } of this.fork.branches.toReversed()) {
      if (!known.has(hash) && (seen.get(this.labelOf(hash)) ?? 0) < seq) continue
      known.add(hash).add(parent)
    }
    return this.fork.branches.filter(({ hash }) => known.has(hash))
  }

  /** The label under which the first entry of somebody's branch is held. */
  #find({ seq, hash }: Branch, hashAt: HashAt): ActorId | undefined {
    return this.#labels.get(hash) ?? this.labels.find((label) => hashAt(label, seq) === hash)
  }

  /** Adds the path to (label, last), all of which a holder of it has. */
  #addPath(held: Map<ActorId, number>, label: ActorId, last: number): void {
    let branch = this.#branchAt(label, last)
    let end = last
    for (;;) {
      const at = this.#labelOf(branch)
      if (end > 0) held.set(at, Math.max(end, held.get(at) ?? 0))
      if (branch === undefined) return
      end = branch.seq - 1
      branch = this.#branch(branch.parent)
    }
  }

  /** Seq of the last entry before the next fork, of the branch that has (label, seq). */
  #lastSeq(label: ActorId, seq: number): number {
    return (this.#children(this.#branchAt(label, seq))[0]?.seq ?? Infinity) - 1
  }

  /** The branch that has (label, seq); undefined: the trunk. */
  #branchAt(label: ActorId, seq: number): Branch | undefined {
    return this.fork.branches.findLast(
      (branch) => branch.seq <= seq && this.#labels.get(branch.hash) === label,
    )
  }

  #branch(first: EntryHash | undefined): Branch | undefined {
    return this.fork.branches.find(({ hash }) => hash === first)
  }

  #children(branch: Branch | undefined): Branch[] {
    return this.fork.branches.filter(({ parent }) => parent === branch?.hash)
  }

  #labelOf(branch: Branch | undefined): ActorId {
    return branch === undefined ? this.fork.actor : this.labelOf(branch.hash)
  }
}

/** Stored and sent form: canonical DAG-CBOR [actor, [[seq, hash, hlc, parent or null]...]]. */
export function encodeFork({ actor, branches }: Fork): Uint8Array {
  return encodeCbor([
    fromHex(actor),
    branches.map(({ seq, hash, hlc, parent }) => [
      seq,
      fromHex(hash),
      hlc,
      parent === undefined ? null : fromHex(parent),
    ]),
  ])
}

/**
 * Inverse of encodeFork. throws ShoalError 'malformed' for what is not a tree of forks within its
 * bound.
 */
export function decodeFork(bytes: Uint8Array): Fork {
  const value = decodeCanonicalCbor(bytes, 'fork', ITEMS_MAX)
  const [actor, list] = Array.isArray(value) && value.length === 2 ? (value as unknown[]) : []
  if (!(actor instanceof Uint8Array) || !Array.isArray(list)) throw malformed('is not a pair')
  // A tree with BRANCHES_MAX leaves, in which each fork adds one or more.
  if (list.length > 2 * (BRANCHES_MAX - 1)) throw malformed('has too many branches')
  const branches = (list as readonly unknown[]).map(decodeBranch)
  checkTree(branches)
  return { actor: hexId<ActorId>(actor, SHORT_ID_BYTES, 'actor'), branches }
}

function decodeBranch(value: unknown): Branch {
  const [seq, hash, hlc, parent] =
    Array.isArray(value) && value.length === 4 ? (value as readonly unknown[]) : []
  if (!isSeq(seq) || !(hash instanceof Uint8Array)) throw malformed('has a malformed branch')
  if (parent !== null && !(parent instanceof Uint8Array)) throw malformed('has a malformed parent')
  return {
    seq,
    hash: hexId<EntryHash>(hash, HASH_BYTES, 'entry hash'),
    hlc: decodeHlc(hlc),
    parent: parent === null ? undefined : hexId<EntryHash>(parent, HASH_BYTES, 'entry hash'),
  }
}

/**
 * In order, each once, after its parent; and all that follow one branch, two or more, begin at one
 * seq.
 */
function checkTree(branches: readonly Branch[]): void {
  const seqs = new Map<EntryHash | undefined, number>([[undefined, 0]])
  const children = new Map<EntryHash | undefined, Branch[]>()
  let before: Branch | undefined
  for (const branch of branches) {
    const { seq, hash, parent } = branch
    if (before !== undefined && compareBranches(before, branch) >= 0)
      throw malformed('has no order')
    if (seqs.has(hash) || seq <= (seqs.get(parent) ?? Infinity)) throw malformed('is no tree')
    const siblings = children.get(parent) ?? []
    if ((siblings[0] ?? branch).seq !== seq) throw malformed('forks twice in one branch')
    children.set(parent, [...siblings, branch])
    seqs.set(hash, seq)
    before = branch
  }
  let labels = 1
  for (const { length } of children.values()) {
    if (length < 2) throw malformed('has a branch without a sibling')
    labels += length - 1
  }
  if (labels === 1 || labels > BRANCHES_MAX) throw malformed('has too few or too many branches')
}

/** virtual: what a branch is called that does not keep its parent's label. */
function labelsOf(
  { actor, branches }: Fork,
  virtual: (first: EntryHash) => ActorId,
): Map<EntryHash | undefined, ActorId> {
  const labels = new Map<EntryHash | undefined, ActorId>([[undefined, actor]])
  const inherited = new Set<EntryHash | undefined>()
  for (const { hash, parent } of branches) {
    labels.set(hash, inherited.has(parent) ? virtual(hash) : (labels.get(parent) ?? actor))
    inherited.add(parent)
  }
  return labels
}

function virtualActor(actor: ActorId, first: EntryHash): ActorId {
  const digest = blake3Concat(utf8('shoal/branch/1\0'), fromHex(actor), fromHex(first))
  return toHex(digest.subarray(0, SHORT_ID_BYTES)) as ActorId
}

function compareBranches(a: Branch, b: Branch): number {
  if (a.seq !== b.seq) return a.seq - b.seq
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  return a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0
}

function hashesOf(branches: readonly Branch[]): EntryHash[] {
  return branches.map(({ hash }) => hash)
}

function malformed(what: string): ShoalError {
  return new ShoalError('malformed', `a fork ${what}`)
}
