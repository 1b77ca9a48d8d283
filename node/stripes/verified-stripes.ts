// The stripes of which this node knows that they are what their headers say: those that it coded
// itself, and those of which it once had k shards, or all chunks, coded them again and found every
// root and every chunk as the header lists them. Each shard of a stripe may be as its root says,
// and proven so, and the stripe hold nothing of what it lists: only this tells. A header is named
// by its hash, so what was found of it stays so; it is durable with the volume's next commit.
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { asShoalError } from '../../protocol/errors.ts'
import { reconstruct } from '../../protocol/stripe/reed-solomon.ts'
import { shardRoot } from '../../protocol/stripe/shard-tree.ts'
import { dataShardsOf, isTrueOf } from '../../protocol/stripe/stripe.ts'
import type { PeerId, StripeId } from '../../protocol/ids.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { MINUTE_MS } from '../../protocol/units.ts'
import type { ShardClient } from '../peers/shards.ts'
import type { Store } from '../store/store.ts'
import type { Budget } from '../world/budget.ts'
import type { Clock, Network } from '../world/world.ts'
import { mapInBatches } from './in-parallel.ts'
import { verifiedKey } from './placement-queue-keys.ts'
import type { Holders, StripeMap } from '../shard-map/stripe-map.ts'
import type { Marks } from './placement-queue.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { WriteLog } from '../observe/log-events.ts'

/** All shards of a stripe come within this time, or it is tried another time. */
const FETCH_MS: number = 2 * MINUTE_MS
/** Chunks read from the disk at a time. */
const READS_MAX = 64
const TRUE: Uint8Array = Uint8Array.of(1)
const FALSE: Uint8Array = Uint8Array.of(0)

export interface VerifiedStripesParts {
  readonly store: Pick<Store, 'chunks' | 'shards'>
  readonly map: Pick<StripeMap, 'stripe'>
  readonly marks: Pick<Marks, 'get' | 'put' | 'delete'>
  readonly client: Pick<ShardClient, 'get' | 'expectedMs'>
  readonly network: Pick<Network, 'self' | 'peers'>
  readonly clock: Clock
  /** For what is fetched. */
  readonly budget: Pick<Budget, 'take'>
  /** A stripe that says what is not so. */
  readonly onFalse: (stripe: StripeId) => void
  readonly log: WriteLog
}

export class VerifiedStripes {
  readonly #parts: VerifiedStripesParts
  readonly #running = new Map<StripeId, Promise<boolean>>()
  /** They take turns: each is in memory as a whole. */
  readonly #queue = new SerialQueue()

  constructor(parts: VerifiedStripesParts) {
    this.#parts = parts
  }

  /** Is the stripe known to be what its header says? False also where that is not known. */
  has(stripe: StripeId): boolean {
    return this.#parts.marks.get(verifiedKey(stripe))?.[0] === TRUE[0]
  }

  /** Is it known not to be? */
  isFalse(stripe: StripeId): boolean {
    return this.#parts.marks.get(verifiedKey(stripe))?.[0] === FALSE[0]
  }

  /** Is it being looked at? */
  isPending(stripe: StripeId): boolean {
    return this.#running.has(stripe)
  }

  /** This node has just coded it, of chunks that match their ids. */
  add(stripe: StripeId): void {
    if (!this.has(stripe)) this.#parts.marks.put(verifiedKey(stripe), TRUE)
  }

  /** It was coded, and its shards or chunks are not what its header says. */
  refute(stripe: StripeId): void {
    if (this.isFalse(stripe)) return
    this.#parts.marks.put(verifiedKey(stripe), FALSE)
    this.#parts.log('stripe.false', { stripe })
    this.#parts.onFalse(stripe)
  }

  /** It is given up. */
  forget(stripe: StripeId): void {
    if (this.has(stripe)) this.#parts.marks.delete(verifiedKey(stripe))
  }

  /**
   * Find out, from chunks here or from shards, when the budget allows. returns whether it is known
   * to be true then.
   */
  verify(stripe: StripeId, signal: AbortSignal): Promise<boolean> {
    if (this.has(stripe) || this.isFalse(stripe)) return Promise.resolve(this.has(stripe))
    const running = this.#running.get(stripe)
    if (running !== undefined) return running
    const verified = this.#queue
      .run(() => this.#verify(stripe, signal))
      .finally(() => this.#running.delete(stripe))
    this.#running.set(stripe, verified)
    return verified
  }

  async #verify(id: StripeId, signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted()
    const known = this.#parts.map.stripe(id)
    if (known === undefined) return false
    const { header, holders } = known
    const data =
      (await this.#fromChunks(header)) ?? (await this.#fromShards(id, header, holders, signal))
    if (data === undefined) return false
    if (isTrueOf(header, data)) this.add(id)
    else this.refute(id)
    return this.has(id)
  }

  /** The data shards, if all chunks are here. */
  async #fromChunks(header: StripeHeader): Promise<readonly Uint8Array[] | undefined> {
    const { chunks } = this.#parts.store
    if (!header.chunks.every(({ id }) => chunks.has(id))) return undefined
    const read = await mapInBatches(header.chunks, READS_MAX, async ({ id, length }) => {
      const bytes = await ignoreFailure(
        chunks.read(id),
        'a chunk that cannot be read here is fetched',
      )
      return bytes?.length === length && verifyChunk(id, bytes) ? bytes : undefined
    })
    const whole = read.filter((bytes) => bytes !== undefined)
    return whole.length === read.length ? dataShardsOf(header, whole) : undefined
  }

  /** The data shards from any k that match their roots. */
  async #fromShards(
    id: StripeId,
    header: StripeHeader,
    holders: Holders,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[] | undefined> {
    const { k, m, shardBytes } = header
    const { budget, clock, log } = this.#parts
    await budget.take(k * shardBytes, signal)
    const scope = clock.timeout(FETCH_MS, signal)
    const shards: (Uint8Array | undefined)[] = Array.from({ length: k + m })
    const left = this.#sources(id, holders)
    const next = async (): Promise<void> => {
      for (let source = left.shift(); source !== undefined; source = left.shift()) {
        const { index, peer } = source
        const bytes = await this.#read(id, header, index, peer, scope).catch((error: unknown) => {
          const { code, message } = asShoalError(error)
          log('transfer.shard-not-had', { stripe: id, index, holder: peer, code, message })
          return undefined
        })
        if (bytes === undefined) continue
        shards[index] = bytes
        return
      }
    }
    await Promise.all(Array.from({ length: k }, next))
    signal.throwIfAborted()
    if (shards.filter((shard) => shard !== undefined).length < k) return undefined
    return reconstruct(k, m, shards, [...Array(k).keys()])
  }

  /** A source for each shard: those here first, then the peers that answer soon. */
  #sources(id: StripeId, holders: Holders): { index: number; peer: PeerId }[] {
    const { network, client, store } = this.#parts
    const here = new Set(store.shards.indices(id))
    const there = new Set(network.peers())
    const expectedMs = (peer: PeerId): number =>
      peer === network.self ? -1 : client.expectedMs(peer)
    const sources = holders.flatMap((peers, index) => {
      if (here.has(index)) return [{ index, peer: network.self }]
      const [peer] = peers
        .filter((one) => there.has(one))
        .toSorted((a, b) => expectedMs(a) - expectedMs(b))
      return peer === undefined ? [] : [{ index, peer }]
    })
    return sources.toSorted((a, b) => expectedMs(a.peer) - expectedMs(b.peer))
  }

  /** Undefined where it is not as its root says. */
  async #read(
    stripe: StripeId,
    { shardBytes, shardRoots }: StripeHeader,
    index: number,
    peer: PeerId,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { store, client, network } = this.#parts
    const range = { stripe, index, offset: 0, length: shardBytes }
    const bytes =
      peer === network.self
        ? await store.shards.read(stripe, index, 0, shardBytes)
        : (await client.get(peer, range, { proof: false, signal })).bytes
    const root = shardRoots[index]
    const isWhole = bytes !== undefined && root !== undefined && equalBytes(shardRoot(bytes), root)
    return isWhole ? bytes : undefined
  }
}
