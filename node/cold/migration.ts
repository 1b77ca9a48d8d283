// Uploads the data that is due for the cold tier of a volume, pack after pack. Nothing of it is
// remembered: what is not there yet is due again in the next pass.
import { Packing, dataBytes, totalDataBytes } from '../../protocol/cold/pack.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { ColdProgress } from '../control/cold.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import type { StripeGroup } from '../shard-map/stripe-map.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { isColdPaused } from '../log/settings.ts'
import type { World } from '../world/world.ts'
import { dueStripes } from './demotion-due.ts'
import type { DueStripe } from './demotion-due.ts'

export const PACKS_AT_ONCE = 3
/** Stripes too small for a pack wait for others this part of `cold-after` longer. */
const WAIT_SHARE = 0.25

export interface MigrationParts {
  readonly world: Pick<World, 'clock'>
  readonly hosted: HostedVolume
  /** The place of this node among those that may see to a group; undefined: it may not. */
  readonly placeIn: (group: StripeGroup) => number | undefined
  /** throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (tier: string, pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly log: (message: string, fields: Record<string, unknown>) => void
}

export class Migration {
  readonly #parts: MigrationParts
  /** Why a tier took nothing in the last pass. */
  #failed: { readonly tier: string; readonly failure: ShoalError } | undefined
  /** How far the pass under way is. */
  #moving: { readonly tier: string; readonly progress: ColdProgress } | undefined

  constructor(parts: MigrationParts) {
    this.#parts = parts
  }

  /** Why the last pass could not put anything into a tier; undefined if it could. */
  failureOf(tier: string): ShoalError | undefined {
    return this.#failed?.tier === tier ? this.#failed.failure : undefined
  }

  /** How far the pass under way is; undefined: nothing is put there. */
  movingTo(tier: string): ColdProgress | undefined {
    return this.#moving?.tier === tier ? this.#moving.progress : undefined
  }

  /** Put what is due, until the volume says to pause. onLater: as of dueStripes(). */
  async run(
    { afterMs, tier }: { readonly afterMs: number; readonly tier: string },
    onLater: (inMs: number) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { hosted, log } = this.#parts
    if (isColdPaused(hosted.volume)) return
    const due = (later: (inMs: number) => void): AsyncIterable<DueStripe> =>
      dueStripes(
        { ...this.#parts, map: hosted.map, clock: this.#parts.world.clock },
        { afterMs, tier },
        later,
        signal,
      )
    let totalBytes = 0
    for await (const stripe of due(() => undefined)) totalBytes += dataBytes(stripe)
    let doneBytes = 0
    this.#moving = { tier, progress: { doneBytes, totalBytes } }
    try {
      const packs = duePacks(due(onLater), WAIT_SHARE * afterMs)
      await inParallel(packs, PACKS_AT_ONCE, async (pack) => {
        if (isColdPaused(hosted.volume)) return
        try {
          await this.#parts.put(tier, pack, signal)
        } catch (error) {
          // Data that others lack may be there next time; a tier that fails, fails for all.
          if (!hasCode(error, 'chunk-unavailable')) throw error
          log('a pack cannot be put into the cold tier now', { tier, message: error.message })
        }
        doneBytes += totalDataBytes(pack)
        this.#moving = { tier, progress: { doneBytes, totalBytes } }
      })
      this.#failed = undefined
    } catch (error) {
      signal.throwIfAborted()
      const failure = asShoalError(error)
      this.#failed = { tier, failure }
      const { code, message } = failure
      log('the cold tier takes nothing now', { tier, code, message })
    } finally {
      this.#moving = undefined
    }
  }
}

/** But for what is too little for a pack, unless it waited long. */
async function* duePacks(
  due: AsyncIterable<DueStripe>,
  waitMs: number,
): AsyncGenerator<readonly PackStripe[], void, undefined> {
  const packing = new Packing<DueStripe>()
  for await (const stripe of due) {
    const full = packing.add(stripe)
    if (full !== undefined) yield full
  }
  const isLittle = packing.isLittle
  const rest = packing.rest()
  if (rest.length > 0 && (!isLittle || rest.some(({ overdueMs }) => overdueMs >= waitMs)))
    yield rest
}
