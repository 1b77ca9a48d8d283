// The forked chain of one actor as an explicit tree of entries, and knowledge of it as an explicit
// set of them, closed under `prev`: what Branches must agree with.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { fromHex, toHex, utf8 } from '../../protocol/bytes.ts'
import { blake3Concat } from '../../protocol/hash.ts'
import { BRANCHES_MAX } from '../../protocol/limits.ts'
import { Branches } from '../../protocol/log/branches.ts'
import { decodeFork, encodeFork } from '../../protocol/log/fork.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ActorId, EntryHash } from '../../protocol/ids.ts'
import type { PeerLog, Rename } from '../../protocol/log/branches.ts'

export const ACTOR: ActorId = '000102030405060708090a0b0c0d0e0f' as ActorId

/** An entry of the model. */
export interface Node {
  readonly seq: number
  readonly hash: EntryHash
  readonly hlc: Hlc
  readonly parent: Node | undefined
}

export type Known = ReadonlySet<Node>

/** One replica with the entries of one actor, and Branches to name them. */
export class Replica {
  readonly branches: Branches = new Branches()
  readonly entries: Map<string, Node> = new Map()
  onRename: (rename: Rename) => void = () => undefined
  #held = new Set<Node>()

  static of(known: Iterable<Node>): Replica {
    const replica = new Replica()
    for (const node of known) assert.ok(replica.receive(node))
    return replica
  }

  get held(): Known {
    return this.#held
  }

  readonly hashAt = (label: ActorId, seq: number): EntryHash | undefined =>
    this.entries.get(`${label} ${seq}`)?.hash

  /** False while the past is missing. */
  receive(node: Node): boolean {
    const { seq, hash, parent } = node
    if (this.branches.locate(ACTOR, seq, hash, this.hashAt) !== undefined) return true
    const label =
      parent === undefined
        ? ACTOR
        : this.branches.locate(ACTOR, parent.seq, parent.hash, this.hashAt)
    if (label === undefined) return false
    this.#held.add(node)
    const existing = this.entries.get(`${label} ${seq}`)
    if (existing === undefined) {
      this.entries.set(`${label} ${seq}`, node)
      return true
    }
    const addition = this.branches.add(label, seq, existing, node)
    if (addition.rename !== undefined) this.#rename(addition.rename)
    this.entries.set(`${addition.label} ${seq}`, node)
    return true
  }

  labelOf({ seq, hash }: Node): ActorId {
    const label = this.branches.locate(ACTOR, seq, hash, this.hashAt)
    assert.ok(label !== undefined)
    return label
  }

  vector(known: Known = this.#held): Map<ActorId, number> {
    const vector = new Map<ActorId, number>()
    for (const node of known) {
      const label = this.labelOf(node)
      vector.set(label, Math.max(node.seq, vector.get(label) ?? 0))
    }
    return vector
  }

  /** The summary that it tells a peer. */
  hello(): PeerLog {
    const vector = this.vector()
    const tips = new Map<ActorId, EntryHash>()
    for (const [label, seq] of vector) tips.set(label, this.hashAt(label, seq) ?? assert.fail())
    const forks = this.branches.forks().map(encodeFork).map(decodeFork)
    return { vector, forks, tips }
  }

  /** The entries held here that `vector` (in the labels here) does not cover; in causal order. */
  missing(vector: ReadonlyMap<ActorId, number>): Node[] {
    return inOrder(this.#held).filter((node) => node.seq > (vector.get(this.labelOf(node)) ?? 0))
  }

  #rename(rename: Rename): void {
    const { from, to, fromSeq } = rename
    this.onRename(rename)
    for (const [key, node] of this.entries) {
      if (!key.startsWith(from) || node.seq < fromSeq) continue
      this.entries.delete(key)
      assert.ok(!this.entries.has(`${to} ${node.seq}`))
      this.entries.set(`${to} ${node.seq}`, node)
    }
  }
}

/** The labels by definition. */
export function labelsOf(known: Known): Map<Node, ActorId> {
  const labels = new Map<Node, ActorId>()
  const name = (parent: Node | undefined, label: ActorId): void => {
    const children = [...known].filter((node) => node.parent === parent)
    children.sort((a, b) => Number(a.hlc - b.hlc) || (a.hash < b.hash ? -1 : 1))
    for (const [rank, child] of children.entries()) {
      const own = rank === 0 ? label : virtual(child.hash)
      labels.set(child, own)
      name(child, own)
    }
  }
  name(undefined, ACTOR)
  return labels
}

function virtual(hash: EntryHash): ActorId {
  const digest = blake3Concat(utf8('shoal/branch/1\0'), fromHex(ACTOR), fromHex(hash))
  return toHex(digest.subarray(0, 16)) as ActorId
}

/** Entries by depth: each after its past. */
export function inOrder(known: Iterable<Node>): Node[] {
  return [...known].sort((a, b) => a.seq - b.seq || (a.hash < b.hash ? -1 : 1))
}

/** Random trees with at most BRANCHES_MAX leaves; runs are long more often than not. */
export const anyTree: fc.Arbitrary<readonly Node[]> = fc
  .array(fc.record({ random: fc.nat(), forks: fc.nat(9), clock: fc.integer({ min: 1, max: 3 }) }), {
    minLength: 1,
    maxLength: 40,
  })
  .map((steps) => {
    const nodes: Node[] = []
    const leaves = new Set<Node | undefined>([undefined])
    for (const [i, { random, forks, clock }] of steps.entries()) {
      const forksNow = forks < 3 && leaves.size < BRANCHES_MAX
      const parents = forksNow ? [undefined, ...nodes] : [...leaves]
      const parent = parents[random % parents.length]
      const hash = toHex(blake3Concat(utf8(`${i} ${random}`))) as EntryHash
      const hlc = ((parent?.hlc ?? 0n) + BigInt(clock)) as Hlc
      const node = { seq: (parent?.seq ?? 0) + 1, hash, hlc, parent }
      nodes.push(node)
      leaves.delete(parent)
      leaves.add(node)
    }
    return nodes
  })

/** A part of a tree that somebody may hold: of each entry its past too. */
export const anyPart = (tree: readonly Node[]): fc.Arbitrary<Known> =>
  fc.array(fc.nat(tree.length - 1), { maxLength: 8 }).map((picks) => {
    const part = new Set<Node>()
    for (const pick of picks) {
      for (let node = tree[pick]; node !== undefined; node = node.parent) part.add(node)
    }
    return part
  })

/** Some order in which each comes after its past. */
export const anyArrival = (tree: readonly Node[]): fc.Arbitrary<readonly Node[]> =>
  fc.shuffledSubarray([...tree], { minLength: tree.length }).map((order) => {
    const arrived = new Set<Node | undefined>([undefined])
    const arrive = (node: Node | undefined): void => {
      if (node === undefined || arrived.has(node)) return
      arrive(node.parent)
      arrived.add(node)
    }
    order.forEach(arrive)
    return [...arrived].filter((node) => node !== undefined)
  })
