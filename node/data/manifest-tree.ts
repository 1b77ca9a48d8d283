// Reads a manifest lazily: only the nodes on the way to what is asked for, through a bounded cache. Every node is
// checked against what its parent says of it, so a forged manifest ends in an error and not in a loop.
import { assert, ShoalError } from '../../protocol/errors.ts'
import { decodeManifestNode, extentLength, nodeSize } from '../../protocol/chunk/manifest.ts'
import type { Extent, Manifest, ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { NodeCache } from './cache.ts'
import type { ChunkReader } from './chunk-io.ts'

/** An extent and where in the file it starts. */
export interface PlacedExtent {
  readonly start: number
  readonly extent: Extent
}

/** A node of the tree: its level, its first byte in the file, the bytes below it, and those of them in no hole. */
export interface PlacedNode {
  readonly ref: ChunkRef
  readonly level: number
  readonly start: number
  readonly size: number
  readonly allocated: number
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
    this.root = { ref: root, level: depth, start: 0, size, allocated }
    this.#chunks = chunks
    this.#nodes = nodes
  }

  get size(): number {
    return this.root.size
  }

  /** The decoded node. throws ShoalError 'corrupt' if it is not what its parent says, 'chunk-unavailable'. */
  async node(
    { ref, level, size }: PlacedNode,
    { signal }: { signal: AbortSignal },
  ): Promise<ManifestNode> {
    const load = async (abandoned: AbortSignal): Promise<ManifestNode> =>
      decodeManifestNode(await this.#chunks.readOnce(ref, { signal: abandoned }))
    const node = await this.#nodes.get(ref.id, load, { signal })
    if (node.level !== level || nodeSize(node) !== size) {
      throw new ShoalError('corrupt', `manifest node ${ref.id} is not the node its parent names`)
    }
    return node
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

  /** The first byte of [from, to) that is in a chunk, or in a hole; undefined without. cost: O(log n + what it skips). */
  seek(
    what: 'data' | 'hole',
    from: number,
    to: number,
    options: Options,
  ): Promise<number | undefined> {
    return this.#seek(this.root, what, from, to, options)
  }

  /** [from, to) without the chunks at either end that lie in it in part. `start` may be after `end` then. */
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

  /** Chunks that lie in [from, to) whole, and the nodes of which all is there. */
  async *within(
    from: number,
    to: number,
    options: Options,
  ): AsyncGenerator<ChunkRef, void, undefined> {
    const open: PlacedNode[] = [this.root]
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const end = node.start + node.size
      if (node.start >= to || end <= from) continue
      if (node.start >= from && end <= to) yield node.ref
      const content = await this.node(node, options)
      if ('children' in content) open.push(...childrenOf(node, content))
      else {
        for (const { start, extent } of extentsOf(node, content))
          if (extent.kind === 'chunk' && start >= from && start + extent.ref.length <= to)
            yield extent.ref
      }
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
    const isWithout = what === 'hole' && node.allocated === node.size
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

/** All chunks that a content is made of, those of its manifest too. In memory is a path of the manifest. */
export async function* chunksOf(
  tree: ManifestTree,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ChunkId, void, undefined> {
  const open: PlacedNode[] = [tree.root]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    signal.throwIfAborted()
    yield node.ref.id
    const content = await tree.node(node, { signal })
    if ('children' in content) open.push(...childrenOf(node, content))
    else for (const extent of content.extents) if (extent.kind === 'chunk') yield extent.ref.id
  }
}

/** The children of an inner node, placed. */
export function childrenOf(node: PlacedNode, content: ManifestNode): readonly PlacedNode[] {
  assert('children' in content, 'a leaf has no child nodes')
  let start = node.start
  return content.children.map(({ ref, size, allocated }) => {
    const child = { ref, level: node.level - 1, start, size, allocated }
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

function endOf({ start, extent }: PlacedExtent): number {
  return start + extentLength(extent)
}
