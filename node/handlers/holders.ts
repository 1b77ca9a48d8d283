// The owner's call about who holds a file.
import { ShoalError } from '../../protocol/errors.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { HoldersApi, HoldersOfFile } from '../control/holders.ts'
import { Walk } from '../volume/file-walk.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import type { NodeParts } from './parts.ts'

export function holdersApi({ hosted: volumes, world, until }: NodeParts): HoldersApi {
  return {
    async fileHolders(path, { signal } = {}) {
      const { hosted, parts: names } = volumes.at(path)
      const target = hosted.namespace.resolvePath(names)
      if (target.kind === 'dir') throw new ShoalError('EISDIR', `${path}: is a folder`)
      const reader = hosted.chunks.reader([])
      const { namespace } = hosted
      const walk = new Walk({ namespace, reader, clock: world.clock }, until(signal))
      const stripes = new Set<StripeId>()
      let unplaced = 0
      for await (const chunk of walk.chunksOfFile(target.id)) {
        const at = hosted.map.locations(chunk)[0]?.stripe
        if (at === undefined) unplaced++
        else stripes.add(at)
      }
      return describe(hosted, stripes, unplaced)
    },
  }
}

function describe(
  { map, volume: { membership } }: HostedVolume,
  stripes: ReadonlySet<StripeId>,
  unplaced: number,
): HoldersOfFile {
  const held = new Map<PeerId, number>()
  let inTiers = 0
  for (const id of stripes) {
    const stripe = map.stripe(id)
    for (const peer of stripe?.holders.flat() ?? []) held.set(peer, (held.get(peer) ?? 0) + 1)
    if (stripe !== undefined && stripe.cold.length > 0) inTiers++
  }
  const holders = Array.from(held, ([peer, shards]) => ({
    peer,
    name: membership.nameOf(peer),
    shards,
  }))
  return { stripes: stripes.size, unplaced, inTiers, holders: holders.toSorted(mostFirst) }
}

function mostFirst(a: { readonly shards: number }, b: { readonly shards: number }): number {
  return b.shards - a.shards
}
