// From where a file would be read here, told from what this node knows, without asking any peer or tier.
import type { ChunkId } from '../../protocol/ids.ts'
import type { Content } from '../data/content.ts'
import type { NodeCache } from '../data/cache.ts'
import type { ChunkReader } from '../data/chunk-io.ts'
import type { ChunkState } from '../data/gather.ts'
import { ManifestTree, childrenOf } from '../data/manifest-tree.ts'
import type { PlacedNode } from '../data/manifest-tree.ts'

/** Chunks that are looked at: of a larger file, the first. */
const CHUNKS_MAX = 4096
/** The worst counts. */
const ORDER: readonly ChunkState[] = ['local', 'placed', 'cold', 'archived']

/** That of the chunk that is farthest, of those whose names are here. Lists of chunks that are not here are not fetched. */
export async function contentState(
  content: Content,
  stateOf: (chunk: ChunkId) => ChunkState,
  { chunks, nodes }: { readonly chunks: ChunkReader; readonly nodes: NodeCache },
  signal: AbortSignal,
): Promise<ChunkState> {
  if (content.kind === 'inline') return 'local'
  let worst = 0
  let left = CHUNKS_MAX
  const see = (chunk: ChunkId): void => {
    left--
    worst = Math.max(worst, ORDER.indexOf(stateOf(chunk)))
  }
  const tree = new ManifestTree(content.manifest, { chunks, nodes })
  const open: PlacedNode[] = [tree.root]
  for (let node = open.pop(); node !== undefined && left > 0; node = open.pop()) {
    see(node.ref.id)
    if (!chunks.isNear(node.ref.id)) continue
    const inner = await tree.node(node, { signal })
    if ('children' in inner) open.push(...childrenOf(node, inner))
    else for (const extent of inner.extents) if (extent.kind === 'chunk') see(extent.ref.id)
  }
  return ORDER[worst] ?? 'placed'
}
