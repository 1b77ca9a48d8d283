// Which stripes of a volume are to go into its cold tier by its settings, and fall to this node:
// nobody has read of them for so long, and this node is the first writer in rank of those that are
// online; or those before it have let some time pass, as a node does that is not let in to the
// tier. Nobody asks anybody: two that see the swarm otherwise put the same pack.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { MappedStripe, StripeGroup, StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock } from '../world/world.ts'

/** Stripes looked at before others have their turn. */
const PACE = 64
/** After so long the next in rank takes over. */
const TAKE_OVER_MS: number = HOUR_MS

export interface DueParts {
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe'>
  readonly clock: Clock
  /** The place of this node among those that may see to a group; undefined: it may not. */
  readonly placeIn: (group: StripeGroup) => number | undefined
}

export interface DueStripe extends MappedStripe {
  readonly id: StripeId
  /** For how long it is due. */
  readonly overdueMs: number
}

/**
 * One after the other. onLater: told when something that is not due yet will be, in ms from now.
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
