// The shard map of one volume: which stripe a chunk lies in and which peers hold the stripe's shards, as the log
// tells. Explicit data, never computed from who is a member now. Cost: one record per stripe and one per chunk in
// the store; counts per distinct set of holders in memory, so that status needs no scan.
import { LRUCache } from 'lru-cache'
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { decodeCbor, encodeCbor } from '../../protocol/cbor.ts'
import {
  chunkIdBytes,
  peerIdFromPublicKey,
  publicKeyOf,
  stripeIdBytes,
  stripeIdFromCid,
} from '../../protocol/ids.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { Stamp } from '../../protocol/log/dot.ts'
import { decodeStripeHeader, stripeIdOf } from '../../protocol/stripe/stripe.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

export interface PlacedStripe {
  readonly header: StripeHeader
  readonly headerBytes: Uint8Array
  /** Per shard index, the peers that hold it. */
  readonly holders: readonly (readonly PeerId[])[]
}

/** Stripes that share code and holders: their health is one question. */
export interface StripeGroup {
  readonly k: number
  readonly m: number
  readonly holders: readonly (readonly PeerId[])[]
  readonly count: number
}

/** Chunks of all decoded headers that are kept, in number. */
const DECODED_CHUNKS_MAX = 65_536

const STRIPE: ByteString = 's'
const CHUNK: ByteString = 'k'
const GROUP: ByteString = 'g'

export class StripeTable {
  readonly #view: ReplicaView
  readonly #groups = new Map<ByteString, number>()
  /** A header with thousands of chunks takes ms to decode, and readers come for one chunk after the other. */
  readonly #decoded = new LRUCache<StripeId, PlacedStripe>({
    maxSize: DECODED_CHUNKS_MAX,
    sizeCalculation: ({ header }) => header.chunks.length,
  })

  private constructor(view: ReplicaView) {
    this.#view = view
  }

  static async open(view: ReplicaView): Promise<StripeTable> {
    const table = new StripeTable(view)
    for await (const [key, value] of view.scan(GROUP, prefixEnd(GROUP))) {
      table.#groups.set(key.slice(GROUP.length), decodeCbor(value, 'stripe group') as number)
    }
    return table
  }

  /** The stripe a chunk lies in and its index there. */
  locate(chunk: ChunkId): { stripe: StripeId; index: number } | undefined {
    const bytes = this.#view.get(chunkKey(chunk))
    if (bytes === undefined) return undefined
    const [stripe, index] = decodeCbor(bytes, 'chunk location') as readonly [Uint8Array, number]
    return { stripe: stripeIdFromCid(stripe), index }
  }

  get(id: StripeId): PlacedStripe | undefined {
    const decoded = this.#decoded.get(id)
    if (decoded !== undefined) return decoded
    const read = this.#read(id)
    if (read !== undefined) this.#decoded.set(id, read)
    return read
  }

  #read(id: StripeId): PlacedStripe | undefined {
    const bytes = this.#view.get(stripeKey(id))
    if (bytes === undefined) return undefined
    const [headerBytes, holders] = decodeCbor(bytes, 'stripe record') as readonly [
      Uint8Array,
      Uint8Array[][],
    ]
    return {
      header: decodeStripeHeader(headerBytes),
      headerBytes,
      holders: holders.map((peers) => peers.map(peerIdFromPublicKey)),
    }
  }

  /** Distinct codes and holder sets with the number of stripes of each. */
  groups(): StripeGroup[] {
    return [...this.#groups]
      .filter(([, count]) => count > 0)
      .map(([key, count]) => {
        const [k, m, holders] = decodeCbor(fromByteString(key), 'stripe group') as readonly [
          number,
          number,
          Uint8Array[][],
        ]
        return { k, m, count, holders: holders.map((peers) => peers.map(peerIdFromPublicKey)) }
      })
  }

  /** Apply a `stripe` op: the newest op about a stripe says who holds it. throws ShoalError 'malformed'. */
  apply(headerBytes: Uint8Array, holders: readonly (readonly PeerId[])[], stamp: Stamp): void {
    const id = stripeIdOf(headerBytes)
    const header = decodeStripeHeader(headerBytes)
    this.#decoded.delete(id)
    const known = this.#view.get(stripeKey(id))
    if (known !== undefined) {
      const [, oldHolders, oldStamp] = decodeCbor(known, 'stripe record') as readonly [
        Uint8Array,
        Uint8Array[][],
        Uint8Array,
      ]
      if (toByteString(oldStamp) >= stamp) return
      this.#count(header, oldHolders, -1)
    }
    const keys = holders.map((peers) => peers.map(publicKeyOf))
    this.#view.put(stripeKey(id), encodeCbor([headerBytes, keys, fromByteString(stamp)]))
    this.#count(header, keys, 1)
    header.chunks.forEach((chunk, index) => {
      const other = this.locate(chunk.id)
      // A chunk two nodes packed at once lies in both; all replicas must name the same.
      if (other !== undefined && other.stripe < id) return
      this.#view.put(chunkKey(chunk.id), encodeCbor([stripeIdBytes(id), index]))
    })
  }

  #count(header: StripeHeader, holders: readonly (readonly Uint8Array[])[], by: number): void {
    // Which index a peer holds does not matter to health: sort, so that rotations share a group.
    const sorted = holders
      .map((peers) => [...peers].sort((a, b) => Buffer.compare(a, b)))
      .sort((a, b) => compareLists(a, b))
    const key = toByteString(encodeCbor([header.k, header.m, sorted]))
    const count = (this.#groups.get(key) ?? 0) + by
    if (count > 0) this.#groups.set(key, count)
    else this.#groups.delete(key)
    if (count > 0) this.#view.put(GROUP + key, encodeCbor(count))
    else this.#view.delete(GROUP + key)
  }
}

function compareLists(a: readonly Uint8Array[], b: readonly Uint8Array[]): number {
  return Buffer.compare(Buffer.concat(a), Buffer.concat(b))
}

function chunkKey(id: ChunkId): ByteString {
  return CHUNK + toByteString(chunkIdBytes(id))
}

function stripeKey(id: StripeId): ByteString {
  return STRIPE + toByteString(stripeIdBytes(id))
}
