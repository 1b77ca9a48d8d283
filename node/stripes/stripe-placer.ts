// Brings coded stripes onto peers and logs who holds them. What is logged has k shards or more
// durable on distinct peers, one of them not this node, unless it is of one shard: else a stripe
// that only this node holds would tell nobody anything.
import { asShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { currentSpan, ended, within } from '../traces/span.ts'
import { disperse, reachable, withGiven } from './shard-dispersal.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { CodedStripe } from '../../protocol/stripe/stripe.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { DisperseParts } from './shard-dispersal.ts'
import type { UnplacedChunk } from './placement-queue-keys.ts'
import type { Holding } from '../../protocol/op/op.ts'
import type { DedupCheck } from './dedup-check.ts'
import type { Holders } from '../shard-map/stripe-map.ts'
import type { PlacedCopies } from './placed-copies.ts'
import type { PlacementQueue } from './placement-queue.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** A peer that refused a shard is left alone so long. */
const AVOID_MS: number = 30 * SECOND_MS
/** Time for a connection to be made again that broke. */
const RECONNECT_MS: number = 1 * SECOND_MS

export interface StripePlacerParts extends DisperseParts {
  readonly placementQueue: PlacementQueue
  readonly dedupCheck: Pick<DedupCheck, 'verified' | 'noteTaken'>
  readonly clock: Clock
  readonly log: WriteLog
  /** This node has begun to hold a shard of the stripe. */
  readonly onKept: (stripe: StripeId) => void
  readonly placedCopies: Pick<PlacedCopies, 'add'>
}

/**
 * full: each shard has a holder. partial: enough to be read have. none: too few took one, or no
 * more than before.
 */
export type PlaceOutcome = 'full' | 'partial' | 'none'

export class StripePlacer {
  readonly #parts: StripePlacerParts
  /** Peers that refused a shard, and until when they are left alone. */
  readonly #avoided = new Map<PeerId, Instant>()

  constructor(parts: StripePlacerParts) {
    this.#parts = parts
  }

  /** Members that can be reached and have not just refused a shard, this node included. */
  get willingCount(): number {
    return reachable(this.#parts).filter(({ peer }) => !this.#isAvoided(peer)).length
  }

  /** Ask all peers again. */
  forgive(): void {
    this.#avoided.clear()
  }

  /**
   * Give shards to peers, and log it. `chunks`, which the stripe holds, are unmarked and the stripe
   * is marked if it lacks holders, durably together with the log's entry: whoever is said to hold
   * it already is given its shard again, and shows by that that it has it. Without chunks: complete
   * it, unless it is given up meanwhile.
   * throws what logging throws, and the signal's reason.
   */
  place(
    stripe: CodedStripe,
    chunks: readonly UnplacedChunk[],
    options: { signal: AbortSignal },
  ): Promise<PlaceOutcome> {
    const span =
      currentSpan()?.child('stripe.place') ?? this.#parts.tracer?.root('stripe.place', {})
    if (span === undefined) return this.#place(stripe, chunks, options)
    return ended(
      span,
      within(span, () => this.#place(stripe, chunks, options)),
    )
  }

  async #place(
    stripe: CodedStripe,
    chunks: readonly UnplacedChunk[],
    { signal }: { signal: AbortSignal },
  ): Promise<PlaceOutcome> {
    const { map, network } = this.#parts
    const known = this.#counted(stripe, chunks)
    const given = await this.#disperse(stripe, known, signal)
    // Others may have found holders meanwhile, or have given the stripe up.
    const now = map.stripe(stripe.id)
    if (chunks.length === 0 && now?.isCondemned !== false) {
      this.#dropOwn(stripe.id, given)
      this.#parts.placementQueue.removeStripe(stripe.id)
      return 'full'
    }
    const all = withGiven(this.#counted(stripe, chunks), given)
    const isReadable =
      countHeld(all) >= stripe.header.k &&
      (all.length === 1 || all.flat().some((peer) => peer !== network.self))
    const isNews = chunks.length > 0 || given.length > 0
    if (isReadable && isNews) return this.#record(stripe, { all, given }, chunks)
    this.#dropOwn(stripe.id, given)
    return 'none'
  }

  /** As disperse(); a peer whose connection broke meanwhile is asked once more. */
  async #disperse(
    stripe: CodedStripe,
    held: Holders,
    signal: AbortSignal,
  ): Promise<readonly Holding[]> {
    const { log, clock } = this.#parts
    const lost = new Set<PeerId>()
    const once = (holders: Holders): Promise<readonly Holding[]> =>
      disperse(this.#parts, stripe, holders, {
        isAvoided: (peer) => this.#isAvoided(peer),
        onRefused: (peer, error) => {
          const { code, message } = asShoalError(error)
          log('transfer.shard-not-taken', { peer, stripe: stripe.id, code, message })
          if (code !== 'unreachable' || lost.has(peer))
            this.#avoided.set(peer, (clock.now() + AVOID_MS) as Instant)
          else lost.add(peer)
        },
        signal,
      })
    const first = await once(held)
    const all = withGiven(held, first)
    if (lost.size === 0 || countHeld(all) === all.length) return first
    await clock.sleep(RECONNECT_MS, { signal })
    return [...first, ...(await once(all))]
  }

  /** The holders of a stripe that count: nobody, while its chunks are here still. */
  #counted({ id, header }: CodedStripe, chunks: readonly UnplacedChunk[]): Holders {
    const nobody = header.shardRoots.map(() => [])
    return chunks.length > 0 ? nobody : (this.#parts.map.stripe(id)?.holders ?? nobody)
  }

  async #record(
    { id, headerBytes }: CodedStripe,
    { all, given }: { readonly all: Holders; readonly given: readonly Holding[] },
    chunks: readonly UnplacedChunk[],
  ): Promise<PlaceOutcome> {
    const { map, network, placementQueue, dedupCheck, onKept, placedCopies } = this.#parts
    const isFull = countHeld(all) === all.length
    if (chunks.length > 0) placedCopies.add(id)
    placementQueue.remove(chunks)
    if (isFull) placementQueue.removeStripe(id)
    else placementQueue.addStripe(id)
    dedupCheck.verified.add(id)
    const known = map.stripe(id)
    const changes = given.map((holding) => ({ ...holding, isHeld: true }))
    try {
      if (known === undefined || known.isCondemned) await map.recordStripe(headerBytes, given)
      else await map.recordShards(id, changes)
    } catch (error) {
      placementQueue.restore(chunks)
      placementQueue.addStripe(id)
      throw error
    }
    dedupCheck.noteTaken(id, given.length)
    if (given.some(({ peer }) => peer === network.self)) onKept(id)
    return isFull ? 'full' : 'partial'
  }

  /**
   * Let go of shards that were kept here for nothing; should the map ascribe them to this node,
   * they come back.
   */
  #dropOwn(id: StripeId, given: readonly Holding[]): void {
    const { network, store } = this.#parts
    for (const { index, peer } of given) if (peer === network.self) store.shards.trash(id, index)
  }

  #isAvoided(peer: PeerId): boolean {
    return (this.#avoided.get(peer) ?? 0) > this.#parts.clock.now()
  }
}

/** Shards that someone holds. */
function countHeld(holders: Holders): number {
  return holders.filter((peers) => peers.length > 0).length
}
