// Which stripes of a volume somebody has read of through this node, since that was asked last: so
// many at most, the latest. What is read is noted once, whatever the number of reads; background
// work does not count.
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'

const STRIPES_MAX = 65_536

export class RecentReads {
  readonly #map: Pick<StripeMap, 'locations'>
  /** The latest last. */
  readonly #stripes = new Set<StripeId>()

  constructor(map: Pick<StripeMap, 'locations'>) {
    this.#map = map
  }

  /** A chunk is read for a user. */
  note(chunk: ChunkId): void {
    const stripe = this.#map.locations(chunk)[0]?.stripe
    if (stripe === undefined) return
    this.#stripes.delete(stripe)
    this.#stripes.add(stripe)
    const [oldest] = this.#stripes
    if (oldest !== undefined && this.#stripes.size > STRIPES_MAX) this.#stripes.delete(oldest)
  }

  /** And forget them. */
  take(): readonly StripeId[] {
    const stripes = [...this.#stripes]
    this.#stripes.clear()
    return stripes
  }
}
