// The owner's calls for the day when all machines are gone.
import { BACKUP_NUMBER_MAX, RECOVERY_KEY_TEXT_MAX } from '../../protocol/limits.ts'
import { placeFields } from './cold.ts'
import { call } from './route.ts'
import type { TierAccess } from '../../protocol/cold/access-key.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { FieldTypes } from './fields.ts'
import type { VolumeInfo } from './volumes.ts'
import type { Tier } from './cold.ts'
import type { RoutesOf } from './route.ts'

export interface RecoveryApi {
  /**
   * Make a key by which a volume can be rebuilt from its cold tiers alone, as a member of it that
   * no node runs as. Who has it reads and owns the volume. throws 'no-such-volume', 'EPERM'.
   */
  exportRecoveryKey(options?: VolumeCallOptions): Promise<ExportedKey>
  /**
   * Rebuild a volume from a cold tier, with this node as an admin of it. Either all of its
   * namespace is here then, or nothing. throws 'usage', 'malformed' for what is no key, 'EEXIST',
   * 'ENOENT', 'EACCES', 'corrupt', 'cold-*', 'ESTALE' if all that can be used is older than asked
   * for.
   */
  recover(request: RecoverRequest, options?: CallOptions): Promise<Recovered>
  /**
   * The same as a drill: rebuild it, look at the whole tree, read some files, and forget it again.
   * Nothing is written to the tier or told to anybody. throws as recover().
   */
  rehearseRecovery(request: RehearseRequest, options?: CallOptions): Promise<Rehearsal>
}

const recoverFields = (types: FieldTypes) => ({
  ...placeFields(types),
  key: types.text(0, RECOVERY_KEY_TEXT_MAX),
  atLeastNumber: types.integer(1, BACKUP_NUMBER_MAX).optional(),
  atLeastMs: types.wallTime.optional(),
  asOfMs: types.wallTime.optional(),
})

export const recoveryRoutes: RoutesOf<RecoveryApi> = {
  exportRecoveryKey: call([], ({ volume }) => ({ volume })),
  recover: call(['*'], recoverFields),
  rehearseRecovery: call(['*'], (types) => ({
    ...recoverFields(types),
    sample: types.integer(0).optional(),
  })),
}

export interface ExportedKey {
  /** Its name in the volume. */
  readonly name: string
  readonly volume: string
  /** To be kept, and given to recover(). */
  readonly text: string
  /** Tiers by which it can be used; of the others why not yet. */
  readonly tiers: readonly string[]
  readonly failures: readonly { readonly tier: string; readonly message: string }[]
}

export interface RehearseRequest extends RecoverRequest {
  /** Files that are read whole, chosen by chance. */
  readonly sample?: number | undefined
}

/** A volume as it would be, rebuilt from a tier and a key alone. */
export interface Rehearsal {
  /** The name of the volume. */
  readonly volume: string
  readonly backup: UsedBackup
  readonly folders: number
  readonly files: number
  /** Symlinks and special files. */
  readonly others: number
  /** The bytes of all files. */
  readonly bytes: number
  readonly readFiles: number
  readonly readBytes: number
  /** Files that could not be read, and why. */
  readonly problems: readonly { readonly path: string; readonly message: string }[]
}

export interface Recovered extends VolumeInfo {
  readonly backup: UsedBackup
}

/** Which backup a volume was rebuilt from, as its author says. */
export interface UsedBackup {
  readonly number: number
  readonly timeMs: WallTime
  /** The name of the member that made it. */
  readonly author: string
  /** Objects that were passed over, each with why, as the end of a sentence. */
  readonly skipped: readonly { readonly key: string; readonly why: string }[]
}

export interface RecoverRequest extends Omit<Tier, 'name'>, TierAccess {
  readonly key: string
  /** Nothing older: than this number, or this time. */
  readonly atLeastNumber?: number | undefined
  readonly atLeastMs?: WallTime | undefined
  /** First bring back what the tier held at this time. */
  readonly asOfMs?: WallTime | undefined
}
