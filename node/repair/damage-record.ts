// How much of what this node stores was found damaged lately, and when: kept over restarts, since a
// disk that begins to fail is seen by single findings that lie days apart.
import { Fields, decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import { damageKey } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'

/** After so long without damage it is counted from the beginning. */
const FORGOTTEN_MS: number = 30 * DAY_MS

export interface Damage {
  /** Shards and chunks. */
  readonly found: number
  readonly lastMs: WallTime
}

export class DamageRecord {
  readonly #store: Pick<Store, 'kv' | 'commit'>
  readonly #clock: Pick<Clock, 'wall'>

  constructor(parts: { readonly store: Pick<Store, 'kv' | 'commit'>; readonly clock: Clock }) {
    this.#store = parts.store
    this.#clock = parts.clock
  }

  /** Undefined: none for long. */
  get current(): Damage | undefined {
    const bytes = this.#store.kv.get(damageKey())
    if (bytes === undefined) return undefined
    const fields = new Fields(decodeCbor(bytes, 'damage'), 'damage')
    const damage = { found: fields.integer('found'), lastMs: fields.integer('last') as WallTime }
    return damage.lastMs < this.#clock.wall() - FORGOTTEN_MS ? undefined : damage
  }

  /** One more was found. */
  async add(): Promise<void> {
    const found = (this.current?.found ?? 0) + 1
    const value = encodeCbor({ found, last: Math.floor(this.#clock.wall()) })
    await this.#store.commit([{ kind: 'put', key: damageKey(), value }])
  }
}
