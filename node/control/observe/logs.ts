// The owner's calls about the log of the node: what its parts report, and how much of that.
import { LOG_LEVELS } from '../../../protocol/log-level.ts'
import type { LogLevel } from '../../../protocol/log-level.ts'
import { call, pages } from '../route.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { CallOptions } from '../api.ts'
import type { RoutesOf } from '../route.ts'

export interface LogsApi {
  /**
   * Lines of the log in their order, in pages. With `follow` also those to come, until the call is
   * aborted. throws 'unsupported' for a node that writes none.
   */
  readLogs(options?: CallOptions & LogReadOptions): AsyncIterable<readonly LogLine[]>
  /** By part of the node; '' for all that have none of their own. throws 'unsupported'. */
  logLevels(options?: CallOptions): Promise<Readonly<Record<string, LogLevel>>>
  /**
   * From now until the node stops, lines of a part ('' for all that have no level of their own)
   * that are below a level are not written. throws 'ENOENT' for no part, 'unsupported'.
   */
  setLogLevel(part: string, level: LogLevel, options?: CallOptions): Promise<void>
}

export const logsRoutes: RoutesOf<LogsApi> = {
  readLogs: pages('logs', [], ({ wallTime, integer, flag, label, oneOf }) => ({
    sinceMs: wallTime.optional(),
    limit: integer(0).optional(),
    part: label.optional(),
    level: oneOf(LOG_LEVELS).optional(),
    follow: flag,
    transfers: flag,
  })),
  logLevels: call([], () => ({})),
  setLogLevel: call(['part', 'level'], ({ text, oneOf }) => ({
    part: text(0, PART_MAX),
    level: oneOf(LOG_LEVELS),
  })),
}

const PART_MAX = 40

export interface LogReadOptions {
  readonly sinceMs?: WallTime | undefined
  /** The newest of them, so many at most. */
  readonly limit?: number | undefined
  /** The part of the node: 'sync'. */
  readonly part?: string | undefined
  /** The lowest level. */
  readonly level?: LogLevel | undefined
  readonly follow?: boolean | undefined
  /** Lines of the log of transfers, in place of those of the parts. */
  readonly transfers?: boolean | undefined
}

export interface LogLine {
  readonly timeMs: WallTime
  readonly level: LogLevel
  readonly event: string
  readonly message: string
  /** All else that the line says. */
  readonly fields: Readonly<Record<string, unknown>>
}
