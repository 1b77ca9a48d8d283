// The owner's calls that move data into cold tiers and out of them.
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ColdApi } from '../control/cold.ts'
import type { HostedVolume } from '../files/hosted-volume.ts'
import { pathOf } from '../files/paths.ts'
import { pinsOver } from '../namespace/pins.ts'
import { coldTierOf } from '../namespace/settings.ts'
import { stripesBelow } from '../tier/stripes-below.ts'
import type { NodeParts } from './parts.ts'
import { tiersApi } from './tiers.ts'

export function coldApi(parts: NodeParts): ColdApi {
  const { world, hosted: volumes, cold, until } = parts
  return {
    ...tiersApi(parts),

    async *pushCold(path, { tier, signal } = {}) {
      const { hosted, parts: names } = await volumes.atForWriting(path)
      const ended = until(signal)
      const target = hosted.namespace.resolvePath(names)
      const into = tier ?? onlyTier(hosted)
      await hosted.acknowledge('local', ended)
      const stripes = await stripesBelow(hosted, target, { clock: world.clock, signal: ended })
      for await (const progress of cold.of(hosted).push(into, stripes, ended)) yield [progress]
    },

    async *recallCold(path, { signal } = {}) {
      const { hosted, parts: names } = await volumes.atForWriting(path)
      const ended = until(signal)
      const target = hosted.namespace.resolvePath(names)
      checkNotPinned(hosted, target.id)
      const { view } = hosted.volume
      const stripes = await stripesBelow(hosted, target, {
        clock: world.clock,
        signal: ended,
        isLeftOut: (file) => pinsOver(view, file, 'pin-cold').length > 0,
      })
      for await (const progress of cold.of(hosted).recall(stripes, ended)) yield [progress]
    },
  }
}

/** throws ShoalError 'usage' for what is to lie in a tier. */
function checkNotPinned({ namespace, volume: { view } }: HostedVolume, id: NodeId): void {
  const [pin] = pinsOver(view, id, 'pin-cold')
  if (pin === undefined) return
  const path = pathOf(namespace, pin.id) ?? ''
  throw new ShoalError('usage', `it is pinned to cold tier ${pin.to}: shoal pin rm ${path} first`)
}

/** throws ShoalError 'usage' where it is not plain which tier is meant. */
function onlyTier({ tiers, volume }: HostedVolume): string {
  const names = tiers.names()
  const [first, ...others] = names
  const set = coldTierOf(volume)
  if (set !== undefined) return set
  if (first !== undefined && others.length === 0) return first
  throw new ShoalError(
    'usage',
    first === undefined
      ? 'the volume has no cold tier: shoal cold add NAME URL makes one'
      : `say which tier with --tier: ${names.join(', ')}`,
  )
}
