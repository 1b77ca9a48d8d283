// Lets go of shards that the map says others hold now, or nobody any more: into the trash, from where they come back if
// the map ascribes them to this node again. A while after the map said so: a shard may have been put here already that
// will be recorded only in a moment. What was missed while this node was down is found by scrub.
import { MINUTE_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { MapEvent, StripeMap } from '../data/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'

export const RELEASE_AFTER_MS: number = 2 * MINUTE_MS
/** More are left to scrub. */
const WAITING_MAX = 65_536

export interface ReleaseParts {
  readonly map: Pick<StripeMap, 'stripe'>
  readonly store: Pick<Store, 'shards' | 'commit'>
  readonly clock: Clock
  readonly self: PeerId
}

export class Releases {
  readonly #parts: ReleaseParts
  /** Stripes of which something here may be let go, in the order of time. */
  readonly #dueAt = new Map<StripeId, Instant>()
  /** Stripes of which the map ascribes something to this node that is not here. */
  readonly #wanted = new Set<StripeId>()

  constructor(parts: ReleaseParts) {
    this.#parts = parts
  }

  /** The map has changed. */
  changed(event: MapEvent): void {
    if (event.kind === 'condemned') return
    for (const stripe of event.kind === 'shards' ? [event.stripe] : event.stripes) {
      if (this.#dueAt.size + this.#wanted.size >= WAITING_MAX) return
      if (this.#missing(stripe).length > 0) this.#wanted.add(stripe)
      if (this.#needless(stripe).length === 0 || this.#dueAt.has(stripe)) continue
      this.#dueAt.set(stripe, (this.#parts.clock.now() + RELEASE_AFTER_MS) as Instant)
    }
  }

  /** Let go what is due, and take back what is this node's again. returns when the next is due. */
  async run(signal: AbortSignal): Promise<Instant | undefined> {
    const { store, clock } = this.#parts
    const now = clock.now()
    const due = [...this.#dueAt].filter(([, dueAt]) => dueAt <= now).map(([stripe]) => stripe)
    for (const stripe of due) {
      this.#dueAt.delete(stripe)
      for (const index of this.#needless(stripe)) store.shards.trash(stripe, index)
    }
    for (const stripe of this.#wanted) {
      signal.throwIfAborted()
      this.#wanted.delete(stripe)
      for (const index of this.#missing(stripe)) await store.shards.restore(stripe, index)
    }
    await store.commit([])
    return this.#dueAt.values().next().value
  }

  /** Shards here that are another's by now. */
  #needless(stripe: StripeId): number[] {
    const { map, store, self } = this.#parts
    const holders = map.stripe(stripe)?.holders
    return store.shards.indices(stripe).filter((index) => holders?.[index]?.includes(self) !== true)
  }

  /** Shards of this node that are not here. */
  #missing(stripe: StripeId): number[] {
    const { map, store, self } = this.#parts
    const held = store.shards.indices(stripe)
    const holders = map.stripe(stripe)?.holders ?? []
    return [...holders.keys()].filter(
      (index) => holders[index]?.includes(self) === true && !held.includes(index),
    )
  }
}
