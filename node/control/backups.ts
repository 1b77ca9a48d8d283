// The owner's calls about backups: copies of a folder of a volume at another place, under a key of
// their own.
import { call, pages } from './route.ts'
import type { z } from 'zod'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import { BACKUP_MODES } from '../../protocol/backup/mode.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import type { Retention } from '../../protocol/backup/retention.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import { placeFields } from './cold.ts'
import type { RoutesOf } from './route.ts'

export interface BackupsApi {
  /**
   * Make a backup job of a folder, once its place was seen to work from here. returns its key,
   * which is kept in the home of this node as well. throws 'EEXIST', 'usage', 'ENOENT', 'ENOTDIR',
   * 'malformed' for a key that is none, 'cold-*'.
   */
  addBackup(request: BackupJobRequest, options?: CallOptions): Promise<AddedBackup>
  listBackups(options?: CallOptions): Promise<readonly BackupJobStatus[]>
  /**
   * Make a backup now, after those that are under way, and remove old ones. In pages, as it goes;
   * to break off is safe: the next run goes on. throws 'ENOENT', 'hook-failed', 'ENOSPC', 'EBUSY',
   * 'ESTALE' where the place was brought back to an older state, 'cold-*'.
   */
  runBackup(
    name: string,
    options?: CallOptions & { readonly mode?: BackupMode | undefined },
  ): AsyncIterable<readonly BackupEvent[]>
  /** The place of a job's backups, and all that is needed to read them. throws 'ENOENT'. */
  backupAccess(name: string, options?: CallOptions): Promise<BackupAccess>
  /** Forget a job and its key; its backups stay where they are. throws 'ENOENT', 'EBUSY'. */
  removeBackup(name: string, options?: CallOptions): Promise<BackupJobStatus>
  /**
   * Remove one backup of a job from its place, and what no other needs. throws 'ENOENT', 'EBUSY',
   * 'cold-*'.
   */
  removeBackupAt(name: string, id: string, options?: CallOptions): Promise<PrunedBackups>
}

const KEY_TEXT_MAX = 4096
const KEPT_MAX = 1_000_000

export const backupsRoutes: RoutesOf<BackupsApi> = {
  addBackup: call(['*'], (types) => ({
    ...placeFields(types),
    name: types.label,
    path: types.path,
    key: types.text(1, KEY_TEXT_MAX).optional(),
    mode: types.oneOf(BACKUP_MODES),
    everyMs: types.integer(1).optional(),
    bytesPerSecond: types.integer(1).optional(),
    ...keptFields(types.integer),
  })),
  listBackups: call([], () => ({})),
  runBackup: pages('backup-run', ['name'], ({ label, oneOf }) => ({
    name: label,
    mode: oneOf(BACKUP_MODES).optional(),
  })),
  backupAccess: call(['name'], ({ label }) => ({ name: label })),
  removeBackup: call(['name'], ({ label }) => ({ name: label })),
  removeBackupAt: call(['name', 'id'], ({ label }) => ({ name: label, id: label })),
}

type KeptFields = Readonly<Record<keyof Retention, z.ZodOptional<z.ZodType<number>>>>

function keptFields(integer: (min: number, max: number) => z.ZodType<number>): KeptFields {
  const kept = integer(1, KEPT_MAX).optional()
  return { last: kept, hourly: kept, daily: kept, weekly: kept, monthly: kept, yearly: kept }
}

/** The place of backups, as for cold tiers. */
export interface BackupPlaceRequest extends TierAccess {
  readonly url: string
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly storageClass?: string | undefined
  /** The most that is uploaded in a second. */
  readonly bytesPerSecond?: number | undefined
}

export interface BackupJobRequest extends BackupPlaceRequest, Retention {
  readonly name: string
  /** A folder of a volume. */
  readonly path: string
  /** The text of a key that the place has backups of already. */
  readonly key?: string | undefined
  readonly mode: BackupMode
  /** Undefined: only when it is asked for. */
  readonly everyMs?: number | undefined
}

export interface AddedBackup {
  readonly job: BackupJobStatus
  /** The text of its key. */
  readonly key: string
}

export interface BackupJobStatus {
  readonly name: string
  readonly volume: string
  /** With the volume. */
  readonly path: string
  readonly url: string
  readonly mode: BackupMode
  readonly everyMs?: number | undefined
  readonly keep: Retention
  readonly isRunning: boolean
  /** The last run. */
  readonly startedMs?: WallTime | undefined
  readonly endedMs?: WallTime | undefined
  readonly failure?: { readonly code: ErrorCode; readonly message: string } | undefined
  /** The number of the newest backup that this node knows of. */
  readonly number?: number | undefined
  /** When the next run is due. */
  readonly dueMs?: WallTime | undefined
}

export interface BackupAccess extends BackupPlaceRequest {
  /** The text of the key. */
  readonly key: string
  readonly job: string
  /** The number of the newest backup that this node knows of. */
  readonly number?: number | undefined
}

export interface PrunedBackups {
  readonly removed: number
  readonly freedBytes: number
}

export type BackupEvent =
  | { readonly kind: 'waiting' }
  | BackupProgress
  /** It cannot be read, and is left out. */
  | { readonly kind: 'failure'; readonly path: string; readonly message: string }
  /** Something went wrong that does not end it. */
  | { readonly kind: 'warning'; readonly message: string }
  | MadeBackup

export interface BackupProgress {
  readonly kind: 'progress'
  readonly files: number
  readonly bytes: number
  readonly totalBytes: number
  readonly addedBytes: number
}

/** The backup that was made. */
export interface MadeBackup {
  readonly kind: 'made'
  readonly id: string
  readonly number: number
  readonly mode: BackupMode
  readonly timeMs: WallTime
  readonly files: number
  readonly folders: number
  readonly specials: number
  readonly bytes: number
  readonly unchanged: number
  readonly addedBytes: number
  readonly failed: number
  readonly removed: number
  readonly freedBytes: number
}
