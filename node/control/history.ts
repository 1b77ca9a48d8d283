// The calls of a node's owner about what happened.
import { pages } from './route.ts'
import type { EntryHash, PeerId } from '../../protocol/ids.ts'
import type { Change } from '../../protocol/tree/describe.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

export interface HistoryApi {
  /**
   * The log of a volume (the path of its root), or what of it is about a file, or about a folder
   * and all in it, also under other names; newest first, in pages. cost: O(entries given) for a
   * volume; for a path the whole log is read. With `follow` the latest `limit` entries oldest
   * first, and then new ones as they come, until the call is aborted.
   * throws 'ENOENT', 'ENOTDIR', 'EPERM' on a keeper.
   */
  readLog(path: string, options?: CallOptions & LogOptions): AsyncIterable<readonly LogItem[]>
}

export const historyRoutes: RoutesOf<HistoryApi> = {
  readLog: pages('log', ['path'], ({ path, integer, flag }) => ({
    path,
    limit: integer(0).optional(),
    follow: flag,
    all: flag,
  })),
}

export interface LogOptions {
  /** Entries at most. Default: all; 10 before those that are followed. */
  readonly limit?: number | undefined
  readonly follow?: boolean | undefined
  /** Also what nodes note for themselves: where data lies, merges, checkpoints. */
  readonly all?: boolean | undefined
}

/** 'dropped' comes last: what was written before that time may not be kept. */
export type LogItem =
  LogEntry | { readonly kind: 'dropped'; readonly beforeMs: WallTime | undefined }

export interface LogEntry {
  readonly kind: 'entry'
  readonly id: EntryHash
  /**
   * The heads that its author had when it was made, as far as can be told cheaply: one, or several
   * that it merges.
   */
  readonly parents: readonly EntryHash[]
  readonly peer: PeerId
  /** The name of that member. */
  readonly author: string
  /** By the author's clock, and after all that the author had seen. */
  readonly timeMs: WallTime
  readonly changes: readonly Change[]
}
