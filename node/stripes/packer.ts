// Packs the chunks of one volume that are in no stripe of their class into stripes, in the order of
// writing, and sends the shards to peers. Invariants:
//   at any time a chunk written here is marked (placement-queue.ts), or in a recorded stripe of its
//   class that is not condemned, and that this node knows to be what its header says
//   a recorded stripe has k or more shards durable on distinct peers, one of them not this node
//   unless k+m = 1
//   a recorded stripe that lacks holders is marked, and completed when there are peers for it
// A stripe closes when it is full, after a pause in writing, or when someone waits for it. Passes
// never overlap; within one, a stripe is read and coded while the one before is sent.
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { STRIPE_CHUNKS_MAX, STRIPE_DATA_TARGET } from '../../protocol/limits.ts'
import { codeFor } from '../../protocol/placement/redundancy.ts'
import { codeStripe } from '../../protocol/stripe/stripe.ts'
import { MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { groupCommit } from '../store/group-commit.ts'
import { hasFreePeer } from './shard-dispersal.ts'
import type { DisperseParts } from './shard-dispersal.ts'
import type { DedupCheck } from './dedup-check.ts'
import type { ChunkFetcher } from './chunk-fetcher.ts'
import { classOfText, classText } from './placement-queue-keys.ts'
import { inParallel, mapInBatches, untilAborted } from './in-parallel.ts'
import { PackedByOthers } from './packed-by-others.ts'
import type { PlacedCopies } from './placed-copies.ts'
import { StripePlacer } from './stripe-placer.ts'
import { PlacementQueue } from './placement-queue.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { Code, RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { CodedStripe, StripeHeader } from '../../protocol/stripe/stripe.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock, Timer } from '../world/world.ts'
import type { UnplacedChunk } from './placement-queue-keys.ts'
import type { Marks } from './placement-queue.ts'
import { Backoff } from '../jobs/backoff.ts'
import type { Pauses } from '../jobs/backoff.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** A stripe in the making closes so long after its last chunk. */
const QUIET_MS: number = 1 * SECOND_MS
/** Stripes in memory at a time, each up to (k+m)/k * STRIPE_DATA_TARGET. */
const STRIPES_MAX = 2
/** Chunks read from the disk at a time. */
const READS_MAX = 64
const RETRIES: Pauses = { firstMs: 5 * SECOND_MS, longestMs: 5 * MINUTE_MS }

export interface PackerParts extends DisperseParts {
  /** Durable with the entries of `map`. */
  readonly marks: Marks
  readonly dedupCheck: DedupCheck
  readonly clock: Clock
  readonly log: WriteLog
  /** Finds chunks of stripes that must be completed. */
  readonly fetcher: ChunkFetcher
  /** This node has begun to hold a shard of the stripe. */
  readonly onKept: (stripe: StripeId) => void
  /** Told of each stripe whose chunks are marked no more. */
  readonly placedCopies: Pick<PlacedCopies, 'add'>
}

/** The purpose of a pass. */
interface Asked {
  readonly closesAll: boolean
  readonly completes: boolean
  readonly isAwaited: boolean
}

interface StoredChunk extends UnplacedChunk {
  readonly bytes: Uint8Array
}

export class Packer {
  readonly #parts: PackerParts
  readonly #placementQueue: PlacementQueue
  readonly #placer: StripePlacer
  readonly #others: PackedByOthers
  readonly #stopping = new AbortController()
  readonly #round: () => Promise<void> = groupCommit(() => this.#pass())
  #isStarted = false
  /** Tasks of the next pass: close a stripe that is not full; see to stripes that lack holders. */
  #closesAll = false
  #completes = false
  /** Somebody waits: it does not go by stripes of others that must be looked through first. */
  #isAwaited = false
  /** Bytes added since the last pass began. */
  #addedBytes = 0
  #lastAdd: Instant
  #quietTimer: Timer | undefined
  #retryTimer: Timer | undefined
  readonly #retries = new Backoff(RETRIES)
  /** The first reason in this pass why not all is placed. */
  #lack: string | undefined
  /** Classes for whose stripes there are too few peers: the rest of the pass need not try. */
  readonly #stuck = new Set<string>()

  private constructor(parts: PackerParts, placementQueue: PlacementQueue) {
    this.#parts = parts
    this.#placementQueue = placementQueue
    this.#placer = new StripePlacer({ ...parts, placementQueue: this.#placementQueue })
    const onLooked = (): void => {
      this.#closesAll = true
      this.#wake()
    }
    this.#others = new PackedByOthers({ ...parts, placementQueue, onLooked })
    this.#lastAdd = parts.clock.now()
  }

  /** Sealed bytes written here that are in no stripe yet. */
  get unplacedBytes(): number {
    return this.#placementQueue.unplacedBytes
  }

  /** With what the last run left unfinished. throws ShoalError 'corrupt'. */
  static async open(parts: PackerParts): Promise<Packer> {
    return new Packer(parts, await PlacementQueue.open(parts.marks))
  }

  /**
   * Queues a chunk of this node's store for a stripe of a class (undefined: the volume's), unless
   * it is surely in one. Durable with the volume's next commit.
   */
  add(id: ChunkId, sealedLength: number, cls: RedundancyClass | undefined): void {
    if (this.#parts.dedupCheck.find(id, cls) !== undefined) return
    if (!this.#placementQueue.addChunk(id, classText(cls), sealedLength)) return
    this.#addedBytes += sealedLength
    this.#lastAdd = this.#parts.clock.now()
    if (this.#addedBytes >= STRIPE_DATA_TARGET) {
      this.#addedBytes = 0
      this.#wake()
    }
    this.#quietTimer ??= this.#awaitQuiet(QUIET_MS)
  }

  /** Is the chunk to be packed, or here to stay because its class asks for no other peer? */
  isMarked(id: ChunkId): boolean {
    return this.#placementQueue.hasChunk(id)
  }

  /** Is the chunk, which is here then, to be packed into a stripe of a class? */
  isMarkedFor(id: ChunkId, cls: RedundancyClass | undefined): boolean {
    return this.#placementQueue.has({ id, class: classText(cls) })
  }

  /** Let a chunk be that nobody needs any more. Durable with the volume's next commit. */
  forget(id: ChunkId): void {
    this.#placementQueue.forget(id)
  }

  /** Begin to work in the background, with what the last run left. */
  start(): void {
    this.#isStarted = true
    this.peersChanged()
  }

  /** Resolves when nothing goes on any more. What is not placed yet is taken up by the next run. */
  async stop(): Promise<void> {
    this.#isStarted = false
    this.#quietTimer?.cancel()
    this.#stopping.abort(new ShoalError('stopped', 'this node stops placing stripes'))
    // A pass that begins now ends at once, after the one that is under way.
    await ignoreFailure(this.#round(), 'those who wait are told, and the next round tries again')
    this.#retryTimer?.cancel()
  }

  /** Retries what could not be placed: members, connections or the redundancy class changed. */
  peersChanged(): void {
    this.#closesAll = true
    this.#completes = true
    this.#retries.reset()
    this.#wake()
  }

  /**
   * Resolves when all that was added before is in stripes whose k+m shards are durable on distinct
   * peers; at once if the class needs no other peer. Each shard is offered once to all peers that
   * are online. throws 'not-placed', saying what is missing; it is tried again later.
   */
  async settle({ signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    if (this.#placementQueue.classes.every((cls) => this.#isLocal(cls))) return
    this.#closesAll = true
    this.#completes = true
    this.#isAwaited = true
    await untilAborted(this.#round(), signal)
  }

  #wake(): void {
    if (this.#isStarted) void ignoreFailure(this.#round(), 'a pass says by itself why it failed')
  }

  #awaitQuiet(delayMs: number): Timer {
    const { clock } = this.#parts
    return clock.timer(delayMs, () => {
      const leftMs = this.#lastAdd + QUIET_MS - clock.now()
      this.#quietTimer = leftMs > 0 ? this.#awaitQuiet(leftMs) : undefined
      if (leftMs > 0) return
      this.#closesAll = true
      this.#wake()
    })
  }

  async #pass(): Promise<void> {
    this.#stopping.signal.throwIfAborted()
    const asked = this.#begin()
    try {
      if (asked.completes) {
        await inParallel(this.#incomplete(), STRIPES_MAX, (stripe) => this.#complete(stripe))
      }
      await inParallel(this.#groups(asked), STRIPES_MAX, (group) => this.#place(group))
      const found = this.#others.takeIncomplete()
      if (asked.completes) await inParallel(found, STRIPES_MAX, (stripe) => this.#complete(stripe))
      if (this.#lack !== undefined) {
        throw new ShoalError(
          'not-placed',
          `${this.#lack}; the data is kept on this node, which keeps trying to place it`,
        )
      }
      this.#retries.reset()
    } catch (error) {
      this.#retryLater(asShoalError(error))
      throw error
    }
  }

  #begin(): Asked {
    const asked = {
      closesAll: this.#closesAll,
      completes: this.#completes,
      isAwaited: this.#isAwaited,
    }
    this.#closesAll = false
    this.#completes = false
    this.#isAwaited = false
    this.#addedBytes = 0
    this.#lack = undefined
    this.#stuck.clear()
    this.#placer.forgive()
    return asked
  }

  #retryLater({ code, message }: ShoalError): void {
    if (this.#stopping.signal.aborted) return
    const retryMs = this.#retries.next()
    this.#parts.log('placement.incomplete', { code, message, retryMs })
    this.#retryTimer?.cancel()
    this.#retryTimer = this.#parts.clock.timer(retryMs, () => {
      this.#closesAll = true
      this.#completes = true
      this.#wake()
    })
  }

  /** The chunks of one stripe after the other. */
  async *#groups(asked: Asked): AsyncGenerator<readonly UnplacedChunk[], void, undefined> {
    if (this.#placementQueue.unplacedBytes === 0) return
    for (const cls of this.#placementQueue.classes) yield* this.#groupsOf(cls, asked)
  }

  async *#groupsOf(
    cls: string,
    asked: Asked,
  ): AsyncGenerator<readonly UnplacedChunk[], void, undefined> {
    if (this.#isLocal(cls)) return
    const end = asked.closesAll ? this.#placementQueue.end : Number.MAX_SAFE_INTEGER
    for (let from = 0; !this.#stuck.has(cls);) {
      const group = await this.#nextGroup(cls, from, end, asked)
      const last = group.at(-1)
      if (last === undefined || (!asked.closesAll && !isFull(group))) return
      from = last.order + 1
      yield group
    }
  }

  /** Scans again for each stripe: sees new chunks, and holds no snapshot while stripes are sent. */
  async #nextGroup(
    cls: string,
    from: number,
    end: number,
    { isAwaited }: Asked,
  ): Promise<readonly UnplacedChunk[]> {
    const { random } = this.#parts
    const group: UnplacedChunk[] = []
    let bytes = 0
    for await (const chunk of this.#placementQueue.chunks(cls, from, end)) {
      if (await this.#others.have(chunk, this.#stopping.signal)) continue
      if (!isAwaited && this.#others.mayHave(chunk, this.#stopping.signal)) continue
      group.push(chunk)
      bytes += chunk.length
      if (bytes >= STRIPE_DATA_TARGET || group.length === STRIPE_CHUNKS_MAX) break
      if (random.unlucky('stripes.closes-early')) break
    }
    return group
  }

  async #place(group: readonly UnplacedChunk[]): Promise<void> {
    const cls = group[0]?.class ?? ''
    const code = this.#codeOf(cls, bytesOf(group))
    if (code === undefined || this.#stuck.has(cls)) return
    // Fewer could not hold it (stripe-placer.ts): spare the work of coding it.
    if (this.#placer.willingCount < Math.max(code.k, Math.min(2, code.k + code.m))) {
      this.#stuck.add(cls)
      return this.#lacks(code)
    }
    const read = await mapInBatches(group, READS_MAX, (chunk) => this.#read(chunk))
    const chunks = read.filter((chunk) => chunk !== undefined)
    if (chunks.length === 0) return
    const stripe = codeStripe(chunks, code.k, code.m, classOfText(cls))
    const outcome = await this.#placer.place(stripe, chunks, this.#stopping)
    if (outcome === 'none') this.#stuck.add(cls)
    if (outcome !== 'full') this.#lacks(code)
  }

  /** A chunk with its bytes; undefined if it is damaged, or nobody needs it any more. */
  async #read(chunk: UnplacedChunk): Promise<StoredChunk | undefined> {
    try {
      const bytes = await this.#parts.store.chunks.read(chunk.id)
      if (bytes !== undefined) return { ...chunk, bytes }
    } catch (error) {
      if (!hasCode(error, 'corrupt')) throw error
    }
    if (!this.#placementQueue.has(chunk)) return undefined
    this.#parts.log('placement.chunk-damaged', { chunk: chunk.id })
    this.#lack ??= `chunk ${chunk.id} is damaged on this disk and nowhere else: write its file again`
    return undefined
  }

  /** Marked stripes for which there may be a peer now. */
  async *#incomplete(): AsyncGenerator<StripeId, void, undefined> {
    for await (const id of this.#placementQueue.stripes()) {
      const known = this.#parts.map.stripe(id)
      const isUsed = known !== undefined && !known.isCondemned
      // A stripe in a tier needs no more of them: upkeep sees to the copies that peers keep.
      if (!isUsed || known.cold.length > 0 || known.holders.every((peers) => peers.length > 0)) {
        this.#placementQueue.removeStripe(id)
      } else if (hasFreePeer(this.#parts, known.holders)) {
        yield id
      } else {
        this.#lacks(known.header)
      }
    }
  }

  async #complete(id: StripeId): Promise<void> {
    const known = this.#parts.map.stripe(id)
    if (known === undefined) return
    const stripe = await this.#rebuild(id, known.header)
    if (stripe === undefined) return
    const outcome = await this.#placer.place(stripe, [], this.#stopping)
    if (outcome !== 'full') this.#lacks(known.header)
  }

  /** Code a stripe again from its chunks, wherever they are; undefined if that can't be now. */
  async #rebuild(id: StripeId, header: StripeHeader): Promise<CodedStripe | undefined> {
    const options = { hints: [], signal: this.#stopping.signal }
    try {
      const parts = await mapInBatches(header.chunks, READS_MAX, async (chunk) => ({
        id: chunk.id,
        bytes: await this.#parts.fetcher.fetch(chunk.id, options),
      }))
      const stripe = codeStripe(parts, header.k, header.m, header.class)
      if (stripe.id === id) return stripe
      this.#lack ??= `stripe ${id} was laid out by another version of Shoal`
    } catch (error) {
      if (!hasCode(error, 'chunk-unavailable')) throw error
      this.#lack ??= `stripe ${id} can't be completed now: ${error.message}`
    }
    return undefined
  }

  /** Too few peers take shards of a stripe with this code. */
  #lacks({ k, m }: Code): void {
    const willing = this.#placer.willingCount
    const members = this.#parts.map.candidates().length
    this.#lack ??=
      `${k + m} peers are needed for ${k}+${m} shards, and ${willing} of the ${members} members that store, ` +
      'this node included, take them now'
  }

  #codeOf(cls: string, bytes: number): Code | undefined {
    const { map } = this.#parts
    const takers = map.candidates().filter(({ peer, weight }) => weight > 0 && !map.isAvoided(peer))
    const redundancy = classOfText(cls) ?? map.redundancy()
    const code = codeFor(redundancy, takers.length, bytes)
    if (code !== undefined && code.k + code.m > 1) return code
    // One shard: only stripes go into cold tiers.
    return redundancy.kind !== 'local' && map.hasTier() ? { k: 1, m: 0 } : undefined
  }

  /** True if the data is to be on this node only. */
  #isLocal(cls: string): boolean {
    return this.#codeOf(cls, STRIPE_DATA_TARGET) === undefined
  }
}

function bytesOf(chunks: readonly UnplacedChunk[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

function isFull(group: readonly UnplacedChunk[]): boolean {
  return group.length === STRIPE_CHUNKS_MAX || bytesOf(group) >= STRIPE_DATA_TARGET
}
