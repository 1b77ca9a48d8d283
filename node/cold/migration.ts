// Uploads the data that is due for the cold tier of a volume, pack after pack, and says which data
// that is. Nothing of it is remembered: what is not there yet is due again in the next pass.
import { Packing, dataBytes, totalDataBytes } from '../../protocol/cold/pack.ts'
import { asShoalError, hasCode } from '../../protocol/errors.ts'
import type { PackStripe } from '../../protocol/cold/pack.ts'
import type { ShoalError } from '../../protocol/errors.ts'
import type { ColdProgress } from '../control/cold.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import type { StripeGroup, MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { HostedVolume } from '../volume/hosted-volume.ts'
import { isColdPaused } from '../log/settings.ts'
import type { Clock, Luck, World } from '../world/world.ts'
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { WriteLog } from '../observe/log-events.ts'

export const PACKS_AT_ONCE = 3
/** Stripes too small for a pack wait for others this part of `cold-after` longer. */
const WAIT_SHARE = 0.25

/** Stripes looked at before others have their turn. */
const PACE = 64
/** After so long the next in rank takes over. */
const TAKE_OVER_MS: number = HOUR_MS

/** A read recorded in this part of the time before is enough. */
const SHARE = 0.25

export interface MigrationParts {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly hosted: HostedVolume
  /** The place of this node among those that may see to a group; undefined: it may not. */
  readonly placeIn: (group: StripeGroup) => number | undefined
  /** throws ShoalError 'cold-*', 'chunk-unavailable'. */
  readonly put: (tier: string, pack: readonly PackStripe[], signal: AbortSignal) => Promise<void>
  readonly log: WriteLog
}

interface DueParts {
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe'>
  readonly clock: Clock
  /** The place of this node among those that may see to a group; undefined: it may not. */
  readonly placeIn: (group: StripeGroup) => number | undefined
}

interface DueStripe extends MappedStripe {
  readonly id: StripeId
  /** For how long it is due. */
  readonly overdueMs: number
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
      const packs = duePacks(due(onLater), WAIT_SHARE * afterMs, this.#parts.world.random)
      await inParallel(packs, PACKS_AT_ONCE, async (pack) => {
        if (isColdPaused(hosted.volume)) return
        try {
          await this.#parts.put(tier, pack, signal)
        } catch (error) {
          // Data that others lack may be there next time; a tier that fails, fails for all.
          if (!hasCode(error, 'chunk-unavailable')) throw error
          log('cold.pack-failed', { tier, message: error.message })
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
      log('cold.failed', { tier, code, message })
    } finally {
      this.#moving = undefined
    }
  }
}

/** But for what is too little for a pack, unless it waited long. */
async function* duePacks(
  due: AsyncIterable<DueStripe>,
  waitMs: number,
  random: Luck,
): AsyncGenerator<readonly PackStripe[], void, undefined> {
  const packing = new Packing<DueStripe>()
  for await (const stripe of due) {
    const full = packing.add(stripe)
    if (full !== undefined) yield full
    else if (random.unlucky('cold.pack-ends-early')) yield packing.rest()
  }
  const isLittle = packing.isLittle
  const rest = packing.rest()
  if (rest.length > 0 && (!isLittle || rest.some(({ overdueMs }) => overdueMs >= waitMs)))
    yield rest
}

/**
 * One after the other. onLater: told when something that is not due yet will be, in ms from now.
 */
/**
 * Yields the stripes that are to go into the cold tier of a volume by its settings, and fall to
 * this node: nobody has read of them for so long, and this node is the first writer in rank of
 * those that are online; or those before it have let some time pass, as a node does that is not
 * let in to the tier. Nobody asks anybody: two that see the swarm otherwise put the same pack.
 */
export async function* dueStripes(
  { map, clock, placeIn }: DueParts,
  { afterMs, tier }: { readonly afterMs: number; readonly tier: string },
  onLater: (inMs: number) => void,
  signal: AbortSignal,
): AsyncGenerator<DueStripe, void, undefined> {
  let steps = 0
  for (const group of map.groups()) {
    const place = placeIn(group)
    if (group.isCondemned || group.tiers.includes(tier) || place === undefined) continue
    for await (const id of map.stripesOf(group.id)) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      if (
        stripe === undefined ||
        stripe.isCondemned ||
        stripe.cold.some((copy) => copy.tier === tier)
      )
        continue
      const ageMs = clock.wall() - hlcMillis(stripe.usedAt)
      const overdueMs = ageMs - afterMs - place * TAKE_OVER_MS
      if (overdueMs >= 0) yield { ...stripe, id, overdueMs }
      else onLater(-overdueMs)
    }
  }
}

/** The stripes, of those read just now, whose reads are to be recorded. */
/**
 * The stripes, of those read just now, whose reads are to be recorded in the log: of a stripe at
 * most some four in the time after which it would go into the tier, however often it is read, and
 * on however many nodes.
 */
export function readsToTell(
  stripes: readonly StripeId[],
  {
    map,
    clock,
    afterMs,
  }: {
    readonly map: Pick<StripeMap, 'stripe'>
    readonly clock: Pick<Clock, 'wall'>
    readonly afterMs: number
  },
): StripeId[] {
  return stripes.filter((id) => {
    const stripe = map.stripe(id)
    return stripe !== undefined && clock.wall() - hlcMillis(stripe.usedAt) >= SHARE * afterMs
  })
}
