// Words of alerts.
import { SECOND_MS } from '../../protocol/units.ts'

/** More are counted, not named. */
const NAMED_MAX = 5

/** "3 stripes". */
export function many(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** "anna, ben and 3 more"; '' for none. */
export function listed(names: readonly string[]): string {
  const more = names.length - NAMED_MAX
  return `${names.slice(0, NAMED_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** A time of UTC to the second, the same whatever the zone of the machine that reads it. */
export function timeText(ms: number): string {
  return new Date(Math.floor(ms / SECOND_MS) * SECOND_MS).toISOString().replace('.000', '')
}

/** A message as a part of a sentence. */
export function withoutEnd(message: string): string {
  return message.replace(/\.$/, '')
}
