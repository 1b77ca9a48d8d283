// The log of a running node: JSON lines in `<home>/logs/node.log`, at most LOG_BYTES_MAX long; then
// it becomes `node.log.old`, which replaces the one before. Lines are written at once, so that a
// crash does not take the last away.
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { destination, pino, stdSerializers, stdTimeFunctions } from 'pino'
import { escapeHidden } from '../../protocol/hidden-chars.ts'
import { MIB } from '../../protocol/units.ts'

const LOG_BYTES_MAX: number = 8 * MIB

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Say what happened; never throws. `fields` become JSON keys beside `time`, `level` and `msg`. */
export type Log = (
  level: LogLevel,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void

export interface LogOptions {
  readonly level?: LogLevel
  /** Transforms a written line. */
  readonly seal?: (line: string) => string
}

/** Open the log of a home, which must be there. Lines below `level` are dropped. */
export function openLog(
  home: string,
  { level = 'info', seal = (line) => line }: LogOptions = {},
): Log {
  const folder = join(home, 'logs')
  const path = join(folder, 'node.log')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
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
  const logger = pino(
    {
      base: null,
      level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label },
      serializers: { error: stdSerializers.err },
    },
    { write: (line) => void file.write(`${seal(escapeHidden(line.trimEnd()))}\n`) },
  )
  return (lineLevel, message, fields = {}) => logger[lineLevel](fields, message)
}

function label(text: string): { readonly level: string } {
  return { level: text }
}
