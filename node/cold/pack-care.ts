// Maintains the packs in the tiers of a volume: now and then one of its writers removes those that
// nothing names any more, and rewrites those that are mostly not in use.
import { asShoalError } from '../../protocol/errors.ts'
import { DAY_MS, HOUR_MS } from '../../protocol/units.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { Instant } from '../../protocol/units.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { isColdPaused } from '../log/settings.ts'
import { countBefore, stableHlc, waitedFor } from '../log/stability.ts'
import type { World } from '../world/world.ts'
import { putSparsePacksAnew } from './sparse-packs.ts'
import { removeUnusedPacks } from './unused-packs.ts'

const EVERY_MS: number = DAY_MS
/** How long after the start. */
const FIRST_MS: number = HOUR_MS

export interface PackCareParts {
  readonly world: Pick<World, 'clock'>
  readonly hosted: HostedVolume
  /** Put a pack into a tier, and log it. throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (tier: string, pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class PackCare {
  readonly #parts: PackCareParts
  #dueAt: Instant

  constructor(parts: PackCareParts) {
    this.#parts = parts
    this.#dueAt = (parts.world.clock.now() + FIRST_MS) as Instant
  }

  /** If it is time, and falls to this node. What a tier throws is logged. */
  async run(signal: AbortSignal): Promise<void> {
    const { hosted, world, log } = this.#parts
    const { clock } = world
    const others = waitedFor(hosted.volume, clock).map(({ peer }) => peer)
    if (clock.now() < this.#dueAt || countBefore(hosted.volume, others) !== 0) return
    this.#dueAt = (clock.now() + EVERY_MS) as Instant
    for (const tier of hosted.tiers.agreed()) {
      try {
        await this.#see(tier, signal)
      } catch (error) {
        signal.throwIfAborted()
        const { code, message } = asShoalError(error)
        log('packs that are not needed stay in the cold tier for now', { tier, code, message })
      }
    }
  }

  async #see(tierName: string, signal: AbortSignal): Promise<void> {
    const { hosted, world, put, log } = this.#parts
    const { volume, map, tiers } = hosted
    const parts = { volume: volume.id, tier: tiers.open(tierName), clock: world.clock }
    const named = { named: () => volume.stripes.packs(tierName) }
    const stable = { stable: () => stableHlc(volume, world.clock) }
    const count = await removeUnusedPacks({ ...parts, ...named, ...stable }, signal)
    if (count > 0) log('packs that are not needed any more were removed', { tier: tierName, count })
    if (isColdPaused(volume)) return
    const anew = { map, tierName, put: put.bind(undefined, tierName) }
    const bytes = await putSparsePacksAnew({ ...parts, ...anew }, signal)
    if (bytes > 0) log('packs that were mostly not in use were put anew', { tier: tierName, bytes })
  }
}
