// The calls of a node's owner by which this node leaves a volume, and comes back.
import { call } from './route.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'
import type { VolumeInfo } from './volumes.ts'

export interface LeavingApi {
  /**
   * Let go of a volume that others have too: what is here is placed with them first, and they are
   * told, if this node may say so. It is kept for a week, so that it can come back; with `now` it
   * is deleted at once, also one that was left before. `force`: whatever is here alone, and
   * whether or not others are told.
   * throws 'no-such-volume', 'usage' where no other member has it, 'EPERM' where an admin must take
   * this node out first, 'not-placed' for what would be lost, 'EBUSY' for a mount in use,
   * 'NO_QUORUM'.
   */
  leaveVolume(volume: string, options?: CallOptions & LeaveRequest): Promise<LeftStatus>
  /**
   * The same of a volume that nobody else has: it is deleted. throws as leaveVolume, and 'usage'
   * where others have it.
   */
  removeVolume(volume: string, options?: CallOptions & LeaveRequest): Promise<LeftStatus>
  /**
   * Bring back a volume that is still kept. throws 'no-such-volume', 'usage' for a name that
   * several had, 'EBUSY' where it is being deleted.
   */
  rejoinVolume(volume: string, options?: CallOptions): Promise<VolumeInfo>
  /** Volumes that were left and are still here. */
  listLeftVolumes(options?: CallOptions): Promise<readonly LeftStatus[]>
}

export const leavingRoutes: RoutesOf<LeavingApi> = {
  leaveVolume: call(['volume'], ({ label, flag }) => ({ volume: label, force: flag, now: flag })),
  removeVolume: call(['volume'], ({ label, flag }) => ({ volume: label, force: flag, now: flag })),
  rejoinVolume: call(['volume'], ({ label }) => ({ volume: label })),
  listLeftVolumes: call([], () => ({})),
}

export interface LeaveRequest {
  readonly force?: boolean | undefined
  readonly now?: boolean | undefined
}

export interface LeftStatus {
  readonly id: VolumeId
  readonly name: string
  readonly leftMs: WallTime
  /** When it is deleted, if it does not come back. */
  readonly untilMs: WallTime
  /** Kept, or being deleted, or not here any more. */
  readonly state: 'kept' | 'deleting' | 'deleted'
}
