// The calls of a node's owner about conflicts: what was written, made or named by several at once.
import { call, pages } from './route.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

/**
 * A file or folder written, made or named by several at once: one has the name and the others show
 * beside it. Answers name the volume in their paths if the call does.
 */
export interface ConflictsApi {
  /** Those at a path and below, in pages. throws 'ENOENT', 'ENOTDIR'. */
  listConflicts(path: string, options?: CallOptions): AsyncIterable<readonly Conflict[]>
  /** By the path of any side. throws 'ENOENT', 'EINVAL' where there is no conflict. */
  showConflict(path: string, options?: ShowConflictOptions): Promise<Conflict>
  /**
   * End a conflict: the side at `path` gets the name, or keeps it, and the others go.
   * throws 'ENOENT', 'EINVAL' where there is none, 'EISDIR' where a side is a folder: then a move
   * of one ends it.
   */
  keepConflict(path: string, options?: CallOptions): Promise<KeptConflict>
}

export const conflictsRoutes: RoutesOf<ConflictsApi> = {
  listConflicts: pages('conflicts', ['path'], ({ path }) => ({ path })),
  showConflict: call(['path'], ({ path, integer }) => ({ path, from: integer(0).optional() })),
  keepConflict: call(['path'], ({ path }) => ({ path })),
}

export interface Conflict {
  /** The path of the side that has the name. */
  readonly path: string
  /** That side first. At least two, unless others were asked for. */
  readonly sides: readonly ConflictSide[]
  /**
   * Sides that are not among these: too many to show in their folder, where each is found by its
   * path all the same.
   */
  readonly moreCount: number
}

export interface ShowConflictOptions extends CallOptions {
  /** Instead of the sides that show in their folder: some of the others, from this one on. */
  readonly from?: number | undefined
}

export interface KeptConflict {
  /** The path of the side that was kept. */
  readonly path: string
  /** The sides that went; of very many the first. */
  readonly removed: readonly string[]
}

export interface ConflictSide {
  /** As it shows: one of a name of its own, or a conflict name. */
  readonly path: string
  readonly kind: FileKind
  readonly sizeBytes: number
  /** The author of this content, or name, and the time by that node's clock. */
  readonly peer: PeerId | undefined
  readonly author: string
  readonly writtenMs: WallTime
  /** Not listed in its folder, as conflicts=lww says; it is there by its path all the same. */
  readonly hidden: boolean
  /** A free path to which this one can be moved, where a side is a folder and none can be kept. */
  readonly moveTo?: string | undefined
}
