// Builds a manifest from its extents bottom-up. In memory are only the open nodes, one a level: a
// node is sealed and written as soon as its content ends it (protocol/chunk/manifest.ts, endsNode).
// Nodes of an older manifest are taken over whole where the cuts fall together, so that a small
// change of a big file writes O(log n) nodes.
import { assert } from '../../protocol/errors.ts'
import {
  encodeManifestNode,
  endsNode,
  extentLength,
  nodeAllocated,
  nodeSize,
} from '../../protocol/chunk/manifest.ts'
import { chunkIdBytes, cidDigest } from '../../protocol/ids.ts'
import type {
  Extent,
  Manifest,
  ManifestChild,
  ManifestNode,
} from '../../protocol/chunk/manifest.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkWriter } from './chunk-io.ts'

export class ManifestBuilder {
  readonly #chunks: ChunkWriter
  readonly #extents: Extent[] = []
  /** Open inner nodes: index i is level i + 1. */
  readonly #children: ManifestChild[][] = []
  /** Holes not added yet, so that neighbours become one. */
  #holeBytes = 0
  #size = 0
  #allocated = 0

  constructor({ chunks }: { chunks: ChunkWriter }) {
    this.#chunks = chunks
  }

  /** Bytes of the file so far. */
  get size(): number {
    return this.#size
  }

  /** Add the next extent of the file. */
  async add(extent: Extent, { signal }: { signal: AbortSignal }): Promise<void> {
    const length = extentLength(extent)
    this.#size += length
    if (extent.kind === 'hole') {
      this.#holeBytes += length
      return
    }
    this.#allocated += length
    await this.#endHole(signal)
    await this.#push(extent, signal)
  }

  /**
   * Add a whole node of another manifest, if every open node of its level and below is empty here.
   * returns false, with nothing added, if not. The node must have been ended by its content, or be
   * the last.
   */
  async addNode(
    level: number,
    child: ManifestChild,
    { signal }: { signal: AbortSignal },
  ): Promise<boolean> {
    // The node may begin with the rest of the hole.
    if (this.#holeBytes > 0 || this.#extents.length > 0) return false
    if (this.#children.slice(0, level).some((open) => open.length > 0)) return false
    const { ref, size, allocated } = child
    this.#size += size
    this.#allocated += allocated
    await this.#pushChild(level + 1, { ref, size, allocated }, signal)
    return true
  }

  /** End every open node. The file must not be empty. */
  async finish({ signal }: { signal: AbortSignal }): Promise<Manifest> {
    assert(this.#size > 0, 'an empty file has no manifest')
    await this.#endHole(signal)
    if (this.#extents.length > 0) await this.#endLeaf(signal)
    for (let level = 1; ; level++) {
      const open = this.#open(level)
      const only = open[0]
      if (open.length === 1 && only !== undefined && this.#children.length === level) {
        const manifest = { size: this.#size, root: only.ref, depth: level - 1 }
        return this.#allocated === this.#size
          ? manifest
          : { ...manifest, allocated: this.#allocated }
      }
      if (open.length > 0) await this.#endInner(level, signal)
    }
  }

  async #endHole(signal: AbortSignal): Promise<void> {
    if (this.#holeBytes === 0) return
    const length = this.#holeBytes
    this.#holeBytes = 0
    await this.#push({ kind: 'hole', length }, signal)
  }

  async #push(extent: Extent, signal: AbortSignal): Promise<void> {
    this.#extents.push(extent)
    const hash = extent.kind === 'chunk' ? itemHash(extent.ref) : undefined
    if (endsNode(hash, this.#extents.length)) await this.#endLeaf(signal)
  }

  async #pushChild(level: number, child: ManifestChild, signal: AbortSignal): Promise<void> {
    const open = this.#open(level)
    open.push(child)
    if (endsNode(itemHash(child.ref), open.length)) await this.#endInner(level, signal)
  }

  async #endLeaf(signal: AbortSignal): Promise<void> {
    await this.#end({ level: 0, extents: this.#extents.splice(0) }, signal)
  }

  async #endInner(level: number, signal: AbortSignal): Promise<void> {
    await this.#end({ level, children: this.#open(level).splice(0) }, signal)
  }

  async #end(node: ManifestNode, signal: AbortSignal): Promise<void> {
    const ref = await this.#chunks.write(encodeManifestNode(node), { signal })
    const child = { ref, size: nodeSize(node), allocated: nodeAllocated(node) }
    await this.#pushChild(node.level + 1, child, signal)
  }

  #open(level: number): ManifestChild[] {
    while (this.#children.length < level) this.#children.push([])
    return this.#children[level - 1] ?? []
  }
}

function itemHash(ref: ChunkRef): Uint8Array {
  return cidDigest(chunkIdBytes(ref.id))
}
