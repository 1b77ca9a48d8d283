// Drops the shards and copies of stripes that a tier holds: each holder drops its own shards above
// the floor of the volume (its setting `keep`), and copies of chunks in this node's own store go.
// Only where the log is stable up to the word that the tier holds the stripe: nobody can come and
// say that this word counts for nothing. And only when the tier has shown this node a chunk of it,
// as it should be; or, where this node cannot ask it, a while after, which others who can have for
// saying that it is not so.
import { LRUCache } from 'lru-cache'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import { HLC_ZERO, hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { SWEPT_KEPT_MS } from '../../protocol/limits.ts'
import { enforces } from '../../protocol/trust.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import type { ShardChange } from '../../protocol/op/op.ts'
import type { ColdReader } from '../stripes/cold-reader.ts'
import type { ColdCopy, GroupId, MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Random } from '../world/world.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/** A tier that did not show what it holds, since it was out of reach, is asked again after this. */
const ASK_AGAIN_MS: number = HOUR_MS
/** One that showed something else: it may have been one bad read, and to ask costs one. */
const DOUBT_AGAIN_MS: number = 6 * HOUR_MS
/** Copies that were told of as false, so as not to tell of them each time. */
const TOLD_MAX = 4096
/** Stripes looked at before others have their turn. */
const PACE = 64

export interface DemotionParts {
  readonly map: Pick<StripeMap, 'groups' | 'stripesOf' | 'stripe' | 'recordShards'>
  readonly store: Pick<Store, 'chunks' | 'commit' | 'usage'>
  readonly clock: Clock
  readonly random: Pick<Random, 'number' | 'unlucky'>
  readonly self: PeerId
  readonly cold: Pick<ColdReader, 'shows'>
  /** Up to where the log is stable. */
  readonly stable: () => Hlc
  /** Is a chunk in this node's store wanted there? */
  readonly isNeededHere: (chunk: ChunkId) => boolean
  /** A tier does not hold a stripe as it is said to: told once. */
  readonly onFalse: (stripe: StripeId, copy: ColdCopy) => void
}

/** A group of which nothing is left to be done until then, or until it has other facts. */
interface Settled {
  readonly facts: string
  readonly untilMs: number
}

/** A group of which something may go. */
interface Candidate {
  readonly id: GroupId
  /** Does this node hold shards above the floor? */
  readonly gives: boolean
  readonly count: number
}

export class Demotion {
  readonly #parts: DemotionParts
  #settled: ReadonlyMap<GroupId, Settled> = new Map()
  /** By stripe and pack. */
  readonly #told = new LRUCache<string, true>({ max: TOLD_MAX })

  constructor(parts: DemotionParts) {
    this.#parts = parts
  }

  /**
   * returns the clock up to which the log has to be stable before more can go; undefined: nothing
   * waits for that.
   */
  async run(signal: AbortSignal): Promise<Hlc | undefined> {
    const { store, clock } = this.#parts
    const settled = new Map<GroupId, Settled>()
    /** The facts of what was left in each, which the next run need not look at. */
    const left = new Map<GroupId, string>()
    let awaited: Hlc | undefined
    for (const group of this.#candidates()) {
      const { id, gives } = group
      const known = this.#settled.get(id)
      if (known?.facts === factsOf(group) && clock.wall() < known.untilMs) {
        settled.set(id, known)
        left.set(id, known.facts)
        continue
      }
      const found = await this.#settle(id, gives, signal)
      const facts = factsOf({ gives, count: found.count })
      left.set(id, facts)
      if (found.awaited === undefined) settled.set(id, { facts, untilMs: found.untilMs })
      else awaited = earlier(awaited, found.awaited)
    }
    await store.commit([])
    this.#settled = settled
    // Of what others gave up meanwhile the rest is in other groups now.
    const isMissed = this.#candidates().some((group) => left.get(group.id) !== factsOf(group))
    return isMissed ? HLC_ZERO : awaited
  }

  #candidates(): Candidate[] {
    const { map, store, self } = this.#parts
    const hasCopies = store.usage().chunkBytes > 0
    return map.groups().flatMap(({ id, tiers, isCondemned, holders, floor = Infinity, count }) => {
      const gives = holders.filter(isHeld).length > floor && holders.flat().includes(self)
      const isDone = tiers.length === 0 || isCondemned || !(gives || hasCopies)
      return isDone ? [] : [{ id, gives, count }]
    })
  }

  /** count: of the stripes that are left in the group. */
  async #settle(
    group: GroupId,
    gives: boolean,
    signal: AbortSignal,
  ): Promise<{
    readonly awaited: Hlc | undefined
    readonly untilMs: number
    readonly count: number
  }> {
    const { map, store, clock, random } = this.#parts
    let awaited: Hlc | undefined
    let untilMs = clock.wall() + DOUBT_AGAIN_MS
    let count = 0
    const stable = this.#parts.stable()
    let steps = 0
    for await (const id of map.stripesOf(group)) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      if (stripe === undefined || stripe.isCondemned || stripe.cold.length === 0) continue
      count++
      const copies = stripe.header.chunks.filter((chunk) => this.#isCopy(chunk.id))
      const surplus = gives ? this.#surplusOf(stripe) : []
      if (copies.length + surplus.length === 0) continue
      const said = stripe.cold.filter(
        ({ since }) => since <= stable || isPlanted('demoted-before-stable'),
      )
      if (said.length === 0) {
        for (const { since } of stripe.cold) awaited = earlier(awaited, since)
        continue
      }
      const atMs = await this.#safeAt(id, stripe, said, signal)
      if (atMs > clock.wall()) {
        const againMs = atMs < Infinity ? ASK_AGAIN_MS : DOUBT_AGAIN_MS
        untilMs = Math.min(untilMs, atMs, clock.wall() + againMs)
        continue
      }
      for (const chunk of copies) if (this.#isCopy(chunk.id)) store.chunks.delete(chunk.id)
      if (surplus.length > 0) {
        await map.recordShards(id, surplus)
        count--
      }
      if (random.unlucky('cold.demotion-stops')) return { awaited: HLC_ZERO, untilMs, count }
    }
    return { awaited, untilMs, count }
  }

  /**
   * When what is here may go: now, if a tier shows that it holds the stripe; Infinity, if each
   * shows that it does not.
   */
  async #safeAt(
    id: StripeId,
    { header }: MappedStripe,
    said: readonly ColdCopy[],
    signal: AbortSignal,
  ): Promise<number> {
    const { cold, random } = this.#parts
    if (!enforces('cold-shown')) return 0
    const index = Math.floor(random.number() * header.chunks.length)
    let atMs = Infinity
    for (const copy of said) {
      const found = await cold.shows(header, copy, index, signal)
      if (found === 'shown') return 0
      if (found === 'not') this.#tell(id, copy)
      else atMs = Math.min(atMs, hlcMillis(copy.since) + SWEPT_KEPT_MS)
    }
    return atMs
  }

  #tell(id: StripeId, copy: ColdCopy): void {
    const what = `${id} ${copy.pack}`
    if (this.#told.has(what)) return
    this.#told.set(what, true)
    this.#parts.onFalse(id, copy)
  }

  #isCopy(chunk: ChunkId): boolean {
    const { store, isNeededHere } = this.#parts
    return store.chunks.has(chunk) && !isNeededHere(chunk)
  }

  /** This node's shards above the floor: data shards stay, since they are read without decoding. */
  #surplusOf({ holders, floor = Infinity }: MappedStripe): ShardChange[] {
    const { self: peer } = this.#parts
    const held = [...holders.keys()].filter((index) => isHeld(holders[index] ?? []))
    return held
      .slice(
        isPlanted('all-shards-given-up') && floor < Infinity ? 0 : Math.min(held.length, floor),
      )
      .filter((index) => holders[index]?.includes(peer) === true)
      .map((index) => ({ index, peer, isHeld: false }))
  }
}

function factsOf({ gives, count }: Pick<Candidate, 'gives' | 'count'>): string {
  return `${count} ${gives}`
}

function earlier(known: Hlc | undefined, other: Hlc): Hlc {
  return known === undefined || other < known ? other : known
}

function isHeld(peers: readonly PeerId[]): boolean {
  return peers.length > 0
}
