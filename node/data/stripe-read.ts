// Reads byte ranges of one stripe from whoever holds its shards: the data shard itself, or any k shards decoded. Keeps
// what it learns while it reads: which shards answered, which holders failed, and which are known to hold other bytes
// than the header says.
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { SHARD_LEAF } from '../../protocol/limits.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { shardRoot, verifyShardRange } from '../../protocol/stripe/shard-tree.ts'
import { chunkPosition, shardRanges } from '../../protocol/stripe/stripe.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { firstOf } from './hedge.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { ShardRange, StripeHeader } from '../../protocol/stripe/stripe.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Clock, Network } from '../world/world.ts'
import type { Attempt } from './hedge.ts'
import type { Holders, StripeMap } from './stripe-map.ts'

/** A holder that has not answered for so long gets company. */
export const HEDGE_MS = 300

/** Where the data paths read from. */
export interface GatherParts {
  readonly store: Store
  readonly map: StripeMap
  readonly client: ShardClient
  readonly network: Network
  readonly clock: Clock
  /** A shard that does not match its stripe: the holder lies, or its disk is damaged. */
  readonly onBadShard: (stripe: StripeId, index: number, holder: PeerId) => void
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

export class StripeRead {
  readonly id: StripeId
  readonly header: StripeHeader
  readonly #parts: GatherParts
  readonly #failed = new Map<PeerId, string>()
  /** `<index> <holder>` */
  readonly #bad = new Set<string>()

  constructor(parts: GatherParts, { id, header }: { id: StripeId; header: StripeHeader }) {
    this.#parts = parts
    this.id = id
    this.header = header
  }

  /** The bytes of a chunk of the stripe. throws AggregateError when they can't be had. */
  async chunk(index: number, holders: Holders, options: ReadOptions): Promise<Uint8Array> {
    const length = this.header.chunks[index]?.length ?? 0
    const ranges = shardRanges(this.header, chunkPosition(this.header, index), length)
    const parts = await Promise.all(ranges.map((range) => this.#range(range, holders, options)))
    return concatBytes(parts)
  }

  /** What was found and what is missing, for people. */
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
    const decoded: Attempt<ShardPart> = async (signal) => ({
      index: range.shard,
      bytes: await this.#decode(range, holders, { ...options, signal }),
    })
    const [part] = await firstOf([...direct, decoded], 1, this.#hedge(options.signal))
    if (part === undefined) throw new ShoalError('stripe-unrecoverable', `stripe ${this.id}`)
    return part.bytes
  }

  /** The range of a data shard from the same range of any k others. */
  async #decode(range: ShardRange, holders: Holders, options: ReadOptions): Promise<Uint8Array> {
    const { k, m } = this.header
    const others: Attempt<ShardPart>[] = []
    for (let index = 0; index < k + m; index++) {
      const sources = index === range.shard ? [] : this.#sources(index, range, holders, options)
      if (sources.length === 0) continue
      others.push(async (signal) => {
        const [part] = await firstOf(sources, 1, this.#hedge(signal))
        if (part === undefined) throw new ShoalError('unreachable', `shard ${index}`)
        return part
      })
    }
    const parts = await firstOf(others, k, this.#hedge(options.signal))
    const shards: (Uint8Array | undefined)[] = Array.from({ length: k + m })
    for (const { index, bytes } of parts) shards[index] = bytes
    return concatBytes(reconstruct(k, m, shards, [range.shard]))
  }

  /** Ways to get a range of shard `index`: from here, then from its holders, the connected ones first. */
  #sources(
    index: number,
    { offset, length }: { offset: number; length: number },
    holders: Holders,
    { proof }: ReadOptions,
  ): Attempt<ShardPart>[] {
    const { network, store } = this.#parts
    const connected = new Set(network.peers())
    const remote = (holders[index] ?? [])
      .filter((peer) => peer !== network.self && !this.#bad.has(`${index} ${peer}`))
      .toSorted((a, b) => Number(connected.has(b)) - Number(connected.has(a)))
    const isHere = store.shards.indices(this.id).includes(index)
    const readHere = isHere && !this.#bad.has(`${index} ${network.self}`)
    const counted =
      (peer: PeerId, read: Attempt<Uint8Array>): Attempt<ShardPart> =>
      async (signal) => {
        try {
          const bytes = await read(signal)
          return { index, bytes }
        } catch (error) {
          if (!signal.aborted) this.#failed.set(peer, asShoalError(error).code)
          throw error
        }
      }
    return [
      ...(readHere ? [counted(network.self, () => this.#here(index, offset, length, proof))] : []),
      ...remote.map((peer) =>
        counted(peer, (signal) => this.#remote(peer, index, offset, length, { proof, signal })),
      ),
    ]
  }

  async #here(index: number, offset: number, length: number, proof: boolean): Promise<Uint8Array> {
    const { store, network } = this.#parts
    if (proof) {
      const shard = await store.shards.read(this.id, index, 0, this.header.shardBytes)
      const root = this.header.shardRoots[index]
      if (shard === undefined || root === undefined || !equalBytes(shardRoot(shard), root)) {
        throw this.#liar(index, network.self)
      }
      return shard.subarray(offset, offset + length)
    }
    const bytes = await store.shards.read(this.id, index, offset, length)
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
    const { client } = this.#parts
    if (!proof) {
      const range = { stripe: this.id, index, offset, length }
      return (await client.get(peer, range, { proof, signal })).bytes
    }
    const firstLeaf = Math.floor(offset / SHARD_LEAF)
    const start = firstLeaf * SHARD_LEAF
    const end = Math.min(
      Math.ceil((offset + length) / SHARD_LEAF) * SHARD_LEAF,
      this.header.shardBytes,
    )
    const range = { stripe: this.id, index, offset: start, length: end - start }
    const answer = await client.get(peer, range, { proof, signal })
    const root = this.header.shardRoots[index] ?? new Uint8Array(0)
    if (!verifyShardRange(root, this.header.shardBytes, firstLeaf, answer.bytes, answer.proof)) {
      throw this.#liar(index, peer)
    }
    return answer.bytes.subarray(offset - start, offset - start + length)
  }

  #liar(index: number, holder: PeerId): ShoalError {
    this.#bad.add(`${index} ${holder}`)
    this.#parts.onBadShard(this.id, index, holder)
    return new ShoalError(
      'corrupt',
      `${holder} does not hold shard ${index} of ${this.id} as its header says`,
    )
  }

  #hedge(signal: AbortSignal): {
    clock: GatherParts['clock']
    hedgeMs: number
    signal: AbortSignal
  } {
    return { clock: this.#parts.clock, hedgeMs: HEDGE_MS, signal }
  }
}
