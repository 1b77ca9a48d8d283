// Handles swept stripes, of which somebody said that nobody needs them. A sweep is a word, and
// takes nothing: who can read looks itself whether a file needs a chunk of the stripe that surely
// lies nowhere else, and who finds one says that the stripe is in use, whatever anybody said
// before. What this node holds of it goes to the trash
//   when the log is stable up to the `condemn`, so that all who may need it have heard, and a look
//     begun after that found nothing that needs it, or that all lies surely elsewhere
//   or, for who cannot read, and where it is not known whether a stripe that lists the chunks is
//     true, a while after: long enough for others to look. The first two in rank that can read look
//     through such a stripe, whoever recorded it.
import { hlcMillis } from '../../protocol/clock/hlc.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, NodeId, PeerId, StripeId } from '../../protocol/ids.ts'
import { SWEPT_KEPT_MS } from '../../protocol/limits.ts'
import { rankForGroup } from '../../protocol/placement/plan.ts'
import { placementGroup } from '../../protocol/placement/placement-group.ts'
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { MapEvent, MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { Store } from '../store/store.ts'
import type { Clock } from '../world/world.ts'

/** To look at all files takes a while: not sooner again, whatever is swept meanwhile. */
const LOOK_EVERY_MS: number = 10 * MINUTE_MS
/** Chunks that are looked for at a time. */
const CHUNKS_MAX = 131_072
/** Stripes remembered as done with. */
const DONE_MAX = 65_536
/**
 * Number of nodes that look through a stripe that lists the chunks of a swept one: two, of which
 * one may be the liar.
 */
const LOOKERS = 2

/** The log's facts about sweeps and roles. */
export interface SweepsLog {
  /** Up to where it is stable now. */
  readonly stable: () => Hlc
  /**
   * The clock of the `condemn` that the sweep of a stripe goes on from; undefined if it is not
   * condemned.
   */
  readonly condemnedAt: (id: StripeId) => Hlc | undefined
  /** The author and time of a sweep; undefined if the stripe is not swept. */
  readonly sweptBy: (
    id: StripeId,
  ) => { readonly peer: PeerId | undefined; readonly at: Hlc } | undefined
  readonly mayRead: (peer: PeerId) => boolean
  readonly mayWrite: (peer: PeerId) => boolean
  /** Is it the one whose turn it is to sweep? */
  readonly isElected: (peer: PeerId | undefined) => boolean
  /** How long what the elected one swept is kept by who cannot tell whether it is needed. */
  readonly keptMs: () => number
}

export interface SweptStripesParts {
  readonly map: StripeMap
  readonly log: SweepsLog
  readonly self: PeerId
  readonly store: Pick<Store, 'shards' | 'commit'>
  readonly dedupCheck: DedupCheck
  readonly clock: Clock
  /** Those of these chunks that a file or an open file reaches, and the file if it has a name. */
  readonly references: (
    wanted: ReadonlySet<ChunkId>,
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<ChunkId, NodeId | undefined>>
  /** Does a write that is under way need a chunk? */
  readonly isTouched: (chunk: ChunkId) => boolean
  /** A stripe that is needed was swept; the file, if it has a name. */
  readonly onLive: (id: StripeId, by: PeerId | undefined, file: NodeId | undefined) => void
}

interface Swept {
  readonly id: StripeId
  readonly stripe: MappedStripe
}

export class SweptStripes {
  readonly #parts: SweptStripesParts
  /** Something was swept since the last look, by somebody else. */
  #hasNews = true
  #lookedAt: Instant | undefined
  /**
   * When something that waits may go, by the wall clock, and up to where the log must be stable for
   * it.
   */
  #nextMs: number | undefined
  #awaited: Hlc | undefined
  /** Found needless, and nothing of them is here. */
  readonly #done = new Set<StripeId>()

  constructor(parts: SweptStripesParts) {
    this.#parts = parts
  }

  /** The map has changed. returns whether it is to be looked at. */
  changed(event: MapEvent): boolean {
    if (event.kind !== 'swept' || event.stripes.length === 0) return false
    for (const id of event.stripes) this.#done.delete(id)
    this.#hasNews = true
    return true
  }

  isDue(): boolean {
    const { clock, log } = this.#parts
    const isRested = this.#lookedAt === undefined || clock.now() - this.#lookedAt >= LOOK_EVERY_MS
    if (!isRested) return false
    const isTime = this.#nextMs !== undefined && clock.wall() >= this.#nextMs
    return this.#hasNews || isTime || (this.#awaited !== undefined && this.#awaited <= log.stable())
  }

  /** Look at what is swept. throws what references() throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, self } = this.#parts
    this.#hasNews = false
    this.#nextMs = undefined
    this.#awaited = undefined
    const stableBefore = log.stable()
    try {
      for await (const some of this.#batches(signal)) {
        if (log.mayRead(self)) await this.#look(some, stableBefore, signal)
        else for (const one of some) this.#releaseLater(one, stableBefore)
      }
      await this.#parts.store.commit([])
    } catch (error) {
      this.#hasNews = true
      throw error
    } finally {
      this.#lookedAt = clock.now()
    }
  }

  /** Let go of what is here of a stripe, durably with the store's next commit. */
  release(id: StripeId): void {
    const { store, dedupCheck } = this.#parts
    for (const index of store.shards.indices(id)) store.shards.trash(id, index)
    dedupCheck.verified.forget(id)
  }

  /** Those that are swept and that this node has something of, or may object to. */
  async *#batches(signal: AbortSignal): AsyncGenerator<readonly Swept[], void, undefined> {
    const { map } = this.#parts
    let some: Swept[] = []
    let chunks = 0
    for (const group of map.groups().filter(({ isSwept }) => isSwept)) {
      for await (const id of map.stripesOf(group.id)) {
        signal.throwIfAborted()
        const stripe = map.stripe(id)
        if (stripe?.isSwept !== true || this.#isDone(id)) continue
        some.push({ id, stripe })
        chunks += stripe.header.chunks.length
        if (chunks < CHUNKS_MAX) continue
        yield some
        some = []
        chunks = 0
      }
    }
    if (some.length > 0) yield some
  }

  /** Nothing of it is here, and it was looked at, or there was time enough for that. */
  #isDone(id: StripeId): boolean {
    if (this.#parts.store.shards.indices(id).length > 0) return false
    return this.#done.has(id) || this.#ageMs(id) >= SWEPT_KEPT_MS
  }

  async #look(some: readonly Swept[], stable: Hlc, signal: AbortSignal): Promise<void> {
    const { references, isTouched } = this.#parts
    const wanted = new Set(some.flatMap(({ stripe }) => stripe.header.chunks.map(({ id }) => id)))
    const found = await references(wanted, signal)
    for (const one of some) {
      const needed = one.stripe.header.chunks
        .map(({ id }) => id)
        .filter((chunk) => found.has(chunk) || isTouched(chunk))
      const state = await this.#stateOf(one, needed, signal)
      if (state === 'needed') await this.#object(one, needed, found)
      else if (state === 'unknown') this.#releaseLater(one, stable)
      else this.#releaseOnce(one.id, stable)
    }
  }

  #releaseOnce(id: StripeId, stable: Hlc): void {
    const condemnedAt = this.#parts.log.condemnedAt(id)
    // Somebody said while this node looked that it is in use.
    if (condemnedAt === undefined || this.#parts.map.stripe(id)?.isSwept !== true) return
    if (condemnedAt > stable && enforces('sweep-confirmed')) {
      if (this.#awaited === undefined || condemnedAt < this.#awaited) this.#awaited = condemnedAt
      return
    }
    this.release(id)
    if (this.#done.size >= DONE_MAX) this.#done.clear()
    this.#done.add(id)
  }

  /**
   * Is it needed for one of these chunks, which live? Unknown: stripes list them that nobody here
   * has looked through.
   */
  async #stateOf(
    { id }: Swept,
    needed: readonly ChunkId[],
    signal: AbortSignal,
  ): Promise<'needed' | 'unknown' | 'needless'> {
    const { dedupCheck } = this.#parts
    let isUnknown = false
    for (const chunk of needed) {
      if ((await dedupCheck.look(chunk, 'any', { signal })) !== undefined) continue
      const others = dedupCheck.unverified(chunk, 'any')
      if (others.length === 0) return 'needed'
      const isLooker = this.#isLooker(id)
      const found = isLooker
        ? await dedupCheck.look(chunk, 'any', { others: 'verified', signal })
        : undefined
      if (found !== undefined) continue
      if (isLooker && dedupCheck.unverified(chunk, 'any').length === 0) return 'needed'
      isUnknown = true
    }
    return isUnknown ? 'unknown' : 'needless'
  }

  async #object(
    { id, stripe }: Swept,
    needed: readonly ChunkId[],
    found: ReadonlyMap<ChunkId, NodeId | undefined>,
  ): Promise<void> {
    const { map, log, self, onLive } = this.#parts
    const [file] = needed.flatMap((chunk) => found.get(chunk) ?? [])
    onLive(id, log.sweptBy(id)?.peer, file)
    if (log.mayWrite(self)) await map.recordStripe(stripe.headerBytes, [])
  }

  /** Drops a stripe that cannot be examined here after those who can have had their time. */
  #releaseLater({ id }: Swept, stable: Hlc): void {
    const { log, clock } = this.#parts
    const isElected = log.isElected(log.sweptBy(id)?.peer)
    const waitMs = isElected ? log.keptMs() : SWEPT_KEPT_MS
    const leftMs = enforces('sweep-confirmed') ? waitMs - this.#ageMs(id) : 0
    if (leftMs <= 0) return this.#releaseOnce(id, stable)
    this.#nextMs = Math.min(clock.wall() + leftMs, this.#nextMs ?? Infinity)
  }

  /** For how long it has been swept. */
  #ageMs(id: StripeId): number {
    const { log, clock } = this.#parts
    const swept = log.sweptBy(id)
    return swept === undefined ? 0 : clock.wall() - hlcMillis(swept.at)
  }

  #isLooker(id: StripeId): boolean {
    const { log, map, self } = this.#parts
    const by = log.sweptBy(id)?.peer
    const readers = rankForGroup(placementGroup(id), map.candidates())
      .map(({ peer }) => peer)
      .filter((peer) => peer !== by && log.mayRead(peer))
    const place = readers.indexOf(self)
    return place >= 0 && place < LOOKERS
  }
}
