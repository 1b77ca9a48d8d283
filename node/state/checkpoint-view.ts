// A volume's records as they were at a checkpoint, and what is changed over them. They lie in two
// Prolly trees: of what every member may read, and of what keepers may not; the nodes are records
// of the volume, under 'T'. All other keys stay outside: they are this node's own, or say nothing
// below a stable cut.
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import { fromByteString, fromHex, toByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { hasCode } from '../../protocol/errors.ts'
import { deriveKey } from '../../protocol/hash.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { ProllyTree } from '../../protocol/prolly/prolly.ts'
import type { NodeHash, ProllyNodes } from '../../protocol/prolly/prolly.ts'
import { MOVE_PREFIX } from '../../protocol/tree/moves.ts'
import { overlaid, prefixEnd } from './state-view.ts'
import type { Pending, ReplicaView, StateView } from './state-view.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

const NODE: ByteString = STATE_PREFIXES.treeNode
/** First chars of the keys of the records in each tree. */
const PREFIXES = { clear: 'CFMWaghjkstR', sealed: 'HLSXcdfilnopqrvxyz' } as const

/** Memory of a change beside its key and value. */
const CHANGE_BYTES = 200
/** Nodes that are made before others have their turn. */
const STEPS_AT_ONCE = 8

/** A root is undefined where there is nothing. */
export interface Roots {
  readonly clear: NodeHash | undefined
  readonly sealed: NodeHash | undefined
}

export type Part = keyof Roots
export const PARTS: readonly Part[] = ['clear', 'sealed']

/** The key that hashes the nodes of a volume's clear trees. */
export function clearTreeKey(volume: VolumeId): Uint8Array {
  return deriveKey('shoal 2026 clear checkpoint v1', fromHex(volume))
}

/** The keys that hash the nodes of each tree: members can, others can't. */
export type TreeKeys = Readonly<Record<Part, Uint8Array>>

type Range = { readonly from: ByteString; readonly to: ByteString }

/** The nodes of one tree of a volume's checkpoints in its store. */
export class TreeNodes implements ProllyNodes {
  readonly #view: StateView
  readonly #prefix: ByteString
  /** Those that this object put and that were not there before. */
  readonly fresh: Set<NodeHash> = new Set()

  constructor(view: StateView, part: Part) {
    this.#view = view
    this.#prefix = NODE + part.charAt(0)
  }

  get(id: NodeHash): Uint8Array | undefined {
    return this.#view.get(this.#key(id))
  }

  put(id: NodeHash, bytes: Uint8Array): void {
    if (this.get(id) !== undefined) return
    this.#view.put(this.#key(id), bytes)
    this.fresh.add(id)
  }

  delete(id: NodeHash): void {
    this.#view.delete(this.#key(id))
    this.fresh.delete(id)
  }

  /** All that are stored, whatever tree they are of. */
  async *all(): AsyncGenerator<readonly [NodeHash, Uint8Array]> {
    for await (const [key, bytes] of this.#view.scan(this.#prefix, prefixEnd(this.#prefix)))
      yield [toHex(fromByteString(key.slice(this.#prefix.length))) as NodeHash, bytes]
  }

  #key(id: NodeHash): ByteString {
    return this.#prefix + toByteString(fromHex(id))
  }
}

/** One of the two trees, as it lies in the store. */
export class StoredTree {
  readonly #nodes: TreeNodes
  readonly #tree: ProllyTree

  constructor({ view, keys }: { view: StateView; keys: TreeKeys }, part: Part) {
    this.#nodes = new TreeNodes(view, part)
    this.#tree = new ProllyTree({ nodes: this.#nodes, key: keys[part] })
  }

  get(root: NodeHash | undefined, key: ByteString): Uint8Array | undefined {
    return this.#tree.get(root, key)
  }

  scan(root: NodeHash | undefined, range?: Range): Generator<[ByteString, Uint8Array]> {
    return this.#tree.scan(root, range)
  }

  /**
   * The tree with changes, in key order, in steps. Nodes that were made here and that it no longer
   * reaches are dropped.
   */
  *updating(
    root: NodeHash | undefined,
    changes: Pending,
  ): Generator<undefined, NodeHash | undefined> {
    const updated = yield* this.#tree.updating(root, changes)
    for (const id of this.#tree.newNodes(updated, root)) {
      if (this.#nodes.fresh.has(id)) this.#nodes.delete(id)
      yield
    }
    return updated
  }

  /** The nodes below a root, and itself, that `known` does not reach; no leaf is read. */
  newNodes(known: NodeHash | undefined, root: NodeHash | undefined): Generator<NodeHash> {
    return this.#tree.newNodes(known, root)
  }

  /** The records below a root that are not below `known` in just this form. */
  newRecords(
    known: NodeHash | undefined,
    root: NodeHash | undefined,
    range: Range,
  ): Generator<[ByteString, Uint8Array]> {
    return this.#tree.newRecords(known, root, range)
  }

  /** Is all of a tree here, of which all that is below `known` is? */
  isWhole(root: NodeHash | undefined, known: NodeHash | undefined): boolean {
    try {
      for (const id of this.#tree.newNodes(known, root))
        if (this.#nodes.get(id) === undefined) return false
      return true
    } catch (error) {
      if (hasCode(error, 'chunk-unavailable')) return false
      throw error
    }
  }

  /** Delete what `old` reaches and `kept` does not, nor any of `others`. */
  drop(
    old: NodeHash | undefined,
    kept: NodeHash | undefined,
    others: readonly NodeHash[] = [],
  ): void {
    const unused = new Set(this.#tree.newNodes(kept, old))
    let known = kept
    for (const root of unused.size === 0 ? [] : others) {
      // Those before have what they share with this one.
      for (const id of this.#tree.newNodes(known, root)) unused.delete(id)
      known = root
    }
    for (const id of unused) this.#nodes.delete(id)
  }
}

export type Trees = Readonly<Record<Part, StoredTree>>

export function storedTrees(components: { view: StateView; keys: TreeKeys }): Trees {
  return {
    clear: new StoredTree(components, 'clear'),
    sealed: new StoredTree(components, 'sealed'),
  }
}

/**
 * Replace a checkpoint by another: delete what only the old one reaches. snapshots: the roots of
 * sealed trees that are kept beside.
 */
export function dropNodes(
  trees: Trees,
  old: Roots,
  kept: Roots,
  snapshots: readonly NodeHash[],
): void {
  trees.clear.drop(old.clear, kept.clear)
  trees.sealed.drop(old.sealed, kept.sealed, isPlanted('snapshots-dropped') ? [] : snapshots)
}

export class CheckpointView implements ReplicaView {
  readonly #view: StateView
  readonly #trees: Trees
  #roots: Roots
  #changes = new Map<ByteString, Uint8Array | undefined>()
  #changedBytes = 0

  /** view: the volume's own, for what belongs to no state. */
  constructor(components: { view: StateView; keys: TreeKeys }, roots: Roots) {
    this.#view = components.view
    this.#trees = storedTrees(components)
    this.#roots = { clear: roots.clear, sealed: roots.sealed }
  }

  /** The memory that changes take, in bytes. */
  get changedBytes(): number {
    return this.#changedBytes
  }

  get(key: ByteString): Uint8Array | undefined {
    if (this.#changes.has(key)) return this.#changes.get(key)
    const part = partOf(key)
    if (part === undefined) return this.#view.get(key)
    return this.#trees[part].get(this.#roots[part], key)
  }

  put(key: ByteString, value: Uint8Array): void {
    this.#changes.set(key, value)
    this.#changedBytes += CHANGE_BYTES + key.length + value.byteLength
  }

  delete(key: ByteString): void {
    this.#changes.set(key, undefined)
    this.#changedBytes += CHANGE_BYTES + key.length
  }

  scan(from: ByteString, to: ByteString): AsyncGenerator<readonly [ByteString, Uint8Array]> {
    const pending: Pending = [...this.#changes]
      .filter(([key]) => key >= from && key < to)
      .sort(byKey)
    const part = partOf(from)
    const stored =
      part === undefined
        ? this.#outside(from, to)
        : this.#trees[part].scan(this.#roots[part], { from, to })
    return overlaid(stored, pending)
  }

  /**
   * Records of no tree. At a cut no move can be undone any more: those that are logged are of the
   * state in use.
   */
  #outside(
    from: ByteString,
    to: ByteString,
  ):
    Iterable<readonly [ByteString, Uint8Array]> | AsyncIterable<readonly [ByteString, Uint8Array]> {
    const isLeftOut = from.startsWith(MOVE_PREFIX) && !isPlanted('checkpoint-has-later-moves')
    return isLeftOut ? [] : this.#view.scan(from, to)
  }

  /**
   * Puts the changes into the trees; meanwhile none are made. returns their roots; the nodes are
   * durable with the volume's next commit.
   * pause: lets others have their turn, between steps of some milliseconds.
   * parts: the trees; what is of the others stays in memory.
   */
  async flush(pause: () => Promise<void>, parts: readonly Part[] = PARTS): Promise<Roots> {
    const tables = new Map<string, [ByteString, Uint8Array | undefined][]>()
    for (const change of this.#changes) {
      const table = change[0].charAt(0)
      const of = tables.get(table)
      if (of === undefined) tables.set(table, [change])
      else of.push(change)
    }
    for (const [table, changes] of [...tables].sort(byKey)) {
      const part = partOf(table)
      // Records in no tree are needed until the end.
      if (part === undefined || !parts.includes(part)) continue
      const steps = this.#trees[part].updating(this.#roots[part], changes.sort(byKey))
      for (let count = 1, step = steps.next(); ; count++, step = steps.next()) {
        if (step.done === true) {
          this.#roots = { ...this.#roots, [part]: step.value }
          break
        }
        if (count % STEPS_AT_ONCE === 0) await pause()
      }
      await pause()
      for (const [key] of changes) this.#changes.delete(key)
    }
    this.#changedBytes = 0
    return this.#roots
  }
}

function partOf(key: ByteString): Part | undefined {
  return PARTS.find((part) => PREFIXES[part].includes(key.charAt(0)))
}

function byKey([a]: readonly [ByteString, unknown], [b]: readonly [ByteString, unknown]): number {
  return a < b ? -1 : 1
}
