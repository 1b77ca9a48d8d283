// The stripes in which the files at a path and below lie, each once: of all versions, and of what lists their chunks.
import { hasCode } from '../../protocol/errors.ts'
import { readInode } from '../../protocol/tree/records.ts'
import type { NodeId, StripeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { nodeCache } from '../data/cache.ts'
import { ManifestTree, chunksOf } from '../data/manifest-tree.ts'
import type { HostedVolume } from '../files/hosted-volume.ts'
import type { Clock } from '../world/world.ts'

/** Chunks looked at before others have their turn. */
const PACE = 256
const NODE_CACHE_ITEMS = 10_000

/** In memory: the ids. throws ShoalError 'chunk-unavailable' where a list of chunks cannot be read. */
export async function stripesBelow(
  { namespace, map, chunks }: Pick<HostedVolume, 'namespace' | 'map' | 'chunks'>,
  target: ViewTarget,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly StripeId[]> {
  const stripes = new Set<StripeId>()
  const nodes = nodeCache(NODE_CACHE_ITEMS)
  const reader = chunks.reader([])
  let steps = 0
  const file = async (id: NodeId): Promise<void> => {
    for (const { content, size } of readInode(namespace.volume.view, id)?.versions ?? []) {
      if (content.kind !== 'chunks') continue
      const manifest = { size, root: content.root, depth: content.depth }
      const tree = new ManifestTree(manifest, { chunks: reader, nodes })
      for await (const chunk of chunksOf(tree, { signal })) {
        if (++steps % PACE === 0) await clock.sleep(1, { signal })
        const stripe = map.locate(chunk)?.stripe
        if (stripe !== undefined) stripes.add(stripe)
      }
    }
  }
  const folders: NodeId[] = []
  const see = async (one: ViewTarget): Promise<void> => {
    if (one.kind === 'dir') folders.push(one.id)
    else await file(one.id)
  }
  await see(target)
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for await (const entry of namespace.list(folder)) await see(entry.target)
    } catch (error) {
      // Removed meanwhile.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
  return [...stripes]
}
