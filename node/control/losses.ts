// The calls of a node's owner about mass losses: a member replaced or removed much of a volume
// within minutes, and what stood before is kept until an admin dismisses that.
import { call } from './route.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface LossesApi {
  /** Those that count, of each member one, the oldest first. throws 'no-such-volume'. */
  listLosses(options?: VolumeCallOptions): Promise<readonly LossInfo[]>
  /**
   * They were meant: what stood before them is kept no longer than the rule of the volume says.
   * returns those that were dismissed. throws 'no-such-volume', 'EPERM' on a node that is no admin.
   */
  dismissLosses(options?: VolumeCallOptions): Promise<readonly LossInfo[]>
}

export const lossesRoutes: RoutesOf<LossesApi> = {
  listLosses: call([], ({ volume }) => ({ volume })),
  dismissLosses: call([], ({ volume }) => ({ volume })),
}

export interface LossInfo {
  readonly volume: string
  /** The member that replaced or removed it, and the one that told of that. */
  readonly member: string
  readonly toldBy: string
  /** Shortly before the first of it was lost: all that stood then is kept. */
  readonly atMs: WallTime
  readonly toldMs: WallTime
}
