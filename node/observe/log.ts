// The log of a running node: JSON lines in `<home>/logs/node.log`, at most LOG_BYTES_MAX long; then
// it becomes `node.log.old`, which replaces the one before. Lines are written at once, so that a
// crash does not take the last away.
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { destination, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { escapeHidden } from '../../protocol/hidden-chars.ts'
import { MIB } from '../../protocol/units.ts'
import { LOG_EVENTS, partOf } from './log-events.ts'
import type { WriteLog } from './log-events.ts'
import { LOG_LEVELS } from '../../protocol/log-level.ts'
import type { LogLevel } from '../../protocol/log-level.ts'

/** In the home. */
export const LOG_FILE = 'logs/node.log'
const LOG_BYTES_MAX: number = 8 * MIB

/** The level of each part of a node: lines below it are not written. */
export type LogLevels = ReadonlyMap<string, LogLevel>

export interface LogOptions {
  /** In the home; LOG_FILE by default. */
  readonly file?: string
  /** The level of parts that have none of their own. */
  readonly level?: LogLevel
  /** Transforms a written line. */
  readonly seal?: (line: string) => string
}

export interface NodeLog {
  readonly write: WriteLog
  /** Those that were set; '' is for all other parts. */
  readonly levels: LogLevels
  /** Hear each line that is written, before it is sealed. returns how to hear no more. */
  readonly listen: (listener: (line: string) => void) => () => void
  /** From now on until the node stops. part: '' for all that have none of their own. */
  readonly setLevel: (part: string, level: LogLevel) => void
}

/** Open the log of a home, which must be there. */
export function openLog(
  home: string,
  { file: name = LOG_FILE, level = 'info', seal = (line) => line }: LogOptions = {},
): NodeLog {
  const path = join(home, name)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = openFile(path)
  const listeners = new Set<(line: string) => void>()
  const logger = pino(
    {
      base: null,
      level: 'debug',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label },
      serializers: { error: stdSerializers.err },
    },
    {
      write: (text) => {
        const line = escapeHidden(text.trimEnd())
        for (const listener of listeners) listener(line)
        file.write(`${seal(line)}\n`)
      },
    },
  )
  const levels = new Map<string, LogLevel>([['', level]])
  const least = (part: string): LogLevel => levels.get(part) ?? levels.get('') ?? level
  return {
    levels,
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    setLevel: (part, to) => void levels.set(part, to),
    write: (event, fields) => {
      const [lineLevel, message] = LOG_EVENTS[event]
      if (LOG_LEVELS.indexOf(lineLevel) < LOG_LEVELS.indexOf(least(partOf(event)))) return
      logger[lineLevel]({ event, ...fields }, message)
    },
  }
}

/** One that begins anew when it is full. */
function openFile(path: string): ReturnType<typeof destination> {
  const file = destination({ dest: path, sync: true, mode: 0o600 })
  let bytes = statSync(path).size
  file.on('write', (written) => {
    bytes += written
    if (bytes < LOG_BYTES_MAX) return
    bytes = 0
    renameSync(path, `${path}.old`)
    file.reopen()
  })
  // A full disk stops the log, not the node.
  file.on('error', () => {})
  return file
}

function label(text: string): { readonly level: string } {
  return { level: text }
}
