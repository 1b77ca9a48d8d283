// The owner's calls about upkeep: scrub and repair now, rather than in due time.
import { call, pages } from './route.ts'
import type { ChunkId, StripeId } from '../../protocol/ids.ts'
import type { VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface UpkeepApi {
  /**
   * Read and check now all that this node stores, of a volume or of all, and what the volumes say
   * it should store. What is damaged or not there is told to the volume, so that it is rebuilt. In
   * pages, as it goes; to break off is safe.
   * throws 'no-such-volume'.
   */
  scrub(options?: VolumeCallOptions): AsyncIterable<readonly ScrubEvent[]>
  /**
   * Look now what is to be repaired, and do what falls to this node; returns when that is done.
   * Volumes say meanwhile how far it is, and to break off leaves it going on. throws
   * 'no-such-volume'.
   */
  repair(options?: VolumeCallOptions): Promise<void>
}

export const upkeepRoutes: RoutesOf<UpkeepApi> = {
  scrub: pages('scrub', [], ({ volume }) => ({ volume })),
  repair: call([], ({ volume }) => ({ volume })),
}

/** How far a scrub is, in bytes read and to be read, or something that it has found. */
export type ScrubEvent =
  | { readonly kind: 'progress'; readonly doneBytes: number; readonly totalBytes: number }
  | ScrubFinding

/**
 * `state`: 'damaged' on the disk, 'missing' from it though the volume's map says that it is here,
 * or 'stray': here, though the map says nothing of it. `action`, what was done about it: 'recorded'
 * the map says so now, and the shard is rebuilt, here or elsewhere 'returned' the map says now that
 * it is here 'restored' it was in this node's trash, and is back 'replaced' by a good copy of
 * another node 'dropped' it is not needed here: others have it 'trashed' it goes for good in a
 * while 'kept' for now: it may be needed yet, and is looked at again 'lost' no other node that can
 * be reached has it
 */
export interface ScrubFinding {
  readonly kind: 'shard' | 'chunk'
  readonly id: StripeId | ChunkId
  /** The index of a shard in its stripe. */
  readonly index?: number | undefined
  /** Its name; undefined where no volume of this node knows it. */
  readonly volume: string | undefined
  readonly state: 'damaged' | 'missing' | 'stray'
  readonly action:
    'recorded' | 'returned' | 'restored' | 'replaced' | 'dropped' | 'trashed' | 'kept' | 'lost'
}
