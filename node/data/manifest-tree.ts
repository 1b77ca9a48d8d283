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

/** A node of the tree: its level, its first byte in the file, and the bytes below it. */
export interface PlacedNode {
  readonly ref: ChunkRef
  readonly level: number
  readonly start: number
  readonly size: number
}

export class ManifestTree {
  readonly root: PlacedNode
  readonly #chunks: ChunkReader
  readonly #nodes: NodeCache

  constructor(manifest: Manifest, { chunks, nodes }: { chunks: ChunkReader; nodes: NodeCache }) {
    this.root = { ref: manifest.root, level: manifest.depth, start: 0, size: manifest.size }
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

  async *#below(
    node: PlacedNode,
    from: number,
    to: number,
    signal: AbortSignal,
  ): AsyncGenerator<PlacedExtent, void, undefined> {
    const content = await this.node(node, { signal })
    if ('extents' in content) {
      let start = node.start
      for (const extent of content.extents) {
        const end = start + extentLength(extent)
        if (start < to && end > from) yield { start, extent }
        start = end
      }
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
  return content.children.map(({ ref, size }) => {
    const child = { ref, level: node.level - 1, start, size }
    start += size
    return child
  })
}
