// The calls of a node's owner about snapshots.
import { SNAPSHOT_NAME_MAX } from '../../protocol/limits.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { FileCallOptions } from './files.ts'
import { call, fileCall, pages } from './route.ts'
import type { RoutesOf } from './route.ts'

/**
 * Named states of a volume, or of a folder in it, which stay until they are removed, whatever the
 * setting `versions` keeps. What they name can be read by `version: '@NAME'`.
 */
export interface SnapshotsApi {
  /**
   * Keeps what is here now, in a folder and below. Only records are made. throws 'EEXIST' for a
   * name that is taken, 'ENOTDIR', 'EPERM' on a node that may not write.
   */
  createSnapshot(path: string, options?: FileCallOptions & NewSnapshot): Promise<SnapshotInfo>
  /** The newest first. `space`: also what removing each would free. */
  listSnapshots(options?: VolumeCallOptions & SpaceOptions): Promise<readonly SnapshotInfo[]>
  /** throws 'ENOENT', 'EPERM' for one that is held, unless with `force`, and of another member. */
  removeSnapshot(name: string, options?: VolumeCallOptions & ForceOptions): Promise<SnapshotInfo>
  /** Keep one from being removed, or no more. throws 'ENOENT', 'EACCES' for who is no admin. */
  holdSnapshot(name: string, options?: VolumeCallOptions & HoldOptions): Promise<SnapshotInfo>
  /**
   * The changes in a folder and below from a snapshot to another, or to what is there now, in
   * order of path, in pages. throws 'ENOENT'.
   */
  diffSnapshots(
    path: string,
    options: CallOptions & DiffOptions,
  ): AsyncIterable<readonly SnapshotChange[]>
  /**
   * Bring a folder and all below to what it was in a snapshot: what was made since is removed.
   * `dryRun`: only say what that would be. throws 'ENOENT', 'EPERM'.
   */
  rollBack(path: string, options: FileCallOptions & RollBackOptions): Promise<RolledBack>
}

export const snapshotsRoutes: RoutesOf<SnapshotsApi> = {
  createSnapshot: fileCall(['path'], ({ path, text }) => ({
    path,
    name: text(1, SNAPSHOT_NAME_MAX).optional(),
  })),
  listSnapshots: call([], ({ volume, flag }) => ({ volume, space: flag })),
  removeSnapshot: call(['name'], ({ label, volume, flag }) => ({
    name: label,
    volume,
    force: flag,
  })),
  holdSnapshot: call(['name'], ({ label, volume, flag }) => ({
    name: label,
    volume,
    release: flag,
  })),
  diffSnapshots: pages('snapshot-diff', ['path'], ({ path, label }) => ({
    path,
    from: label,
    to: label.optional(),
  })),
  rollBack: fileCall(['path'], ({ path, label, flag }) => ({
    path,
    snapshot: label,
    dryRun: flag,
  })),
}

export interface NewSnapshot {
  /** Default: one that tells the time. */
  readonly name?: string | undefined
}

export interface SpaceOptions {
  readonly space?: boolean | undefined
}

export interface ForceOptions {
  /** Also if it is held. */
  readonly force?: boolean | undefined
}

export interface HoldOptions {
  /** Let it go. */
  readonly release?: boolean | undefined
}

export interface DiffOptions {
  readonly from: string
  /** Default: what is there now. */
  readonly to?: string | undefined
}

export interface RollBackOptions {
  readonly snapshot: string
  readonly dryRun?: boolean | undefined
}

export interface SnapshotInfo {
  readonly name: string
  readonly volume: string
  /** The folder that it is of, by its path then; undefined while its tree is not here. */
  readonly path: string | undefined
  /** The last moment that it has. */
  readonly timeMs: WallTime
  readonly author: string
  readonly isHeld: boolean
  /**
   * Bytes, as they were written, that nothing else keeps: removing it frees so much at most. Only
   * if they were asked for, and it is on this node.
   */
  readonly ownBytes?: number | undefined
  /**
   * 'same': this node came to the same; 'disputed': to something else, which is shown; 'taken': it
   * is as its maker says; 'awaited': it is not on this node yet; 'lost': nobody has had it for a
   * week.
   */
  readonly state: 'same' | 'disputed' | 'taken' | 'awaited' | 'lost'
}

export type SnapshotChangeKind = 'added' | 'changed' | 'renamed' | 'removed'

export interface SnapshotChange {
  readonly kind: SnapshotChangeKind
  /** Its path after the change, of what was removed before. */
  readonly path: string
  /** Its path before, if it was renamed. */
  readonly from?: string | undefined
  readonly fileKind: FileKind
  readonly sizeBytes: number
}

export interface RolledBack {
  readonly path: string
  readonly atMs: WallTime
  /** Names that were made since, and are removed. */
  readonly removed: number
  readonly removedBytes: number
  /** Names that come back, have another content or attributes again, or another name again. */
  readonly broughtBack: number
  readonly changed: number
  readonly renamed: number
  /** The size of all that comes back or is changed. */
  readonly bytes: number
  /** Some of them. */
  readonly samples: readonly SnapshotChange[]
}
