// Tells the DHT which stripes this node holds shards of, in the background, a few at a time: a stripe is then found by
// anyone who knows its id. Best effort: the shard map in the log says who holds what, the DHT only helps to find it.
import { stripeIdBytes } from '../../protocol/ids.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Clock, Network } from '../world/world.ts'

const CONCURRENT_MAX = 4
/** More than these are not announced now. */
const WAITING_MAX = 4096

export class Announcer {
  readonly #network: Network
  readonly #clock: Clock
  readonly #stopped = new AbortController()
  readonly #waiting = new Set<StripeId>()
  #active = 0

  constructor({ network, clock }: { network: Network; clock: Clock }) {
    this.#network = network
    this.#clock = clock
  }

  add(stripe: StripeId): void {
    if (this.#stopped.signal.aborted || this.#waiting.size >= WAITING_MAX) return
    this.#waiting.add(stripe)
    if (this.#active < CONCURRENT_MAX) void this.#work()
  }

  /** Announce no more. */
  stop(): void {
    this.#waiting.clear()
    this.#stopped.abort()
  }

  async #work(): Promise<void> {
    this.#active++
    for (const stripe of this.#waiting) {
      this.#waiting.delete(stripe)
      const signal = this.#clock.timeout(MINUTE_MS, this.#stopped.signal)
      await this.#network.provide(stripeIdBytes(stripe), { signal }).catch(() => undefined)
    }
    this.#active--
  }
}
