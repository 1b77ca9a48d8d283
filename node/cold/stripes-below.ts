// The stripes in which the files at a path and below lie, each once: of all versions, and of what
// lists their chunks.
import type { NodeId, StripeId } from '../../protocol/ids.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { Walk } from '../volume/file-walk.ts'
import type { Clock } from '../world/world.ts'

/**
 * In memory: the ids. isLeftOut: files whose stripes are none of them, whoever else has a part
 * there.
 * throws ShoalError 'chunk-unavailable' where a list of chunks cannot be read.
 */
export async function stripesBelow(
  { namespace, map, chunks }: Pick<HostedVolume, 'namespace' | 'map' | 'chunks'>,
  target: ViewTarget,
  {
    clock,
    signal,
    isLeftOut = () => false,
  }: {
    readonly clock: Clock
    readonly signal: AbortSignal
    readonly isLeftOut?: (file: NodeId) => boolean
  },
): Promise<readonly StripeId[]> {
  const stripes = new Set<StripeId>()
  const leftOut = new Set<StripeId>()
  const walk = new Walk({ namespace, reader: chunks.reader([]), clock }, signal)
  for await (const file of walk.filesBelow(target)) {
    const found = isLeftOut(file) ? leftOut : stripes
    for await (const chunk of walk.chunksOfFile(file)) {
      const stripe = map.locations(chunk)[0]?.stripe
      if (stripe !== undefined) found.add(stripe)
    }
  }
  return [...stripes.difference(leftOut)]
}
