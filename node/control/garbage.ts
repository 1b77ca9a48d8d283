// The owner's calls about garbage collection.
import { call } from './route.ts'
import type { VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface GarbageApi {
  /**
   * Look now at all that the volumes of this node, or one of them, still reach, and give up the
   * rest. Stripes are given up once every member is known to agree, which is waited for a short
   * while; what is left goes by itself.
   * throws 'no-such-volume', 'chunk-unavailable' where a file's list of chunks cannot be read now:
   * then nothing is given up.
   */
  collectGarbage(options?: VolumeCallOptions): Promise<GarbageReport>
}

export const garbageRoutes: RoutesOf<GarbageApi> = {
  collectGarbage: call([], ({ volume }) => ({ volume })),
}

export interface GarbageReport {
  readonly volumes: readonly VolumeGarbageReport[]
  /** In this node's own store: copies that nobody needs any more, and the disk space freed. */
  readonly deletedBytes: number
  /** And copies of what other nodes hold as well, that were due (the setting `keep-local`). */
  readonly releasedBytes: number
  readonly freedBytes: number
  /**
   * Shards on this node that were given up, kept for a while, and what compaction can give back
   * later.
   */
  readonly trashBytes: number
  readonly reclaimableBytes: number
}

/** A file that cannot be looked at. */
export interface FileFault {
  readonly path: string
  /** Name of the member who wrote it. */
  readonly author: string
  readonly message: string
}

/** Stripes, and bytes of all their shards on all peers. */
export interface VolumeGarbageReport {
  readonly volume: string
  /** Found to be needed by nobody, or packed anew with others. */
  readonly condemned: number
  readonly repacked: number
  /** Given up for good: their holders let go. */
  readonly swept: number
  readonly sweptBytes: number
  /** Given up as soon as these members, by name, are known to have heard of it. */
  readonly waiting: number
  readonly waitingFor: readonly string[]
  /**
   * Files that nobody can read, as their lists of chunks contradict themselves: what only they hold
   * is given up.
   */
  readonly falseFiles: readonly FileFault[]
}
