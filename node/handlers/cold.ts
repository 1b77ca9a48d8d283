// The owner's calls that move data into cold tiers and out of them.
import type { WallTime } from '../../protocol/units.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { ColdApi } from '../control/cold.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { pathOf } from '../volume/paths.ts'
import { pinsOver } from '../state/pins.ts'
import { coldTierOf } from '../log/settings.ts'
import { stripesBelow } from '../volume/file-walk.ts'
import { verifyBackup } from '../cold/verify-backup.ts'
import { verifyPacks } from '../cold/verify-packs.ts'
import type { NodeParts } from './parts.ts'
import { tiersApi } from './tiers.ts'

/** Stripes that are read unless the call says. */
const SAMPLE = 20

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

    async *verifyCold({ volume, tier, sample = SAMPLE, signal } = {}) {
      const hosted = volumes.of(parts.volumes.find(volume))
      hosted.checkMayRead()
      for (const name of tier === undefined ? hosted.tiers.agreed() : [tier]) {
        const verified = { world, hosted, tier: name }
        const ended = until(signal)
        const count = { problems: 0 }
        const backup = yield* pageEach(verifyBackup(verified, ended), count)
        const packs = yield* pageEach(verifyPacks(verified, sample, ended), count)
        const atMs = Math.floor(world.clock.wall()) as WallTime
        cold.of(hosted).verified.set(name, { atMs, ...count })
        yield [{ kind: 'tier', tier: name, backup, ...packs }]
      }
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

/** count: of what is wrong. */
async function* pageEach<Item extends { readonly kind: string }, Result>(
  items: AsyncGenerator<Item, Result, undefined>,
  count: { problems: number },
): AsyncGenerator<readonly Item[], Result, undefined> {
  for (;;) {
    const next = await items.next()
    if (next.done === true) return next.value
    if (next.value.kind === 'problem') count.problems++
    yield [next.value]
  }
}

/** throws ShoalError 'usage' for what is to lie in a tier. */
function checkNotPinned({ namespace, volume: { view } }: HostedVolume, id: NodeId): void {
  const [pin] = pinsOver(view, id, 'pin-cold')
  if (pin === undefined) return
  const path = namespace.shownPath(pathOf(namespace, pin.id) ?? '')
  throw new ShoalError(
    'usage',
    `it is pinned to cold tier ${pin.to} by the pin of ${path}; remove that first with "shoal pin rm"`,
  )
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
