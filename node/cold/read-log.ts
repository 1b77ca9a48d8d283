// Decides which reads are recorded in the log: of a stripe at most some four in the time after
// which it would go into the tier, however often it is read, and on however many nodes.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock } from '../world/world.ts'

/** A read recorded in this part of the time before is enough. */
const SHARE = 0.25

/** The stripes, of those read just now, whose reads are to be recorded. */
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
