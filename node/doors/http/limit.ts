// The number of items that a request wants of a list.
import { ShoalError } from '../../../protocol/errors.ts'

/** At least 1; undefined: as many as there are, or as come in a page. throws ShoalError 'usage'. */
export function limitOf(query: URLSearchParams): number | undefined {
  const text = query.get('limit')
  if (text === null) return undefined
  if (/^\d{1,5}$/.test(text)) return Math.max(1, Number(text))
  throw new ShoalError('usage', '"limit" is a number of entries')
}
