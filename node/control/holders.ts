// The owner's call about who holds a file.
import { call } from './route.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface HoldersApi {
  /**
   * Tell which members hold shards of a file's content, all versions of it. cost: O(its chunks).
   * throws 'ENOENT', 'EISDIR', 'EPERM' on a keeper.
   */
  fileHolders(path: string, options?: CallOptions): Promise<HoldersOfFile>
}

export const holdersRoutes: RoutesOf<HoldersApi> = {
  fileHolders: call(['path'], ({ path }) => ({ path })),
}

export interface HoldersOfFile {
  /** The stripes that its chunks are in; none for what is so small that it is in the log. */
  readonly stripes: number
  /** Chunks in no stripe yet. */
  readonly unplaced: number
  /** Stripes of these that a cold tier has, too. */
  readonly inTiers: number
  /** The one that holds the most first. */
  readonly holders: readonly {
    readonly peer: PeerId
    readonly name: string
    readonly shards: number
  }[]
}
