// Which stripes of a volume somebody has read of through this node, and when last: so many at most,
// the latest. What is read is noted once, whatever the number of reads; background work does not
// count.
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { Clock } from '../world/world.ts'

const STRIPES_MAX = 65_536

export class RecentReads {
  readonly #map: Pick<StripeMap, 'locations'>
  readonly #clock: Pick<Clock, 'wall'>
  /** The latest last. */
  readonly #readAt = new Map<StripeId, WallTime>()
  readonly #untaken = new Set<StripeId>()

  constructor(map: Pick<StripeMap, 'locations'>, clock: Pick<Clock, 'wall'>) {
    this.#map = map
    this.#clock = clock
  }

  /** When something of a stripe was read last, as far as is remembered. */
  lastRead(stripe: StripeId): WallTime | undefined {
    return this.#readAt.get(stripe)
  }

  /** A chunk is read for a user. */
  note(chunk: ChunkId): void {
    const stripe = this.#map.locations(chunk)[0]?.stripe
    if (stripe === undefined) return
    this.#readAt.delete(stripe)
    this.#readAt.set(stripe, this.#clock.wall())
    this.#untaken.delete(stripe)
    this.#untaken.add(stripe)
    const [[oldest] = []] = this.#readAt
    if (oldest === undefined || this.#readAt.size <= STRIPES_MAX) return
    this.#readAt.delete(oldest)
    this.#untaken.delete(oldest)
  }

  /** Those read since the last call. */
  take(): readonly StripeId[] {
    const stripes = [...this.#untaken]
    this.#untaken.clear()
    return stripes
  }
}
