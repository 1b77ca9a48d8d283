// Reads a manifest lazily: only the nodes on the way to what is asked for, through a bounded cache.
// Every node is checked against what its parent says of it before anything below it is looked at:
// levels fall, and sizes add up. Who goes through all of a manifest does so by manifest-walk.ts.
import { assert, ShoalError, hasCode } from '../../protocol/errors.ts'
import {
  decodeManifestNode,
  extentLength,
  isEnded,
  nodeAllocated,
  nodeSize,
} from '../../protocol/chunk/manifest.ts'
import { enforces } from '../../protocol/trust.ts'
import type { Extent, Manifest, ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { NodeCache } from './decoded-cache.ts'
import type { ChunkReader } from './chunk-io.ts'

/** An extent and where in the file it starts. */
export interface PlacedExtent {
  readonly start: number
  readonly extent: Extent
}

/**
 * A node of the tree: its level, its first byte in the file, the bytes below it, and those of them
 * in no hole.
 */
export interface PlacedNode {
  readonly ref: ChunkRef
  readonly level: number
  readonly start: number
  readonly size: number
  readonly allocated: number
  /** Whether it is the last of its level. */
  readonly isLast: boolean
}

/** A node as it was read, and what follows from it. */
export interface LoadedNode {
  readonly content: ManifestNode
  readonly size: number
  readonly allocated: number
  readonly isEnded: boolean
}

interface Options {
  readonly signal: AbortSignal
}

export class ManifestTree {
  readonly root: PlacedNode
  readonly #chunks: ChunkReader
  readonly #nodes: NodeCache

  constructor(manifest: Manifest, { chunks, nodes }: { chunks: ChunkReader; nodes: NodeCache }) {
    const { root, depth, size, allocated = size } = manifest
    this.root = { ref: root, level: depth, start: 0, size, allocated, isLast: true }
    this.#chunks = chunks
    this.#nodes = nodes
  }

  get size(): number {
    return this.root.size
  }

  /**
   * The decoded node. throws ShoalError 'contradiction' if it is not what its parent says,
   * 'unsupported' if a later version wrote it, 'chunk-unavailable'.
   */
  async node(
    { ref, level, size, allocated, isLast }: PlacedNode,
    { signal }: { signal: AbortSignal },
  ): Promise<ManifestNode> {
    const load = async (abandoned: AbortSignal): Promise<LoadedNode> =>
      loaded(await this.#chunks.readOnce(ref, { signal: abandoned }))
    const known = await this.#nodes.get(ref.id, load, { signal })
    const { content } = known
    const isSaid =
      content.level === level &&
      known.size === size &&
      known.allocated === allocated &&
      (isLast || known.isEnded)
    if (enforces('manifest-node') && !isSaid) {
      const message = `manifest node ${ref.id} is not the node that its parent refers to`
      throw new ShoalError('contradiction', message)
    }
    return content
  }

  /** The extents that overlap [from, to), in order. */
  async *extents(
    from: number,
    to: number,
    { signal }: { signal: AbortSignal },
  ): AsyncGenerator<PlacedExtent, void, undefined> {
    if (from < to) yield* this.#below(this.root, from, to, signal)
  }

  /** The extent that holds the byte at `position`, which is below `size`. */
  async extentAt(position: number, { signal }: { signal: AbortSignal }): Promise<PlacedExtent> {
    for await (const extent of this.extents(position, position + 1, { signal })) return extent
    throw new ShoalError('corrupt', `the manifest has no byte ${position} of ${this.size}`)
  }

  /** Bytes of [from, to) that are in chunks. cost: O(log n). */
  allocatedIn(from: number, to: number, options: Options): Promise<number> {
    return this.#allocated(this.root, from, to, options)
  }

  /**
   * The first byte of [from, to) that is in a chunk, or in a hole; undefined without. cost: O(log n
   * + what it skips).
   */
  seek(
    what: 'data' | 'hole',
    from: number,
    to: number,
    options: Options,
  ): Promise<number | undefined> {
    return this.#seek(this.root, what, from, to, options)
  }

  /**
   * [from, to) without the chunks at either end that lie in it in part. `start` may be after `end`
   * then.
   */
  async wholeWithin(
    from: number,
    to: number,
    options: Options,
  ): Promise<{ readonly start: number; readonly end: number }> {
    const first = await this.extentAt(from, options)
    const last = await this.extentAt(to - 1, options)
    const isChunk = ({ extent }: PlacedExtent): boolean => extent.kind === 'chunk'
    return {
      start: isChunk(first) && first.start < from ? endOf(first) : from,
      end: isChunk(last) && endOf(last) > to ? last.start : to,
    }
  }

  async #allocated(node: PlacedNode, from: number, to: number, options: Options): Promise<number> {
    const start = Math.max(node.start, from)
    const end = Math.min(node.start + node.size, to)
    if (start >= end) return 0
    if (node.allocated === node.size) return end - start
    if (end - start === node.size) return node.allocated
    const content = await this.node(node, options)
    let sum = 0
    if ('children' in content) {
      for (const child of childrenOf(node, content))
        sum += await this.#allocated(child, from, to, options)
    } else {
      for (const placed of extentsOf(node, content)) {
        const length = Math.min(endOf(placed), to) - Math.max(placed.start, from)
        if (placed.extent.kind === 'chunk') sum += Math.max(0, length)
      }
    }
    return sum
  }

  async #seek(
    node: PlacedNode,
    what: 'data' | 'hole',
    from: number,
    to: number,
    options: Options,
  ): Promise<number | undefined> {
    const isWithout = node.allocated === (what === 'hole' ? node.size : 0)
    if (isWithout || node.start >= to || node.start + node.size <= from) return undefined
    const content = await this.node(node, options)
    if ('children' in content) {
      for (const child of childrenOf(node, content)) {
        const found = await this.#seek(child, what, from, to, options)
        if (found !== undefined) return found
      }
      return undefined
    }
    const placed = extentsOf(node, content).find(
      (one) =>
        (one.extent.kind === 'hole') === (what === 'hole') && one.start < to && endOf(one) > from,
    )
    return placed === undefined ? undefined : Math.max(placed.start, from)
  }

  async *#below(
    node: PlacedNode,
    from: number,
    to: number,
    signal: AbortSignal,
  ): AsyncGenerator<PlacedExtent, void, undefined> {
    const content = await this.node(node, { signal })
    if ('extents' in content) {
      for (const placed of extentsOf(node, content))
        if (placed.start < to && endOf(placed) > from) yield placed
      return
    }
    for (const child of childrenOf(node, content)) {
      if (child.start < to && child.start + child.size > from)
        yield* this.#below(child, from, to, signal)
    }
  }
}

/** The children of an inner node, placed. */
export function childrenOf(node: PlacedNode, content: ManifestNode): readonly PlacedNode[] {
  assert('children' in content, 'a leaf has no child nodes')
  let start = node.start
  const last = content.children.length - 1
  return content.children.map(({ ref, size, allocated }, at) => {
    const isLast = node.isLast && at === last
    const child = { ref, level: node.level - 1, start, size, allocated, isLast }
    start += size
    return child
  })
}

/** The extents of a leaf, placed. */
export function extentsOf(node: PlacedNode, content: ManifestNode): readonly PlacedExtent[] {
  assert('extents' in content, 'an inner node has no extents')
  let { start } = node
  return content.extents.map((extent) => {
    const placed = { start, extent }
    start += extentLength(extent)
    return placed
  })
}

function loaded(bytes: Uint8Array): LoadedNode {
  const content = decoded(bytes)
  const [size, allocated] = [nodeSize(content), nodeAllocated(content)]
  return { content, size, allocated, isEnded: isEnded(content) }
}

function decoded(bytes: Uint8Array): ManifestNode {
  try {
    return decodeManifestNode(bytes)
  } catch (cause) {
    if (!hasCode(cause, 'malformed')) throw cause
    throw new ShoalError('contradiction', `no manifest node: ${cause.message}`, { cause })
  }
}

function endOf({ start, extent }: PlacedExtent): number {
  return start + extentLength(extent)
}
