// Spans of time as people write them.
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './units.ts'

const UNITS_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
}

/** Milliseconds of "30s", "15m", "24h", "7d", which are not zero; undefined for another text. */
export function durationOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = UNITS_MS[unit]
  return unitMs === undefined || Number(count) === 0 ? undefined : Number(count) * unitMs
}
