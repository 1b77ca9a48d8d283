// Gives up the stripes of a volume that nobody needs (docs/decisions/0008), by what a survey found,
// in two steps:
//   condemned: nobody references chunks by way of the stripe any more; who is about to, objects
//     (resurrection.ts)
//   swept: once all who may write are known to have the `condemn`, and a survey begun after that
//     confirms it
// A stripe is needed for a chunk that lives in its class, unless the chunk surely lies in another
// of that class (stripes/dedup-check.ts) whose shards all are with peers that are not gone, and for
// one that lives in another class and lies in no stripe of that. Of stripes of which little is
// needed, or that are small, what is needed is packed anew with that of others, and then they are
// condemned.
//
// No chunk that lives is swept: who made it live without having the `condemn` said so in an entry
// that is here before the last survey begins, and who had it wrote the chunk anew, or had objected.
// After the two-step fossil collection of Duplicacy (Chen, "Lock-free deduplication", 2017), with
// causal stability in place of the age of backups.
import { asShoalError } from '../../protocol/errors.ts'
import { mayGiveUp } from '../../protocol/roles.ts'
import { enforces } from '../../protocol/trust.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { InFlightReferences } from '../content/in-flight-references.ts'
import { laggingBehind, stableHlc, waitedFor } from '../log/stability.ts'
import type { Volume } from '../log/volume.ts'
import type { Liveness } from '../peers/detector.ts'
import { slicesOf } from '../world/paging.ts'
import type { Clock } from '../world/world.ts'
import type { Repacker } from './repacking.ts'
import { RepackCandidates, classText, isSameClass } from './repack-candidates.ts'
import type { Batch, ClassOf, Need } from './repack-candidates.ts'
import type { LiveChunks } from './mark.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** Why a failure to verify a stripe is ignored. */
const UNVERIFIED = 'a stripe that cannot be verified is not relied on'
/** Stripes looked at before others have their turn. */
const PACE = 16
/**
 * Stripes that one op condemns: each node that hears of it looks through all their chunks before it
 * does anything else.
 */
const CONDEMNED_AT_ONCE = 64

export interface CollectorParts {
  readonly volume: Volume
  readonly map: StripeMap
  readonly inFlight: Pick<InFlightReferences, 'has'>
  readonly packAnew: Pick<Repacker, 'place'>
  readonly dedupCheck: DedupCheck
  readonly livenessOf: (peer: PeerId) => Liveness
  readonly clock: Clock
  /** Let go of what this node holds of stripes that nobody needs. */
  readonly release: (stripes: readonly StripeId[]) => Promise<void>
  readonly log: WriteLog
}

/** The result for stripes; bytes are of all their shards. */
export interface Collected {
  readonly condemned: number
  readonly repacked: number
  readonly swept: number
  readonly sweptBytes: number
}

export class Collector {
  readonly #parts: CollectorParts

  constructor(parts: CollectorParts) {
    this.#parts = parts
  }

  /**
   * The senior of the writers that are waited for collects: without the word of each of them no
   * stripe goes anyway.
   */
  isMyTurn(): boolean {
    const { volume, clock } = this.#parts
    return electedCollector(volume, clock) === volume.identity.peer
  }

  /**
   * The peers that must confirm that they have all that this node has, before condemned stripes can
   * go.
   */
  waitingFor(): readonly PeerId[] {
    return laggingBehind(this.#parts.volume, this.#parts.clock)
  }

  /** Up to where the log is stable now: settle() takes it from before the survey. */
  stable(): Hlc {
    return stableHlc(this.#parts.volume, this.#parts.clock)
  }

  /** Condemned stripes, those that can be settled now and others. */
  async condemned(): Promise<{ readonly ready: number; readonly waiting: number }> {
    const stable = this.stable()
    const ids = await this.#condemned()
    const ready = ids.filter((id) => this.#isStable(id, stable)).length
    return { ready, waiting: ids.length - ready }
  }

  /** Sweep the stripes condemned up to `stable` that nobody needs, and use the others again. */
  async settle(
    live: LiveChunks,
    stable: Hlc,
    { onStripe }: { onStripe?: () => void },
    signal: AbortSignal,
  ): Promise<Pick<Collected, 'swept' | 'sweptBytes'>> {
    const { map, log } = this.#parts
    const dead: StripeId[] = []
    let sweptBytes = 0
    for await (const [id, stripe] of this.#each(await this.#condemned(), signal)) {
      onStripe?.()
      if (!this.#isStable(id, stable)) continue
      const needs = await this.#needs(id, stripe, live, signal)
      if (needs.length === 0 || isPlanted('swept-unseen')) {
        dead.push(id)
        sweptBytes += sizeOf(stripe)
      } else {
        log('gc.condemned-needed', { stripe: id })
        await map.recordStripe(stripe.headerBytes, [])
      }
    }
    if (dead.length > 0) await map.sweep(dead)
    // Another member may have said meanwhile that some are in use.
    await this.#parts.release(dead.filter((id) => map.stripe(id)?.isSwept === true))
    return { swept: dead.length, sweptBytes }
  }

  /**
   * Condemn what nobody needs, of at most so many bytes of shards, and what can be packed anew now.
   */
  async condemn(
    live: LiveChunks,
    { bytesMax, onStripe }: { bytesMax: number; onStripe?: () => void },
    signal: AbortSignal,
  ): Promise<Pick<Collected, 'condemned' | 'repacked'>> {
    const { map } = this.#parts
    const dead: StripeId[] = []
    const repacking = new RepackCandidates()
    let repacked = 0
    let bytesLeft = bytesMax
    for await (const [id, stripe] of this.#each(map.stripes(), signal)) {
      onStripe?.()
      if (stripe.isCondemned) continue
      const needs = await this.#needs(id, stripe, live, signal)
      if (needs.length > 0) {
        // It would have to be fetched from the tier, and put there anew.
        if (stripe.cold.length > 0) continue
        const batch = repacking.add(id, stripe, needs)
        if (batch !== undefined) repacked += await this.#repack(batch, signal)
      } else if (sizeOf(stripe) <= bytesLeft) {
        bytesLeft -= sizeOf(stripe)
        dead.push(id)
      }
    }
    for (const batch of repacking.rest()) repacked += await this.#repack(batch, signal)
    for (const some of slicesOf(dead, CONDEMNED_AT_ONCE)) await map.condemn(some)
    return { condemned: dead.length, repacked }
  }

  /** returns how many stripes are condemned for it. */
  async #repack({ packs, retires }: Batch, signal: AbortSignal): Promise<number> {
    const { map, packAnew, log } = this.#parts
    const made = new Set<StripeId>()
    try {
      for (const same of Map.groupBy(packs, ({ class: cls }) => classText(cls)).values())
        made.add(await packAnew.place(same, same[0]?.class, signal))
    } catch (error) {
      signal.throwIfAborted()
      const { code, message } = asShoalError(error)
      log('gc.repack-failed', { code, message, count: retires.length })
      return 0
    }
    const old = retires.filter((id) => !made.has(id))
    if (old.length > 0) await map.condemn(old)
    return old.length
  }

  /** The references for which a stripe must stay. */
  async #needs(
    id: StripeId,
    stripe: MappedStripe,
    live: LiveChunks,
    signal: AbortSignal,
  ): Promise<Need[]> {
    const { inFlight } = this.#parts
    const needs: Need[] = []
    for (const { id: chunk, length } of stripe.header.chunks) {
      const classes = live.classesOf(chunk)
      if (inFlight.has(chunk)) classes.push(stripe.class)
      for (const cls of distinct(classes))
        if (!(await this.#isElsewhere(chunk, cls, id, signal)))
          needs.push({ id: chunk, length, class: cls })
    }
    return needs
  }

  /**
   * Whether another stripe with the chunk is the needed one: of several that surely have it, only
   * the least is, the same on every node. Of a stripe of which nobody holds anything, another of
   * which a cold tier shows the chunk takes the place: as one that was away may have said of a
   * swept one.
   */
  async #isElsewhere(
    chunk: ChunkId,
    cls: ClassOf,
    id: StripeId,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { map, dedupCheck, livenessOf } = this.#parts
    const isEmpty = holdsNothing(map.stripe(id))
    const isCold = (other: StripeId): boolean =>
      isEmpty && (map.stripe(other)?.cold.length ?? 0) > 0
    const isWhole = (other: StripeId): boolean =>
      map
        .stripe(other)
        ?.holders.every((peers) => peers.some((peer) => livenessOf(peer) !== 'gone')) === true
    const others = map
      .locations(chunk)
      .filter((one) => one.stripe !== id && !one.isCondemned && one.class === classText(cls))
      .filter(({ stripe }) => isWhole(stripe) || isCold(stripe))
    if (others.length === 0) return false
    const isRight = map.stripe(id)?.isCondemned === false && isSameClass(map.stripe(id)?.class, cls)
    for (const { stripe: other } of others) {
      const verified = dedupCheck.verified.verify(other, signal)
      const isTrue = await ignoreFailure(verified, UNVERIFIED)
      signal.throwIfAborted()
      if (!isTrue) continue
      const isThere = isWhole(other)
        ? await dedupCheck.isAlive(other, signal)
        : await dedupCheck.tierShows(other, chunk, signal)
      if (!isThere) continue
      // This one may be false, or lost: then the other is needed, whichever is the least.
      if (!isRight || other < id || !(await this.#isSound(id, signal))) return true
    }
    return false
  }

  async #isSound(id: StripeId, signal: AbortSignal): Promise<boolean> {
    const { verified } = this.#parts.dedupCheck
    const isTrue = await ignoreFailure(verified.verify(id, signal), UNVERIFIED)
    signal.throwIfAborted()
    return isTrue === true && this.#parts.dedupCheck.isAlive(id, signal)
  }

  #isStable(id: StripeId, stable: Hlc): boolean {
    if (!enforces('sweep-confirmed')) return true
    const condemnedAt = this.#parts.volume.stripes.condemnedAt(id)
    return condemnedAt !== undefined && condemnedAt <= stable
  }

  async #condemned(): Promise<StripeId[]> {
    const { map } = this.#parts
    const groups = map.groups().filter(({ isCondemned, isSwept }) => isCondemned && !isSwept)
    const ids: StripeId[] = []
    for (const group of groups) for await (const id of map.stripesOf(group.id)) ids.push(id)
    return ids
  }

  async *#each(
    ids: Iterable<StripeId> | AsyncIterable<StripeId>,
    signal: AbortSignal,
  ): AsyncGenerator<readonly [StripeId, MappedStripe], void, undefined> {
    const { map, clock } = this.#parts
    let steps = 0
    for await (const id of ids) {
      signal.throwIfAborted()
      if (++steps % PACE === 0) await clock.sleep(1, { signal })
      const stripe = map.stripe(id)
      if (stripe !== undefined) yield [id, stripe]
    }
  }
}

/**
 * The one, of this node and the writers that are waited for, that has its role for longest: nobody
 * can choose to be that.
 */
export function electedCollector(volume: Volume, clock: Clock): PeerId | undefined {
  const { membership, identity } = volume
  const here = membership.member(identity.peer)
  const writers = [...waitedFor(volume, clock), ...(here === undefined ? [] : [here])]
    .filter(({ role }) => mayGiveUp(role))
    .toSorted((a, b) => (a.granted < b.granted ? -1 : 1))
  return writers[0]?.peer
}

/** Does nobody hold a shard of it, and no cold tier the whole? */
function holdsNothing(stripe: MappedStripe | undefined): boolean {
  return stripe?.cold.length === 0 && stripe.holders.every((peers) => peers.length === 0)
}

/** Bytes of all shards. */
function sizeOf({ header: { k, m, shardBytes } }: MappedStripe): number {
  return (k + m) * shardBytes
}

function distinct(classes: readonly ClassOf[]): ClassOf[] {
  return [...new Map(classes.map((cls) => [classText(cls), cls])).values()]
}
