// Whether a chunk need not be kept here, since it lies elsewhere. What the shard map lists is no
// proof: a chunk is surely elsewhere only in a stripe that is in use, that is known to be what its
// header says (verified-stripes.ts), and of which k holders that are online have just shown a part
// of their shards. All that lets go of bytes, or does not take them, because others have them, asks
// here.
import { enforces } from '../../protocol/trust.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Instant } from '../../protocol/units.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network, Random } from '../world/world.ts'
import { challenge, randomLeaf } from './challenge.ts'
import type { Outcome } from './challenge.ts'
import type { ColdReader } from './cold-reader.ts'
import { firstOf } from './hedge.ts'
import { classText } from './placement-queue-keys.ts'
import { untilAborted } from './in-parallel.ts'
import type { MappedStripe, StripeMap } from '../shard-map/stripe-map.ts'
import type { VerifiedStripes } from './verified-stripes.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** For so long holders that have shown their shards need not do so again. */
const ALIVE_MS: number = 10 * MINUTE_MS
/** For so long those are left alone of whom too few have. */
const SILENT_MS: number = 30 * SECOND_MS
/** A holder that takes longer is not counted. */
const ANSWER_MS: number = 5 * SECOND_MS
const HEDGE_MS: number = SECOND_MS / 2
/** Stripes that are looked at for one chunk, and that are remembered. */
const STRIPES_PER_CHUNK = 8
const REMEMBERED_MAX = 16_384

export interface DedupCheckParts {
  readonly store: Pick<Store, 'shards'>
  readonly map: Pick<StripeMap, 'locations' | 'stripe'>
  readonly verified: VerifiedStripes
  readonly client: Pick<ShardClient, 'get' | 'expectedMs'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly clock: Clock
  readonly random: Pick<Random, 'number' | 'unlucky'>
  /** Undefined: there are no cold tiers. */
  readonly cold?: Pick<ColdReader, 'shows'>
  /** A holder that did not show what it says that it holds. */
  readonly onBadShard: (
    stripe: StripeId,
    index: number,
    holder: PeerId,
    found: 'absent' | 'wrong',
  ) => void
}

/** The shards of a stripe that holders have shown. */
interface Shown {
  /** k of them. */
  readonly isAlive: boolean
  /** All. */
  readonly isWhole: boolean
  readonly until: Instant
}

/** 'any': in a stripe of whatever class; undefined: of the volume's. */
export type WantedClass = RedundancyClass | undefined | 'any'

export interface LookOptions {
  /**
   * The treatment of stripes that this node does not know to be true: passed over, looked through,
   * or taken as they are.
   */
  readonly others?: 'passed' | 'verified' | 'taken'
  readonly signal: AbortSignal
}

export class DedupCheck {
  readonly verified: VerifiedStripes
  readonly #parts: DedupCheckParts
  readonly #alive = new Map<StripeId, Shown>()
  readonly #asking = new Map<StripeId, Promise<boolean>>()

  constructor(parts: DedupCheckParts) {
    this.#parts = parts
    this.verified = parts.verified
  }

  /**
   * A stripe that the chunk surely lies in, as far as is known just now, without asking anybody.
   */
  find(chunk: ChunkId, cls: WantedClass): StripeId | undefined {
    return this.#candidates(chunk, cls).find((id) => this.#isTrue(id) && this.#known(id) === true)
  }

  /** Is the chunk in a stripe in use that is known to hold it, be its holders there or not? */
  isKnown(chunk: ChunkId, cls: WantedClass): boolean {
    return this.#candidates(chunk, cls).some((id) => this.#isTrue(id))
  }

  /** Is there a stripe in use that lists the chunk, of whatever class, and that may be true? */
  isListed(chunk: ChunkId): boolean {
    return this.#candidates(chunk, 'any').some((id) => !this.verified.isFalse(id))
  }

  /**
   * The stripes that list the chunk and may be true, and that this node has not looked through yet.
   */
  unverified(chunk: ChunkId, cls: WantedClass): StripeId[] {
    const { verified } = this
    return this.#candidates(chunk, cls).filter((id) => !verified.has(id) && !verified.isFalse(id))
  }

  /**
   * A stripe that the chunk surely lies in, holders having been asked. throws only the signal's
   * reason.
   */
  async look(
    chunk: ChunkId,
    cls: WantedClass,
    { others = 'passed', signal }: LookOptions,
  ): Promise<StripeId | undefined> {
    for (const id of this.#candidates(chunk, cls)) {
      if (this.verified.isFalse(id)) continue
      if (others === 'verified')
        await ignoreFailure(this.verified.verify(id, signal), 'it stays unverified')
      signal.throwIfAborted()
      if (others !== 'taken' && !this.#isTrue(id)) continue
      if (await this.isAlive(id, signal)) return id
    }
    return undefined
  }

  /**
   * Have k of its holders just shown their shards, or do so now? Or does a tier have what it holds?
   */
  async isAlive(id: StripeId, signal: AbortSignal): Promise<boolean> {
    const known = this.#known(id)
    if (known !== undefined) return known
    const asking = this.#asking.get(id) ?? this.#ask(id).finally(() => this.#asking.delete(id))
    this.#asking.set(id, asking)
    return untilAborted(asking, signal)
  }

  /**
   * Does a tier that is said to hold the stripe give just this chunk of it? One that gives it in
   * hours only is taken at its word.
   */
  async tierShows(id: StripeId, chunk: ChunkId, signal: AbortSignal): Promise<boolean> {
    const stripe = this.#parts.map.stripe(id)
    const index = stripe?.header.chunks.findIndex((one) => one.id === chunk) ?? -1
    if (stripe === undefined || stripe.isCondemned || index < 0) return false
    return untilAborted(this.#isInTier(stripe, index), signal)
  }

  /** Have holders of all its shards, none of them twice, just shown them, or do so now? */
  async isWhole(id: StripeId, signal: AbortSignal): Promise<boolean> {
    const known = this.#alive.get(id)
    if (known?.isWhole === true && known.until > this.#parts.clock.now()) return true
    const stripe = this.#parts.map.stripe(id)
    if (stripe === undefined || stripe.isCondemned) return false
    const { k, m } = stripe.header
    const isWhole = await untilAborted(this.#isShown(id, stripe, k + m), signal)
    if (isWhole) this.#note(id, { isAlive: true, isWhole })
    return isWhole
  }

  /** So many of its holders have just taken their shards. */
  noteTaken(id: StripeId, count: number): void {
    const { k = Infinity, m = 0 } = this.#parts.map.stripe(id)?.header ?? {}
    if (count >= k) this.#note(id, { isAlive: true, isWhole: count >= k + m })
  }

  /** In use and of the class, in the order of the map. */
  #candidates(chunk: ChunkId, cls: WantedClass): StripeId[] {
    const text = cls === 'any' ? undefined : classText(cls)
    const found = this.#parts.map
      .locations(chunk)
      .filter((one) => !one.isCondemned && one.class === (text ?? one.class))
      .map(({ stripe }) => stripe)
    if (found.length < 2) return found
    // One that is known is not to be hidden by many that are not.
    return found
      .toSorted((a, b) => Number(this.verified.has(b)) - Number(this.verified.has(a)))
      .slice(0, STRIPES_PER_CHUNK)
  }

  #isTrue(id: StripeId): boolean {
    return this.verified.has(id) || !enforces('dedup-verified')
  }

  #known(id: StripeId): boolean | undefined {
    if (!enforces('dedup-verified')) return true
    const known = this.#alive.get(id)
    return known !== undefined && known.until > this.#parts.clock.now() ? known.isAlive : undefined
  }

  async #ask(id: StripeId): Promise<boolean> {
    const stripe = this.#parts.map.stripe(id)
    if (stripe === undefined || stripe.isCondemned) return false
    const isShown = await this.#isShown(id, stripe, stripe.header.k)
    const isAlive = isShown || (await this.#isInTier(stripe, this.#anyChunk(stripe)))
    this.#note(id, { isAlive, isWhole: false })
    return isAlive
  }

  #anyChunk({ header }: MappedStripe): number {
    return Math.floor(this.#parts.random.number() * header.chunks.length)
  }

  /** Does each of so many holders, none of them twice, show a leaf of its shard? */
  async #isShown(id: StripeId, { header, holders }: MappedStripe, count: number): Promise<boolean> {
    const { network, client, clock } = this.#parts
    const { signal } = new AbortController()
    const there = new Set([network.self, ...network.peers()])
    const taken = new Set<PeerId>()
    const asked = holders.flatMap((peers, index) => {
      const peer = peers.find((one) => there.has(one) && !taken.has(one))
      if (peer === undefined) return []
      taken.add(peer)
      return [{ stripe: id, index, peer }]
    })
    if (asked.length < count) return false
    const expectedMs = (peer: PeerId): number =>
      peer === network.self ? -1 : client.expectedMs(peer)
    const attempts = asked
      .toSorted((a, b) => expectedMs(a.peer) - expectedMs(b.peer))
      .map((shard) => async (scope: AbortSignal) => {
        if ((await this.#shows(shard, header, scope)) !== 'proven') throw new Error('not proven')
      })
    const options = { clock, hedgeMs: HEDGE_MS, signal }
    return firstOf(attempts, count, options).then(
      () => true,
      () => false,
    )
  }

  async #shows(
    shard: { readonly stripe: StripeId; readonly index: number; readonly peer: PeerId },
    header: MappedStripe['header'],
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { network, store, random, onBadShard } = this.#parts
    const { stripe, index, peer } = shard
    if (peer === network.self)
      return store.shards.indices(stripe).includes(index) ? 'proven' : 'absent'
    const leaf = randomLeaf(random, header)
    const outcome = await challenge(this.#parts, shard, header, leaf, {
      answerMs: ANSWER_MS,
      signal,
    })
    if (outcome === 'absent') onBadShard(stripe, index, peer, 'absent')
    if (outcome === 'wrong' || outcome === 'damaged') onBadShard(stripe, index, peer, 'wrong')
    return outcome
  }

  /**
   * Does a tier give this chunk of it, as it should be? One that gives it in hours only is taken at
   * its word.
   */
  async #isInTier({ header, cold: copies }: MappedStripe, index: number): Promise<boolean> {
    const { cold, clock } = this.#parts
    if (cold === undefined) return false
    for (const copy of copies) {
      const found = await cold
        .shows(header, copy, index, clock.timeout(ANSWER_MS))
        .catch(() => 'unreachable')
      if (found === 'shown' || found === 'archived') return true
    }
    return false
  }

  #note(id: StripeId, { isAlive, isWhole }: Omit<Shown, 'until'>): void {
    if (this.#parts.random.unlucky('stripes.answer-forgotten')) return
    const until = (this.#parts.clock.now() + (isAlive ? ALIVE_MS : SILENT_MS)) as Instant
    this.#alive.delete(id)
    this.#alive.set(id, { isAlive, isWhole, until })
    const [oldest] = this.#alive.keys()
    if (this.#alive.size > REMEMBERED_MAX && oldest !== undefined) this.#alive.delete(oldest)
  }
}
