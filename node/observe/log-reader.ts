// Reads back the log of a node that runs: the file, the one before it, and the lines to come.
import { readFile } from 'node:fs/promises'
import { ShoalError } from '../../protocol/errors.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { LogLine, LogReadOptions } from '../control/observe/logs.ts'
import { LOG_PARTS, partOf } from './log-events.ts'
import { LOG_LEVELS } from '../../protocol/log-level.ts'
import type { LogLevel } from '../../protocol/log-level.ts'
import type { NodeLog } from './log.ts'

const PAGE_LINES = 1000
/** Lines that wait for a reader that is slow: the oldest are left out. */
const WAITING_MAX = 10_000

/** path: of the newest file. open: a line as it was before it was sealed. */
export interface LogSource {
  readonly path: string
  readonly open: (line: string) => string
}

/** A log, and the way to read it back. */
export interface ReadableLog {
  readonly log: NodeLog
  readonly source: LogSource
}

/** The logs of a node: what its parts report, and of transfers. */
export interface NodeLogs extends ReadableLog {
  readonly transfers: ReadableLog
}

/** As LogsApi has it. */
export async function* readLog(
  log: NodeLog,
  { path, open }: LogSource,
  { follow = false, limit, signal, ...options }: LogReadOptions & { readonly signal: AbortSignal },
): AsyncGenerator<readonly LogLine[]> {
  const waiting: LogLine[] = []
  let told = Promise.withResolvers<void>()
  const leave = log.listen((line) => {
    const parsed = parse(line)
    if (!follow || parsed === undefined || !isAsked(parsed, options)) return
    if (waiting.length === WAITING_MAX) waiting.shift()
    waiting.push(parsed)
    told.resolve()
  })
  const end = (): void => told.reject(signal.reason)
  signal.addEventListener('abort', end, { once: true })
  told.promise.catch(() => undefined) // it is thrown where it is awaited
  try {
    const texts = [await textOf(`${path}.old`), await textOf(path)]
    const lines = texts.flatMap((text) => text.split('\n').filter((line) => line !== ''))
    const kept = lines.flatMap((line) => parse(open(line)) ?? [])
    const asked = kept.filter((line) => isAsked(line, options))
    const shown = limit === undefined ? asked : asked.slice(Math.max(0, asked.length - limit))
    for (let at = 0; at < shown.length; at += PAGE_LINES) yield shown.slice(at, at + PAGE_LINES)
    while (follow) {
      signal.throwIfAborted()
      await told.promise
      told = Promise.withResolvers<void>()
      told.promise.catch(() => undefined) // as above
      yield waiting.splice(0)
    }
  } finally {
    leave()
    signal.removeEventListener('abort', end)
  }
}

/** throws ShoalError 'ENOENT' naming the parts. */
export function setLevel(log: NodeLog, part: string, level: LogLevel): void {
  if (part !== '' && !LOG_PARTS.includes(part))
    throw new ShoalError('ENOENT', `no part is called "${part}"; they are ${LOG_PARTS.join(', ')}`)
  log.setLevel(part, level)
}

function isAsked(
  { timeMs, level, event }: LogLine,
  { sinceMs = 0 as WallTime, part, level: least = 'debug' }: LogReadOptions,
): boolean {
  const isOfPart = part === undefined || partOf(event) === part
  return isOfPart && timeMs >= sinceMs && LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least)
}

/** Undefined for a line that was cut off, or is of an older version of the program. */
function parse(line: string): LogLine | undefined {
  try {
    const { time, level, event, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
    const found = LOG_LEVELS.find((one) => one === level)
    if (found === undefined || typeof event !== 'string') return undefined
    const timeMs = Date.parse(String(time)) as WallTime
    return { timeMs, level: found, event, message: String(msg), fields }
  } catch {
    // The process was killed in the middle of it.
    return undefined
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}
