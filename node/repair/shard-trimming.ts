// Lets go of shards that the map does not ascribe to this node, since it said itself that it holds
// them no more, or nobody logged that it took them: into the trash, from where they come back if
// the map ascribes them to this node again. Of what the map says that nobody holds, and is whole
// here, the map is told; unless a cold tier holds it, and enough others do. Both a while after the
// map said so: a shard may have been put here already that will be recorded only in a moment. The
// map is told at once of what it ascribes to this node and is nowhere here. What was missed while
// this node was down is found by scrub. Stripes that are swept are for swept-stripes.ts.
import { asShoalError } from '../../protocol/errors.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { Instant } from '../../protocol/units.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { MapEvent, MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'

export const RELEASE_AFTER_MS: number = 2 * MINUTE_MS
/** More are left to scrub. */
const WAITING_MAX = 65_536

export interface ShardTrimmingParts {
  readonly map: Pick<StripeMap, 'stripe' | 'recordShards' | 'mayStore'>
  readonly store: Pick<Store, 'shards' | 'orphans' | 'commit'>
  readonly clock: Clock
  readonly self: PeerId
  readonly log: WriteLog
}

export class ShardTrimming {
  readonly #parts: ShardTrimmingParts
  /**
   * Stripes of which something is here that the map does not ascribe to this node, in the order of
   * time.
   */
  readonly #dueAt = new Map<StripeId, Instant>()
  /** Stripes of which the map ascribes something to this node that is not here. */
  readonly #wanted = new Set<StripeId>()
  /** Stripes of which a peer put something here before the map ascribed it to this node. */
  readonly #owed = new Set<StripeId>()

  constructor(parts: ShardTrimmingParts) {
    this.#parts = parts
  }

  /** The map has changed. */
  changed(event: MapEvent): void {
    if (event.kind !== 'shards' || this.#dueAt.size + this.#wanted.size >= WAITING_MAX) return
    const { stripe } = event
    if (this.#missing(stripe).length > 0) this.#wanted.add(stripe)
    for (const index of this.#parts.store.shards.indices(stripe))
      if (this.#parts.store.orphans.isOwed({ stripe, index })) this.#owed.add(stripe)
    if (this.#unassigned(stripe).length === 0 || this.#dueAt.has(stripe)) return
    this.#dueAt.set(stripe, (this.#parts.clock.now() + RELEASE_AFTER_MS) as Instant)
  }

  /**
   * Let go or claim what is due, and take back what is this node's again. returns when the next is
   * due.
   */
  async run(signal: AbortSignal): Promise<Instant | undefined> {
    const { store, clock } = this.#parts
    const now = clock.now()
    const due = [...this.#dueAt].filter(([, dueAt]) => dueAt <= now).map(([stripe]) => stripe)
    const isIdle = due.length + this.#wanted.size === 0
    for (const stripe of due) {
      signal.throwIfAborted()
      this.#dueAt.delete(stripe)
      await this.#settle(stripe)
    }
    for (const stripe of this.#owed) {
      this.#owed.delete(stripe)
      await this.#settleDebts(stripe)
    }
    for (const stripe of this.#wanted) {
      signal.throwIfAborted()
      this.#wanted.delete(stripe)
      await this.#takeBack(stripe)
    }
    if (!isIdle) await store.commit([])
    return this.#dueAt.values().next().value
  }

  async #settle(stripe: StripeId): Promise<void> {
    const { map, store, self } = this.#parts
    const known = map.stripe(stripe)
    const claimed: ShardChange[] = []
    for (const index of this.#unassigned(stripe)) {
      const isVacant = known?.holders[index]?.length === 0 && lacksShards(known)
      if (!isVacant || !map.mayStore(self)) store.shards.trash(stripe, index)
      else if ((await store.shards.verify(stripe, index)) === 'whole')
        claimed.push({ index, peer: self, isHeld: true })
    }
    await this.#record(stripe, claimed)
  }

  async #settleDebts(stripe: StripeId): Promise<void> {
    const { store } = this.#parts
    const unassigned = this.#unassigned(stripe)
    for (const index of store.shards.indices(stripe))
      if (!unassigned.includes(index)) await store.orphans.forget({ stripe, index })
  }

  async #takeBack(stripe: StripeId): Promise<void> {
    const { map, store, self } = this.#parts
    const absent: ShardChange[] = []
    for (const index of this.#missing(stripe))
      if (!(await store.shards.restore(stripe, index)))
        absent.push({ index, peer: self, isHeld: false })
    if (map.mayStore(self)) await this.#record(stripe, absent)
  }

  async #record(stripe: StripeId, changes: readonly ShardChange[]): Promise<void> {
    const { map, log } = this.#parts
    if (changes.length === 0) return
    try {
      await map.recordShards(stripe, changes)
    } catch (error) {
      const { code, message } = asShoalError(error)
      log('trim.not-recorded', { stripe, code, message })
    }
  }

  /** Shards here that the map does not ascribe to this node. */
  #unassigned(stripe: StripeId): number[] {
    const { map, store, self } = this.#parts
    const holders = map.stripe(stripe)?.holders
    return store.shards.indices(stripe).filter((index) => holders?.[index]?.includes(self) !== true)
  }

  /** Shards of this node that are not here. */
  #missing(stripe: StripeId): number[] {
    const { map, store, self } = this.#parts
    const held = store.shards.indices(stripe)
    const { holders = [], isSwept = false } = map.stripe(stripe) ?? {}
    if (isSwept) return []
    return [...holders.keys()].filter(
      (index) => holders[index]?.includes(self) === true && !held.includes(index),
    )
  }
}

/** Are fewer held than are to be with peers? Of what lies in a cold tier that is not all. */
export function lacksShards({ holders, floor = Infinity }: MappedStripe): boolean {
  return holders.filter((peers) => peers.length > 0).length < floor
}
