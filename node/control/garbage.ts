// The owner's calls about garbage collection.
import { pages } from './route.ts'
import type { VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface GarbageApi {
  /**
   * Look now at all that the volumes of this node, or one of them, still reach, and give up the
   * rest. Stripes are given up once every member is known to agree, which is waited for a short
   * while; what is left goes by itself. In pages, as it goes: last the report. To break off is
   * safe.
   * throws 'no-such-volume', 'chunk-unavailable' where a file's list of chunks cannot be read now:
   * then nothing is given up.
   */
  collectGarbage(options?: VolumeCallOptions): AsyncIterable<readonly GarbageEvent[]>
}

export const garbageRoutes: RoutesOf<GarbageApi> = {
  collectGarbage: pages('garbage', [], ({ volume }) => ({ volume })),
}

export type GarbageEvent =
  ({ readonly kind: 'progress' } & GarbageProgress) | ({ readonly kind: 'done' } & GarbageReport)

/**
 * The step that a pass is at, and how far that is: 'files' that are looked at, then 'stripes';
 * 'copies' on this node and 'space' of its store in bytes; 'members' the ms that others have to
 * confirm what goes. Steps may come again.
 */
export interface GarbageProgress {
  readonly step: 'files' | 'stripes' | 'copies' | 'members' | 'space'
  readonly done: number
  readonly total: number
}

/** Is told how far a pass is. */
export type TellGarbage = (progress: GarbageProgress) => void

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
