// The calls of a node's owner about what was replaced or removed, and how to get it back.
import { fileCall, pages } from './route.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { ExtendedAttributes, FileCallOptions, FileStat, StatOptions } from './files.ts'
import type { RoutesOf } from './route.ts'

/**
 * Former states of files, which a volume keeps by its setting `versions`. Paths lead through
 * folders that were removed, too.
 */
export interface VersionsApi {
  /**
   * The states of a file that are kept, the newest first, with those of others that had its name;
   * in pages. throws 'ENOENT' where nothing is known of that path, 'EISDIR' for a folder.
   */
  listVersions(
    path: string,
    options?: CallOptions & StatOptions,
  ): AsyncIterable<readonly VersionInfo[]>
  /**
   * One of them: by its id, or the one that stood at a moment, or else the nearest. throws as
   * listVersions(), and 'ENOENT' for an id that is not kept.
   */
  findVersion(path: string, options?: FileCallOptions & Moment): Promise<FoundVersion>
  /**
   * The removed names in a folder and below, in pages: of a removed folder, only itself. throws
   * 'ENOENT', 'ENOTDIR'.
   */
  listRemoved(path: string, options?: CallOptions): AsyncIterable<readonly RemovedItem[]>
  /**
   * Bring back what was removed at a path: a file as it was, or a folder with all that went with
   * it.
   * throws 'ENOENT', 'EEXIST' where something is there.
   */
  undelete(path: string, options?: FileCallOptions & BringBackOptions): Promise<BroughtBack>
  /**
   * Bring back a file, or a folder with all that was in it, as it was at a moment: in its place, or
   * at another path, where nothing may be yet. In place only what differs is written, and what was
   * made since stays. throws 'ENOENT', 'EEXIST', 'EISDIR', 'ENOTDIR'.
   */
  restore(path: string, options?: FileCallOptions & Moment & BringBackOptions): Promise<BroughtBack>
  /**
   * Have all former versions of a file, or one by its id, forgotten on all members, whatever the
   * setting `versions` says. throws as listVersions(), 'usage' for the id of what a file holds now,
   * 'EPERM' on a node that is no admin.
   */
  purgeVersions(
    path: string,
    options?: FileCallOptions & Pick<Moment, 'version'>,
  ): Promise<PurgedVersions>
}

export const versionsRoutes: RoutesOf<VersionsApi> = {
  listVersions: pages('versions', ['path'], ({ path, flag }) => ({ path, extended: flag })),
  findVersion: fileCall(['path'], ({ path, wallTime, text }) => ({
    path,
    atMs: wallTime.optional(),
    version: text(1, VERSION_TEXT_MAX).optional(),
  })),
  listRemoved: pages('removed', ['path'], ({ path }) => ({ path })),
  undelete: fileCall(['path'], ({ path }) => ({ path, to: path.optional() })),
  restore: fileCall(['path'], ({ path, wallTime, text }) => ({
    path,
    to: path.optional(),
    atMs: wallTime.optional(),
    version: text(1, VERSION_TEXT_MAX).optional(),
  })),
  purgeVersions: fileCall(['path'], ({ path, text }) => ({
    path,
    version: text(1, VERSION_TEXT_MAX).optional(),
  })),
}

/** Characters of the id of a version, or of `@` and the name of a snapshot. */
export const VERSION_TEXT_MAX = 128

/** One of the two. */
export interface Moment {
  readonly atMs?: WallTime | undefined
  /**
   * The id of a version, or what it begins with if no other does; or `@` and the name of a
   * snapshot.
   */
  readonly version?: string | undefined
}

export interface BringBackOptions {
  /** Another path for it. */
  readonly to?: string | undefined
}

/**
 * How a state ended: 'current' did not, nor did 'conflict', a version beside it; 'overwritten' by
 * the next, 'removed' with its name, 'replaced' by another file of its name, 'dropped' when a
 * conflict was resolved.
 */
export type VersionEnd = 'current' | 'conflict' | 'overwritten' | 'removed' | 'replaced' | 'dropped'

export interface VersionInfo {
  readonly id: string
  readonly kind: FileKind
  readonly sizeBytes: number
  /** When it was written, and by whom. */
  readonly timeMs: WallTime
  readonly author: string
  readonly end: VersionEnd
  /** When it ended, and by whom. */
  readonly endedMs?: WallTime | undefined
  readonly endedBy?: string | undefined
  /** Given where extended attributes are asked for. */
  readonly file?: VersionFile | undefined
}

/** The file that a state is of. */
export interface VersionFile extends Pick<FileStat, 'modifiedNs'> {
  /** As that of a FileStat, when this was its content. */
  readonly tag: string
  readonly extended: ExtendedAttributes
  /** Not if nothing was ever written to it, or that was purged. */
  readonly hasContent: boolean
}

export interface FoundVersion extends VersionInfo {
  /** Did it stand at the moment that was asked for? Else it is the nearest that is kept. */
  readonly isExact: boolean
}

export interface RemovedItem {
  readonly path: string
  readonly kind: FileKind
  readonly sizeBytes: number
  readonly removedMs: WallTime
  readonly removedBy: string
}

export interface PurgedVersions {
  readonly versions: number
  readonly sizeBytes: number
}

export interface BroughtBack {
  /** Its path now. */
  readonly path: string
  readonly files: number
  readonly folders: number
  readonly sizeBytes: number
  /** Files that had not changed. */
  readonly unchanged: number
  /** The state is that of just before this time. */
  readonly atMs: WallTime
  /** Files of which another state than that was the nearest that is kept. */
  readonly nearest: number
}
