// Reports faults that readers find in the shards of holders, which are then not believed to hold
// them, so that those are rebuilt. At once where the bytes were wrong or the holder says itself
// that its disk has damaged them; a shard that a holder says it does not have only when it says so
// again a while later, for the map may just be ahead of it, or behind.
import { SECOND_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Between the first and the second time that a shard is absent. */
const AGAIN_MS: number = 10 * SECOND_MS
/** Absent shards that are remembered; the oldest are forgotten. */
const ABSENT_MAX = 1024

export interface ReadFaultsParts {
  readonly map: Pick<StripeMap, 'stripe' | 'disbelieve'>
  readonly clock: Pick<Clock, 'now'>
  readonly self: PeerId
  readonly log: WriteLog
  /** A shard of this node itself. */
  readonly onOwn: (stripe: StripeId, index: number) => void
}

export class ReadFaults {
  readonly #parts: ReadFaultsParts
  /** `<stripe> <index> <holder>` and when it was absent first. */
  readonly #absent = new Map<string, Instant>()

  constructor(parts: ReadFaultsParts) {
    this.#parts = parts
  }

  /** `holder` has no such shard, or another. */
  report(stripe: StripeId, index: number, holder: PeerId, found: 'absent' | 'wrong'): void {
    const { map, log, self, onOwn } = this.#parts
    if (holder === self) return onOwn(stripe, index)
    const isAscribed = map.stripe(stripe)?.holders[index]?.includes(holder) === true
    if (!isAscribed || (found === 'absent' && this.#isFirst(`${stripe} ${index} ${holder}`))) return
    log('read.shard-missing', { stripe, index, holder, found })
    map.disbelieve({ stripe, index, peer: holder })
  }

  #isFirst(key: string): boolean {
    const now = this.#parts.clock.now()
    const before = this.#absent.get(key)
    if (before !== undefined && now - before >= AGAIN_MS) {
      this.#absent.delete(key)
      return false
    }
    if (before === undefined) this.#absent.set(key, now)
    const [oldest] = this.#absent.keys()
    if (this.#absent.size > ABSENT_MAX && oldest !== undefined) this.#absent.delete(oldest)
    return true
  }
}
