// An ordered Merkle tree of records whose shape follows from the records alone, whatever the order
// and the batches in which they came: who holds the same records has the same root, two trees share
// every node that does not lie on the paths to what differs, and a change costs O(log n) nodes. It
// is the Prolly tree of Noms and Dolt ("How to Chunk Your Database into a Merkle Tree",
// dolthub.com, 2022: keys and sizes decide where nodes end); its relative, with levels by key, is
// the Merkle search tree (Auvolat and Taïani, "Merkle Search Trees", SRDS 2019; ATProto's MST).
// writer.ts has the rule by which a level is cut into nodes; they are the items of the next;
// the first level of one is the root.
//
// Hashes are keyed, and the key of the cuts is derived from the same key: who stores nodes can
// neither confirm a guess of what they hold nor tell from their sizes where known records would be
// cut.
import { equalBytes, toHex } from '../bytes.ts'
import { assert } from '../errors.ts'
import { deriveKey, keyedHasher } from '../hash.ts'
import { Cursor, NodeReader, childHash } from './cursor.ts'
import { countBelow, decodeNode, keyAt, valueAt } from './node.ts'
import { LevelWriter } from './writer.ts'
import type { ByteString } from '../bytes.ts'
import type { Place } from './cursor.ts'
import type { ProllyNode } from './node.ts'
import type { Item, ItemChange } from './writer.ts'

/** Hex of the 32-byte keyed BLAKE3 of a node's bytes. */
export type NodeHash = string & { readonly brand: 'NodeHash' }

/** A store of nodes. What `get` returns has been checked against its hash. */
export interface ProllyNodes {
  get(id: NodeHash): Uint8Array | undefined
  put(id: NodeHash, bytes: Uint8Array): void
}

interface Rewritten {
  /** The nodes of the level that are new. */
  readonly made: readonly Item[]
  /** Those that are gone or made again, with their last keys. */
  readonly removed: ReadonlyMap<NodeHash, ByteString>
  /** No other node of the level is left. */
  readonly whole: boolean
}

const CUT_CONTEXT = 'shoal 2026 tree cut v1'
const KEPT_MAX = 64
/** Items of a step behind the last node of a level. */
const STEP_ITEMS = 128

/** The hash of a node; `key` is the tree's, 32 bytes. */
export function nodeHash(key: Uint8Array, bytes: Uint8Array): NodeHash {
  return keyedHasher(key)(bytes) as NodeHash
}

/** The nodes right below one, none for a leaf. throws ShoalError 'malformed', 'unsupported'. */
export function childrenOf(bytes: Uint8Array): NodeHash[] {
  const node = decodeNode(bytes)
  return node.level === 0 ? [] : Array.from({ length: node.count }, (_, i) => childHash(node, i))
}

/**
 * Trees under one key. A tree is its root; undefined is the empty one. Trees never change: an
 * update makes another. Whatever reads throws ShoalError 'chunk-unavailable' for a node that is not
 * held, 'malformed' and 'unsupported' for one that no tree has there. Keys and values that were
 * read keep the bytes of their node in memory.
 */
export class ProllyTree {
  readonly #nodes: ProllyNodes
  readonly #reader: NodeReader
  readonly #hash: (bytes: Uint8Array) => string
  readonly #cutHash: (bytes: Uint8Array) => string

  /**
   * key: 32 secret bytes.
   * keptMax: decoded nodes kept in memory, of about 50 KiB each.
   */
  constructor(
    { nodes, key }: { readonly nodes: ProllyNodes; readonly key: Uint8Array },
    { keptMax = KEPT_MAX }: { readonly keptMax?: number } = {},
  ) {
    this.#nodes = nodes
    this.#reader = new NodeReader(nodes, { keptMax })
    this.#hash = keyedHasher(key)
    this.#cutHash = keyedHasher(deriveKey(CUT_CONTEXT, key))
  }

  /** The value of a record. cost: O(log n) nodes. */
  get(root: NodeHash | undefined, key: ByteString): Uint8Array | undefined {
    if (root === undefined) return undefined
    let place: Place = { node: this.#reader.node(root), after: undefined }
    for (;;) {
      const { node } = place
      const index = countBelow(node, key)
      if (index === node.count) return undefined
      if (node.level === 0) return keyAt(node, index) === key ? valueAt(node, index) : undefined
      place = this.#reader.child(place, index)
    }
  }

  /**
   * Records in key order, with `from` <= key < `to`; each leaf is read when its first record is
   * asked for.
   */
  *scan(
    root: NodeHash | undefined,
    { from = '', to }: { readonly from?: ByteString; readonly to?: ByteString } = {},
  ): Generator<[ByteString, Uint8Array]> {
    if (root === undefined) return
    const cursor = new Cursor(this.#reader, root, 0)
    cursor.seek(from)
    for (let leaf = cursor.read(); leaf !== undefined; leaf = cursor.read()) {
      const end = to === undefined ? leaf.count : countBelow(leaf, to)
      for (let i = countBelow(leaf, from); i < end; i++) yield [keyAt(leaf, i), valueAt(leaf, i)]
      if (end < leaf.count) return
      cursor.next()
    }
  }

  /**
   * The tree with `changes` made: [key, value] puts, [key, undefined] deletes; they ascend by key,
   * each key once. Nodes that the tree before did not have in the same place are put. cost:
   * O(changes x log n) nodes.
   * throws ShoalError 'malformed' for a record that is too large: a key over 1 KiB, or with its
   * value nearly 4 MiB.
   */
  update(root: NodeHash | undefined, changes: readonly ItemChange[]): NodeHash | undefined {
    const steps = this.updating(root, changes)
    for (;;) {
      const { done, value } = steps.next()
      if (done === true) return value
    }
  }

  /** The same in steps of a node or a few, between which others may have their turn. */
  *updating(
    root: NodeHash | undefined,
    changes: readonly ItemChange[],
  ): Generator<undefined, NodeHash | undefined> {
    for (let i = 1; i < changes.length; i++) {
      assert((changes[i - 1]?.[0] ?? '') < (changes[i]?.[0] ?? ''), 'changes ascend by key')
    }
    let pending = changes
    for (let level = 0; pending.length > 0; level++) {
      const rewritten = yield* this.#rewrite(root, level, pending)
      if (rewritten.whole) return this.#build(level, rewritten.made)
      pending = changesAbove(rewritten)
    }
    return root
  }

  /**
   * The nodes that are below newRoot and not below oldRoot, children before parents; with the roots
   * swapped, the garbage that an update leaves. A node may be deleted as soon as it has come. cost:
   * the nodes above the leaves on the paths to what differs. No leaf is read, but for a root that
   * is one.
   */
  *newNodes(oldRoot: NodeHash | undefined, newRoot: NodeHash | undefined): Generator<NodeHash> {
    if (newRoot === undefined || newRoot === oldRoot) return
    const levels = oldRoot === undefined ? 0 : this.#reader.node(oldRoot).level + 1
    const old = Array.from({ length: levels }, (_, level) => this.#cursor(oldRoot, level))
    yield* this.#newBelow(this.#reader.above(newRoot), old)
  }

  /** old: a cursor over each level of the old tree, leaves first. */
  *#newBelow(parent: Place, old: readonly (Cursor | undefined)[]): Generator<NodeHash> {
    const { node } = parent
    const cursor = old[node.level - 1]
    for (let i = 0; i < node.count; i++) {
      const hash = childHash(node, i)
      cursor?.seek(keyAt(node, i))
      if (cursor?.hash === hash) continue
      if (node.level > 1) yield* this.#newBelow(this.#reader.child(parent, i), old)
      yield hash
    }
  }

  /**
   * The records below newRoot, with `from` <= key < `to`, that are not below oldRoot in just this
   * form. cost: the nodes on the paths to what differs, and these leaves.
   */
  *newRecords(
    oldRoot: NodeHash | undefined,
    newRoot: NodeHash | undefined,
    range: { readonly from: ByteString; readonly to: ByteString },
  ): Generator<[ByteString, Uint8Array]> {
    if (newRoot === undefined || newRoot === oldRoot) return
    const levels = oldRoot === undefined ? 0 : this.#reader.node(oldRoot).level + 1
    const old = Array.from({ length: levels }, (_, level) => this.#cursor(oldRoot, level))
    for (const leaf of this.#newLeaves(this.#reader.above(newRoot), old, range)) {
      const end = countBelow(leaf, range.to)
      const first = countBelow(leaf, range.from)
      if (first === end) continue
      const last = `${keyAt(leaf, end - 1)}\0`
      const before = this.scan(oldRoot, { from: keyAt(leaf, first), to: last })
      let known = before.next()
      for (let i = first; i < end; i++) {
        const [key, value] = [keyAt(leaf, i), valueAt(leaf, i)]
        while (known.done !== true && known.value[0] < key) known = before.next()
        const isKnown = known.done !== true && known.value[0] === key
        if (!isKnown || !equalBytes(known.value[1], value)) yield [key, value]
      }
    }
  }

  *#newLeaves(
    parent: Place,
    old: readonly (Cursor | undefined)[],
    range: { readonly from: ByteString; readonly to: ByteString },
  ): Generator<ProllyNode> {
    const { node } = parent
    const cursor = old[node.level - 1]
    for (let i = countBelow(node, range.from); i < node.count; i++) {
      cursor?.seek(keyAt(node, i))
      if (cursor?.hash !== childHash(node, i)) {
        const child = this.#reader.child(parent, i)
        if (node.level > 1) yield* this.#newLeaves(child, old, range)
        else yield child.node
      }
      if (keyAt(node, i) >= range.to) return
    }
  }

  /** The nodes of a level with changes made to its items. */
  *#rewrite(
    root: NodeHash | undefined,
    level: number,
    changes: readonly ItemChange[],
  ): Generator<undefined, Rewritten> {
    const removed = new Map<NodeHash, ByteString>()
    const writer = this.#writer(level, removed)
    const cursor = this.#cursor(root, level)
    let whole = true
    for (let done = 0; done < changes.length;) {
      const first = cursor?.hash
      cursor?.seek(changes[done]?.[0] ?? '')
      if (cursor?.hash !== first) whole = false
      // Until a new cut meets an old one: what follows is as it was.
      do {
        const { key = '', hash } = cursor ?? {}
        const node = cursor?.read()
        if (hash !== undefined) removed.set(hash, key)
        cursor?.next()
        const inNode = firstAbove(changes, done, key)
        const isLast = cursor?.key === undefined
        const end = isLast ? Math.max(inNode, Math.min(done + STEP_ITEMS, changes.length)) : inNode
        writer.pushMerged(node, changes, done, end)
        done = end
        yield
      } while (writer.isOpen && cursor?.key !== undefined)
    }
    if (cursor?.key !== undefined) whole = false
    // One node is left of the level below: the root.
    const only = whole && level > 0 ? writer.onlyItem : undefined
    return { made: only === undefined ? writer.end() : [only], removed, whole }
  }

  /** The root over all nodes of a level. */
  #build(level: number, nodes: readonly Item[]): NodeHash | undefined {
    let items = nodes
    for (let above = level + 1; items.length > 1; above++) {
      const writer = this.#writer(above, new Map())
      for (const [key, value] of items) writer.push(key, value)
      items = writer.end()
    }
    const [top] = items
    if (top === undefined) return undefined
    let root = toHex(top[1]) as NodeHash
    // The remaining last nodes of an old tree may have one item each.
    for (let node = this.#reader.node(root); isStalk(node); node = this.#reader.node(root)) {
      root = childHash(node, 0)
    }
    return root
  }

  #cursor(root: NodeHash | undefined, level: number): Cursor | undefined {
    return root === undefined ? undefined : new Cursor(this.#reader, root, level)
  }

  /** present: nodes that need not be put. */
  #writer(level: number, present: ReadonlyMap<NodeHash, unknown>): LevelWriter {
    const store = (bytes: Uint8Array): NodeHash => {
      const id = this.#hash(bytes) as NodeHash
      if (!present.has(id)) this.#nodes.put(id, bytes)
      return id
    }
    return new LevelWriter({ cutHash: this.#cutHash, store }, level)
  }
}

function isStalk({ level, count }: ProllyNode): boolean {
  return level > 0 && count === 1
}

/** The changes for the level above. */
function changesAbove({ made, removed }: Rewritten): ItemChange[] {
  const changes = new Map<ByteString, Uint8Array | undefined>()
  for (const key of removed.values()) changes.set(key, undefined)
  for (const [key, hash] of made) {
    if (removed.get(toHex(hash) as NodeHash) === key) changes.delete(key)
    else changes.set(key, hash)
  }
  return [...changes].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Index of the first change from `start` on with a key above `key`. */
function firstAbove(changes: readonly ItemChange[], start: number, key: ByteString): number {
  let index = start
  while (index < changes.length && (changes[index]?.[0] ?? '') <= key) index++
  return index
}
