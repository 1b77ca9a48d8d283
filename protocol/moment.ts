// Moments as people write them.
import type { WallTime } from './units.ts'

/** A time in ISO form, of this machine's zone unless it names one. Undefined for any other text. */
export function timeOf(text: string): WallTime | undefined {
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? undefined : (ms as WallTime)
}

/** As timeOf(); a date alone is its beginning in this machine's zone. */
export function momentOf(text: string): WallTime | undefined {
  return timeOf(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text)
}
