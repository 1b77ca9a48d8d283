// Reads byte ranges of one stripe from whoever holds its shards: the data shard itself, or any k
// shards decoded. Keeps what it learns while it reads: which shards answered, which holders failed,
// and which are known to hold other bytes than the header says.
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError, hasCode } from '../../protocol/errors.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { shardRoot, verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { chunkPosition, shardRanges } from '../../protocol/stripe/stripe.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { firstOf } from './hedge.ts'
import type { PeerId, StripeId, VolumeId } from '../../protocol/ids.ts'
import type { ShardRange, StripeHeader } from '../../protocol/stripe/stripe.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Luck, Network } from '../world/world.ts'
import type { Attempt } from './hedge.ts'
import type { ColdReader } from './cold-reader.ts'
import type { Holders, StripeMap } from '../shard-map/stripe-map.ts'
import type { VerifiedStripes } from './verified-stripes.ts'

/**
 * A holder that has not answered for so long gets company; sooner if it uses to answer in a
 * fraction of that.
 */
export const HEDGE_MS = 300
const HEDGE_MS_MIN = 100
const HEDGE_FACTOR = 6

/** The sources from which the data paths read. */
export interface GatherParts {
  readonly store: Store
  readonly map: Pick<StripeMap, 'locations' | 'stripe' | 'isMember' | 'mayStore' | 'nameOf'>
  readonly client: Pick<ShardClient, 'get' | 'have' | 'chunk' | 'expectedMs'>
  readonly network: Pick<Network, 'self' | 'peers' | 'find'>
  readonly clock: Clock
  readonly random: Luck
  readonly volume: VolumeId
  /** Undefined: there are no cold tiers. */
  readonly cold?: Pick<ColdReader, 'chunk' | 'isArchived'>
  /**
   * Which stripes are what their headers say: those are read from first. Undefined: nobody knows.
   */
  readonly verified?: Pick<VerifiedStripes, 'has' | 'isFalse' | 'refute'>
  /** Is a peer heard of as usual? Others are asked last. */
  readonly isOnline: (peer: PeerId) => boolean
  /** A shard that a holder does not have, or has otherwise: it lies, or its disk is damaged. */
  readonly onBadShard: (
    stripe: StripeId,
    index: number,
    holder: PeerId,
    found: 'absent' | 'wrong',
  ) => void
}

/** With `proof`, every range is checked against the root of its shard before it counts. */
interface ReadOptions {
  readonly proof: boolean
  readonly signal: AbortSignal
}

/** Bytes of the shard `index`. */
interface ShardPart {
  readonly index: number
  readonly bytes: Uint8Array
}

/** A way to get them. */
interface Source {
  /** Until it begins to answer. */
  readonly expectedMs: number
  readonly read: Attempt<ShardPart>
}

/** Longer than a holder takes that answers at all. */
const UNEXPECTED_MS = 1e9
const DECODE_MS = 50
const DECODE_FACTOR = 3

export class StripeRead {
  readonly id: StripeId
  readonly header: StripeHeader
  readonly #parts: GatherParts
  /** Shards here. */
  readonly #held: readonly number[]
  readonly #failed = new Map<PeerId, string>()
  /** `<index> <holder>` */
  readonly #bad = new Set<string>()
  #hasAsked = false

  constructor(parts: GatherParts, { id, header }: { id: StripeId; header: StripeHeader }) {
    this.#parts = parts
    this.id = id
    this.header = header
    this.#held = parts.store.shards.indices(id)
  }

  /** Was any other node asked? */
  get hasAsked(): boolean {
    return this.#hasAsked
  }

  /** The bytes of a chunk of the stripe. throws AggregateError when they can't be had. */
  async chunk(index: number, holders: Holders, options: ReadOptions): Promise<Uint8Array> {
    const length = this.header.chunks[index]?.length ?? 0
    const ranges = shardRanges(this.header, chunkPosition(this.header, index), length)
    const parts = await Promise.all(ranges.map((range) => this.#range(range, holders, options)))
    return concatBytes(parts)
  }

  /** Found and missing shards, for people. */
  describe(): string {
    const { k, m } = this.header
    const failures = Array.from(
      this.#failed,
      ([peer, reason]) => `${this.#parts.map.nameOf(peer)} (${reason})`,
    )
    const missing =
      failures.length === 0
        ? 'no other node is known to hold any'
        : `no answer from ${failures.join(', ')}; start one of them and try again`
    return `${k} of its ${k + m} shards are needed, ${missing}`
  }

  async #range(range: ShardRange, holders: Holders, options: ReadOptions): Promise<Uint8Array> {
    const direct = this.#sources(range.shard, range, holders, options)
    const others = this.#others(range, holders, options)
    const decoded: Source = {
      expectedMs: decodingMs(others[this.header.k - 1]),
      read: async (signal) => ({
        index: range.shard,
        bytes: await this.#decode(range, others, signal),
      }),
    }
    const part = await this.#first(inOrder([...direct, decoded]), options.signal)
    return part.bytes
  }

  /** The range of a data shard from the same range of any k others. */
  async #decode(
    range: ShardRange,
    others: readonly Source[],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { k, m } = this.header
    const attempts = others.map(({ read }) => read)
    const hedgeMs = hedgeMsOf(others[k - 1])
    const { clock } = this.#parts
    const parts = await firstOf(attempts, k, { clock, hedgeMs, signal })
    const shards: (Uint8Array | undefined)[] = Array.from({ length: k + m })
    for (const { index, bytes } of parts) shards[index] = bytes
    return concatBytes(reconstruct(k, m, shards, [range.shard]))
  }

  /** Ways to get the range of each other shard, the soonest first. */
  #others(range: ShardRange, holders: Holders, options: ReadOptions): Source[] {
    const { k, m } = this.header
    const others: Source[] = []
    for (let index = 0; index < k + m; index++) {
      const sources = index === range.shard ? [] : this.#sources(index, range, holders, options)
      const [soonest] = sources
      if (soonest === undefined) continue
      const read = (signal: AbortSignal): Promise<ShardPart> => this.#first(sources, signal)
      others.push({ expectedMs: soonest.expectedMs, read })
    }
    return inOrder(others)
  }

  async #first(sources: readonly Source[], signal: AbortSignal): Promise<ShardPart> {
    const { clock } = this.#parts
    const attempts = sources.map(({ read }) => read)
    const [part] = await firstOf(attempts, 1, { clock, hedgeMs: hedgeMsOf(sources[0]), signal })
    if (part === undefined) throw new ShoalError('stripe-unrecoverable', `stripe ${this.id}`)
    return part
  }

  /**
   * Ways to get a range of shard `index`: from here, then from its holders, those that answer soon
   * first.
   */
  #sources(
    index: number,
    { offset, length }: { offset: number; length: number },
    holders: Holders,
    { proof }: ReadOptions,
  ): Source[] {
    const { network } = this.#parts
    const counted = (peer: PeerId, read: Attempt<Uint8Array>): Source => ({
      expectedMs: this.#expectedMs(peer),
      read: async (signal) => {
        try {
          return { index, bytes: await read(signal) }
        } catch (error) {
          if (!signal.aborted) this.#failed.set(peer, asShoalError(error).code)
          throw error
        }
      },
    })
    const remote = (holders[index] ?? [])
      .filter((peer) => peer !== network.self && !this.#bad.has(`${index} ${peer}`))
      .map((peer) =>
        counted(peer, (signal) => this.#remote(peer, index, offset, length, { proof, signal })),
      )
    const isGood = this.#held.includes(index) && !this.#bad.has(`${index} ${network.self}`)
    const here = counted(network.self, () => this.#here(index, offset, length, proof))
    return [...(isGood ? [here] : []), ...inOrder(remote)]
  }

  /** -1 for this node, Infinity for a peer that will hardly answer. */
  #expectedMs(peer: PeerId): number {
    const { network, client, isOnline } = this.#parts
    if (peer === network.self) return -1
    return isOnline(peer) ? client.expectedMs(peer) : Infinity
  }

  async #here(index: number, offset: number, length: number, proof: boolean): Promise<Uint8Array> {
    const { store, network } = this.#parts
    const read = (from: number, count: number): Promise<Uint8Array | undefined> =>
      this.#asked(index, network.self, () => store.shards.read(this.id, index, from, count))
    if (proof) {
      const shard = await read(0, this.header.shardBytes)
      const root = this.header.shardRoots[index]
      if (shard === undefined || root === undefined || !equalBytes(shardRoot(shard), root)) {
        throw this.#liar(index, network.self)
      }
      return shard.subarray(offset, offset + length)
    }
    const bytes = await read(offset, length)
    if (bytes?.length !== length) throw this.#liar(index, network.self)
    return bytes
  }

  async #remote(
    peer: PeerId,
    index: number,
    offset: number,
    length: number,
    { proof, signal }: ReadOptions,
  ): Promise<Uint8Array> {
    this.#hasAsked = true
    const get = (from: number, count: number): ReturnType<ShardClient['get']> => {
      const range = { stripe: this.id, index, offset: from, length: count }
      return this.#asked(index, peer, () => this.#parts.client.get(peer, range, { proof, signal }))
    }
    if (!proof) return (await get(offset, length)).bytes
    const firstLeaf = Math.floor(offset / SHARD_LEAF)
    const start = firstLeaf * SHARD_LEAF
    const end = Math.min(
      Math.ceil((offset + length) / SHARD_LEAF) * SHARD_LEAF,
      this.header.shardBytes,
    )
    const answer = await get(start, end - start)
    const root = this.header.shardRoots[index] ?? new Uint8Array(0)
    if (!verifyShardRange(root, this.header.shardBytes, firstLeaf, answer.bytes, answer.proof)) {
      throw this.#liar(index, peer)
    }
    return answer.bytes.subarray(offset - start, offset - start + length)
  }

  /**
   * Asks a holder; one that reports itself that it lacks the shard, or has it damaged, is told of.
   */
  async #asked<Answer>(index: number, holder: PeerId, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      if (hasCode(error, 'corrupt')) throw this.#liar(index, holder)
      if (hasCode(error, 'ENOENT')) this.#parts.onBadShard(this.id, index, holder, 'absent')
      throw error
    }
  }

  #liar(index: number, holder: PeerId): ShoalError {
    this.#bad.add(`${index} ${holder}`)
    this.#parts.onBadShard(this.id, index, holder, 'wrong')
    return new ShoalError(
      'corrupt',
      `${holder} does not hold shard ${index} of ${this.id} as its header says`,
    )
  }
}

/**
 * Decoding takes k peers and work, so it comes before a holder only that is much slower than all of
 * them; but of shards that are all here before any.
 */
function decodingMs(slowest: Source | undefined): number {
  const { expectedMs } = slowest ?? { expectedMs: Infinity }
  if (expectedMs < 0) return expectedMs
  return Math.min(DECODE_MS + DECODE_FACTOR * expectedMs, UNEXPECTED_MS)
}

/** A source that was quick lately gets company soon; one that is not known gets its time. */
function hedgeMsOf(source: Source | undefined): number {
  const { expectedMs } = source ?? { expectedMs: 0 }
  if (expectedMs <= 0) return HEDGE_MS
  return Math.min(Math.max(HEDGE_FACTOR * expectedMs, HEDGE_MS_MIN), HEDGE_MS)
}

/** The quick ones first. */
function inOrder(sources: readonly Source[]): Source[] {
  return sources.toSorted((a, b) => a.expectedMs - b.expectedMs || 0)
}
