// Takes part of one manifest over into another that is being built, whole nodes where they fit:
// what is not on the edge of the part is neither read nor written.
import { assert } from '../../protocol/errors.ts'
import { extentLength } from '../../protocol/chunk/manifest.ts'
import { childrenOf, extentsOf } from './manifest-tree.ts'
import type { ManifestBuilder } from './manifest-builder.ts'
import type { ManifestTree, PlacedNode } from './manifest-tree.ts'

/** Bytes of a file. `isLast`: nothing comes after them in the manifest being built. */
export interface CopyRange {
  readonly from: number
  readonly to: number
  readonly isLast: boolean
}

/**
 * Append the extents of [from, to) to `builder`. Chunks lie in the range whole, holes are clipped
 * to it.
 */
export async function copyExtents(
  tree: ManifestTree,
  range: CopyRange,
  builder: ManifestBuilder,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  await copyNode(tree, tree.root, range, builder, signal)
}

async function copyNode(
  tree: ManifestTree,
  node: PlacedNode,
  range: CopyRange,
  builder: ManifestBuilder,
  signal: AbortSignal,
): Promise<void> {
  const { from, to } = range
  const end = node.start + node.size
  if (node.start >= to || end <= from) return
  // The last node of a level was ended by the end of the file: only there may it stay as it is.
  const isEnded = end < tree.size || range.isLast
  if (isEnded && node.start >= from && end <= to) {
    const added = await builder.addNode(node.level, node, { signal })
    if (added) return
  }
  const content = await tree.node(node, { signal })
  if ('children' in content) {
    for (const child of childrenOf(node, content)) {
      await copyNode(tree, child, range, builder, signal)
    }
    return
  }
  for (const { start, extent } of extentsOf(node, content)) {
    const length = extentLength(extent)
    const clipped = Math.min(start + length, to) - Math.max(start, from)
    if (clipped > 0 && extent.kind === 'hole')
      await builder.add({ ...extent, length: clipped }, { signal })
    else if (clipped > 0) {
      assert(clipped === length, 'chunks are taken over whole')
      await builder.add(extent, { signal })
    }
  }
}
