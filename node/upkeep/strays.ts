// Shards that lie here though the map says nothing of it, and since when that is known: they may be on their way into
// the map. Kept in the store, so that a restart does not begin the wait anew.
import { float64FromBytes, float64ToBytes, fromByteString } from '../../protocol/bytes.ts'
import { prefixRange, stripeOfKey, strayKey, STRAY_PREFIX } from '../store/keys.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'

export interface Stray {
  readonly stripe: StripeId
  readonly index: number
}

export class Strays {
  readonly #store: Pick<Store, 'kv' | 'commit'>
  readonly #clock: Pick<Clock, 'wall'>

  constructor(store: Pick<Store, 'kv' | 'commit'>, clock: Pick<Clock, 'wall'>) {
    this.#store = store
    this.#clock = clock
  }

  /** For how many ms it has been known that this shard is one; 0 at the first time. */
  async ageMs({ stripe, index }: Stray): Promise<number> {
    const key = strayKey(stripe, index)
    const now = this.#clock.wall()
    const known = this.#store.kv.get(key)
    if (known !== undefined) return now - float64FromBytes(known)
    await this.#store.commit([{ kind: 'put', key, value: float64ToBytes(now) }])
    return 0
  }

  /** It is none, or no more. */
  async forget({ stripe, index }: Stray): Promise<void> {
    const key = strayKey(stripe, index)
    if (this.#store.kv.get(key) === undefined) return
    await this.#store.commit([{ kind: 'delete', key }])
  }

  async *all(): AsyncGenerator<Stray, void, undefined> {
    for await (const [key] of this.#store.kv.scan(prefixRange(STRAY_PREFIX))) {
      const index = fromByteString(key).at(-1)
      if (index !== undefined) yield { stripe: stripeOfKey(key), index }
    }
  }
}
