// Goes through all of a manifest, each node once however often it is listed: a few nodes that list
// one another make a file without end, as does a file that was copied onto its own end again and
// again. Whoever wants to know of all of a file what it is made of comes here. Memory: a path of
// the manifest, and the nodes that were seen, up to REMEMBERED_MAX.
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import { childrenOf, extentsOf } from './manifest-tree.ts'
import type { ManifestTree, PlacedExtent, PlacedNode } from './manifest-tree.ts'

/** Files of the default chunk size of some terabytes have so many. */
const REMEMBERED_MAX: number = 2 ** 17
/**
 * Nodes above leaves that were forgotten and are met again, in one file: of honest ones, those with
 * terabytes twice in them.
 */
const MET_AGAIN_MAX = 4096

/**
 * The nodes that walks have come through, and the weight of each; the oldest are forgotten first.
 */
export class SeenNodes {
  readonly #weights = new Map<string, number>()
  #forgotten: BloomFilter | undefined

  weightOf(node: PlacedNode): number | undefined {
    return this.#weights.get(keyOf(node))
  }

  /** True if it was seen and forgotten; also, though rarely, of one that was never seen. */
  isForgotten(node: PlacedNode): boolean {
    return this.#forgotten?.has(keyOf(node)) === true
  }

  add(node: PlacedNode, weight: number): void {
    this.#weights.set(keyOf(node), weight)
    if (this.#weights.size <= REMEMBERED_MAX) return
    this.#forgotten ??= new BloomFilter(32 * REMEMBERED_MAX)
    const [oldest] = this.#weights.keys()
    if (oldest === undefined) return
    this.#weights.delete(oldest)
    this.#forgotten.add(oldest)
  }
}

export type Step = NodeStep | LeafStep

/**
 * A node that was not seen before, about to be read. Whoever leaves it out is told nothing of what
 * is below.
 */
export interface NodeStep {
  readonly kind: 'node'
  readonly node: PlacedNode
  isLeftOut: boolean
}

/** The extents of a leaf. */
export interface LeafStep {
  readonly kind: 'leaf'
  readonly extents: readonly PlacedExtent[]
  /** To be said by whoever wants sums. */
  weight: number
}

export interface WalkOptions {
  readonly signal: AbortSignal
  /** Nodes that other walks have come through are left out of this one. */
  readonly seen?: SeenNodes
  /**
   * Told of a node that is not what its parent says of it; it is left out. Without, the walk fails.
   */
  readonly onFalse?: (error: ShoalError) => void
  /** Only nodes of which something is in [from, to). */
  readonly range?: { readonly from: number; readonly to: number }
}

interface OpenNode {
  readonly node: PlacedNode | undefined
  readonly below: readonly PlacedNode[]
  next: number
  weight: number
  /** Something below was left out as it is false: whoever meets it again is to hear of that. */
  isPartial: boolean
}

/**
 * Nodes before what is below them, in the order of the file. returns the weight of the whole, each
 * leaf as often as it is listed. throws ShoalError 'chunk-unavailable', 'contradiction',
 * 'unsupported', 'EFBIG'.
 */
export async function* walk(
  tree: ManifestTree,
  { signal, seen = new SeenNodes(), onFalse, range }: WalkOptions,
): AsyncGenerator<Step, number, undefined> {
  const open = [openNode(undefined, [tree.root])]
  let metAgain = 0
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const node = at.below[at.next++]
    if (node === undefined) {
      open.pop()
      const parent = open.at(-1)
      if (at.node === undefined || parent === undefined) return at.weight
      if (!at.isPartial && isWhole(at.node, range)) seen.add(at.node, at.weight)
      parent.weight += at.weight
      parent.isPartial ||= at.isPartial
      continue
    }
    if (isOutside(node, range)) continue
    const known = isWhole(node, range) ? seen.weightOf(node) : undefined
    at.weight += known ?? 0
    if (known !== undefined) continue
    signal.throwIfAborted()
    if (node.level > 0 && seen.isForgotten(node) && ++metAgain > MET_AGAIN_MAX) {
      const message = 'the file repeats its content too often to be examined: replace it by a copy'
      throw new ShoalError('EFBIG', message)
    }
    const step: NodeStep = { kind: 'node', node, isLeftOut: false }
    yield step
    if (step.isLeftOut) continue
    const content = await tree.node(node, { signal }).catch((error: unknown) => {
      if (onFalse === undefined || !isFalse(error)) throw error
      onFalse(error)
    })
    if (content === undefined) at.isPartial = true
    else if ('children' in content) open.push(openNode(node, childrenOf(node, content)))
    else {
      const leaf: LeafStep = { kind: 'leaf', extents: extentsOf(node, content), weight: 0 }
      yield leaf
      if (isWhole(node, range)) seen.add(node, leaf.weight)
      at.weight += leaf.weight
    }
  }
  return 0
}

function openNode(node: PlacedNode | undefined, below: readonly PlacedNode[]): OpenNode {
  return { node, below, next: 0, weight: 0, isPartial: false }
}

/** The chunks that a content is made of, those of its manifest too. */
export async function* chunksOf(
  tree: ManifestTree,
  options: WalkOptions,
): AsyncGenerator<ChunkId, void, undefined> {
  for await (const step of walk(tree, options)) {
    if (step.kind === 'node') yield step.node.ref.id
    else for (const { extent } of step.extents) if (extent.kind === 'chunk') yield extent.ref.id
  }
}

/** Chunks that lie in [from, to) whole, and the nodes of which all is there. */
export async function* refsWithin(
  tree: ManifestTree,
  range: { readonly from: number; readonly to: number },
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<ChunkRef, void, undefined> {
  for await (const step of walk(tree, { signal, range })) {
    if (step.kind === 'node') {
      if (isWhole(step.node, range)) yield step.node.ref
      continue
    }
    for (const { start, extent } of step.extents) {
      if (extent.kind !== 'chunk' || start < range.from) continue
      if (start + extent.ref.length <= range.to) yield extent.ref
    }
  }
}

/**
 * The sum of what `weigh` says of each leaf, which it is asked of once, as often as the file has
 * it.
 */
export async function sumOf(
  tree: ManifestTree,
  options: WalkOptions,
  weigh: (extents: readonly PlacedExtent[]) => Promise<number>,
): Promise<number> {
  const steps = walk(tree, options)
  for (;;) {
    const step = await steps.next()
    if (step.done === true) return step.value
    if (step.value.kind === 'leaf') step.value.weight = await weigh(step.value.extents)
  }
}

/** Can no reader make anything of it, now or later? */
function isFalse(error: unknown): error is ShoalError {
  return (
    error instanceof ShoalError && (error.code === 'contradiction' || error.code === 'unsupported')
  )
}

type Range = WalkOptions['range']

function isOutside({ start, size }: PlacedNode, range: Range): boolean {
  return range !== undefined && (start >= range.to || start + size <= range.from)
}

function isWhole({ start, size }: PlacedNode, range: Range): boolean {
  return range === undefined || (start >= range.from && start + size <= range.to)
}

/** All that a parent says of a node: one that lies of it is another. */
function keyOf({ ref, level, size, allocated, isLast }: PlacedNode): string {
  return `${ref.id} ${level} ${size} ${allocated} ${isLast}`
}
