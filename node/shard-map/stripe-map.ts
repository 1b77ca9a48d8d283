// The view of a volume that the data paths have: where chunks are, who may hold shards, and with
// which keys chunks are sealed. The namespace implements it over the log; data never looks further.
import type { ChunkSizes } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkKeys } from '../../protocol/chunk/seal.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import type { ChunkId, PackId, PeerId, StripeId } from '../../protocol/ids.ts'
import { formatClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Candidate } from '../../protocol/placement/rendezvous.ts'
import type { StripeHeader } from '../../protocol/stripe/stripe.ts'
import type { HeldShard, Holding, ShardChange } from '../../protocol/op/op.ts'
import type { BelievedShard, Disbelieved } from './disbelieved-shards.ts'

/** Per shard index the peers that acknowledged it; empty where nobody holds it. */
export type Holders = readonly (readonly PeerId[])[]

/** Hash of what the stripes of a group share. */
export type GroupId = string & { readonly brand: 'group' }

/**
 * Stripes that share placement group, code, class and holders: what becomes of them is one
 * question.
 */
export interface StripeGroup {
  readonly id: GroupId
  readonly placementGroup: number
  readonly k: number
  readonly m: number
  /** Undefined: the volume's. */
  readonly class: RedundancyClass | undefined
  readonly isCondemned: boolean
  /** They are condemned, and somebody says that nobody needs them. */
  readonly isSwept: boolean
  /** Per shard its peers, sorted: which index is whose differs from stripe to stripe. */
  readonly holders: Holders
  /** Names of the cold tiers that hold copies, in their order. */
  readonly tiers: readonly string[]
  /** For stripes in a tier, the number of shards of each that peers must hold; undefined: all. */
  readonly floor?: number
  /** The number of stripes. */
  readonly count: number
  /** Sum over its stripes of the bytes of one shard: what each holder holds. */
  readonly shardBytes: number
}

/** A stripe as the map knows it now. */
export interface MappedStripe {
  readonly header: StripeHeader
  readonly headerBytes: Uint8Array
  readonly holders: Holders
  /** Undefined: the volume's. */
  readonly class: RedundancyClass | undefined
  readonly isCondemned: boolean
  /**
   * It is condemned, and somebody says that nobody needs it: who holds a shard of it decides
   * whether to believe that.
   */
  readonly isSwept: boolean
  readonly cold: readonly ColdCopy[]
  /** When it was recorded, or somebody was last said to have read of it. */
  readonly usedAt: Hlc
  /** As of its group. */
  readonly floor?: number
}

/** All chunks of a stripe in a cold tier, as blocks of a pack. */
export interface ColdCopy {
  readonly tier: string
  readonly pack: PackId
  /** The offset of its first block. */
  readonly offset: number
  /** When it was known to be whole there. */
  readonly since: Hlc
}

/** The place of a chunk: a stripe, and the chunk's index in its header. */
export interface ChunkLocation {
  readonly stripe: StripeId
  readonly index: number
  /** Text of the stripe's class; empty: the volume's. */
  readonly class: string
  readonly isCondemned: boolean
  readonly isSwept: boolean
}

/** A change of the map, by whomever. */
export type MapEvent =
  | { readonly kind: 'shards'; readonly stripe: StripeId }
  | {
      /**
       * A member says that these are not held. That changes nothing, until it is found to be so.
       */
      readonly kind: 'doubted'
      readonly stripe: StripeId
      readonly shards: readonly HeldShard[]
      readonly by: PeerId | undefined
    }
  | { readonly kind: 'condemned' | 'swept' | 'cold'; readonly stripes: readonly StripeId[] }

export interface StripeMap {
  /**
   * Stripes that list a chunk: those in use first, then those recorded first. What they list is not
   * known to be so.
   */
  locations(chunk: ChunkId): readonly ChunkLocation[]
  /**
   * Undefined for what the map does not know. Holders are members, but for those that this node
   * does not believe.
   */
  stripe(id: StripeId): MappedStripe | undefined
  /** In memory; the same array as long as none has changed. */
  groups(): readonly StripeGroup[]
  /** The stripes of a group in order of id. Cost: O(what is read). */
  stripesOf(group: GroupId, options?: { after?: StripeId }): AsyncIterable<StripeId>
  /** All in order of id: for slow passes in the background only. */
  stripes(options?: { after?: StripeId }): AsyncIterable<StripeId>
  /**
   * Log a stripe with these holders, others than this node with their receipts, beside those it
   * has; one that is condemned or swept is in use again. Its class is in its header. Resolves when
   * the entry is durable here.
   */
  recordStripe(headerBytes: Uint8Array, given: readonly Holding[]): Promise<void>
  /**
   * Say who holds what from now on: this node, or others by their receipts; or that this node holds
   * it no more. Resolves when the entry is durable here.
   */
  recordShards(stripe: StripeId, changes: readonly ShardChange[]): Promise<void>
  /**
   * This node found that a peer does not hold what it says: that does not count here any more, and
   * others are told once.
   */
  disbelieve(shard: BelievedShard, options?: { readonly isTold?: boolean }): void
  /** It has proven that it does. */
  believe(shard: BelievedShard): void
  /**
   * Reported holdings that are not believed here: of a peer or a stripe, the latest last, at most
   * so many.
   */
  disbelieved(of: Disbelieved): readonly BelievedShard[]
  /** Let nobody reference chunks by way of these stripes any more. */
  condemn(stripes: readonly StripeId[]): Promise<void>
  /**
   * Say of condemned stripes that nobody needs them: their holders see to it. No effect on one that
   * is not condemned then.
   */
  sweep(stripes: readonly StripeId[]): Promise<void>
  /**
   * Up to where the log is taken here; and up to where every member has it, and nothing can come
   * before that any more.
   */
  progress(): { readonly taken: Hlc; readonly stable: Hlc }
  /**
   * Told of each change in the log after it was applied here; of none where the whole state is
   * replaced. Returns what ends it.
   */
  onChange(listener: (event: MapEvent) => void): () => void
  /**
   * Members that may hold shards, this node included, by what they offer; weight 0: gives its
   * shards away.
   */
  candidates(): readonly Candidate[]
  /** Is a member to be given no new shards, because it is full, or did not hold what it said? */
  isAvoided(peer: PeerId): boolean
  redundancy(): RedundancyClass
  /** Is there a cold tier that stripes may go into? */
  hasTier(): boolean
  /** The keys of an epoch, or of the current one. */
  keys(epoch?: number): ChunkKeys
  chunkSizes(): ChunkSizes
  /** How people call a member. */
  nameOf(peer: PeerId): string
  isMember(peer: PeerId): boolean
  /** May this peer hold shards and hand them to others? */
  mayStore(peer: PeerId): boolean
}

/**
 * Is the chunk listed by a stripe in use of this class (undefined: the volume's)? Whether it lies
 * there is for dedup-check.ts.
 */
export function isListed(
  map: Pick<StripeMap, 'locations'>,
  chunk: ChunkId,
  cls: RedundancyClass | undefined,
): boolean {
  const text = cls === undefined ? '' : formatClass(cls)
  return map.locations(chunk).some((one) => !one.isCondemned && one.class === text)
}
