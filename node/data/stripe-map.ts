// What the data paths know of a volume: where chunks are, who may hold shards, and with which keys chunks are sealed.
// The namespace implements it over the log; data never looks further.
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId, StripeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'

/** Per shard index the peers that acknowledged it; empty where nobody holds it. */
export type Holders = readonly (readonly PeerId[])[]

export interface StripeMap {
  /** The stripe that holds a chunk, and the chunk's place in its header; undefined while it is in none. */
  locate(chunk: ChunkId): { readonly stripe: StripeId; readonly index: number } | undefined
  stripe(id: StripeId): { readonly header: StripeHeader; readonly holders: Holders } | undefined
  /** Log a stripe with its holders (again, when more of them hold); resolves when the entry is durable here. */
  recordStripe(headerBytes: Uint8Array, holders: Holders): Promise<void>
  /** Members that may hold shards, this node included. */
  candidates(): readonly Candidate[]
  redundancy(): RedundancyClass
  /** Of an epoch, or of the current one. */
  keys(epoch?: number): ChunkKeys
  chunkSizes(): ChunkSizes
  /** How people call a member. */
  nameOf(peer: PeerId): string
  isMember(peer: PeerId): boolean
  /** May this peer hold shards and hand them to others? */
  mayStore(peer: PeerId): boolean
}
