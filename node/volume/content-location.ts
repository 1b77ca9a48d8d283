// From where a file would be read here, told from what this node knows, without asking any peer or
// tier.
import type { ChunkId } from '../../protocol/ids.ts'
import type { Content } from '../content/content.ts'
import type { NodeCache } from '../content/decoded-cache.ts'
import type { ChunkReader } from '../content/chunk-io.ts'
import type { ChunkState } from '../stripes/chunk-fetcher.ts'
import { ManifestTree } from '../content/manifest-tree.ts'
import { walk } from '../content/manifest-walk.ts'

/** Chunks that are looked at: of a larger file, the first. */
const CHUNKS_MAX = 4096
/** The worst counts. */
const ORDER: readonly ChunkState[] = ['local', 'placed', 'cold', 'archived']

/**
 * That of the chunk that is farthest, of those whose names are here. Lists of chunks that are not
 * here are not fetched.
 */
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
  for await (const step of walk(tree, { signal })) {
    if (step.kind === 'node') {
      see(step.node.ref.id)
      step.isLeftOut = !chunks.isNear(step.node.ref.id)
    } else for (const { extent } of step.extents) if (extent.kind === 'chunk') see(extent.ref.id)
    if (left <= 0) break
  }
  return ORDER[worst] ?? 'placed'
}
