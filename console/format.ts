// How sizes, times and counts look to people.

import { HIDDEN_CHARS } from '../protocol/hidden-chars.ts'
import { formatBytes } from '../protocol/size.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../protocol/units.ts'

const NS_PER_MS = 1_000_000n

/** "1.50 GB". */
export function bytes(value: number): string {
  return formatBytes(Math.round(value))
}

/** "12 kB/s". */
export function rate(perSecond: number): string {
  return `${bytes(perSecond)}/s`
}

/** "3 days", "4 h", "5 min", "6 s": one unit is enough. */
export function duration(ms: number): string {
  if (ms >= 2 * DAY_MS) return `${Math.floor(ms / DAY_MS)} days`
  if (ms >= 2 * HOUR_MS) return `${Math.floor(ms / HOUR_MS)} h`
  if (ms >= 2 * MINUTE_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  return `${Math.max(0, Math.floor(ms / SECOND_MS))} s`
}

export function time(ms: number): string {
  return new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

/** The same of nanoseconds in decimal text. */
export function timeOfNs(ns: string): string {
  return time(Number(BigInt(ns) / NS_PER_MS))
}

/** "1 file", "2 files". */
export function count(many: number, one: string, more: string = `${one}s`): string {
  return `${many.toLocaleString()} ${many === 1 ? one : more}`
}

/** Names that turn text around or hide are shown by their codes. */
export function shown(name: string): string {
  return name.replace(
    HIDDEN_CHARS,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
