// Values of headers that are structured fields (RFC 9651): booleans, integers and strings. Others
// count as if the header were not there.
import type { IncomingMessage } from 'node:http'

type Header = IncomingMessage['headers'][string]

/** '?1' or '?0'. */
export function flagOf(header: Header): boolean | undefined {
  if (header === '?1') return true
  return header === '?0' ? false : undefined
}

export function flagText(value: boolean): string {
  return value ? '?1' : '?0'
}

/** An integer that is not negative: at most 15 digits, so that a number holds it exactly. */
export function countOf(header: Header): number | undefined {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined
}
