// The header If (RFC 4918, section 10.4): lists of conditions, of which one list must hold. Those
// that name no resource are about that of the request.
import { DavError } from './dav-error.ts'

export type IfCondition = { readonly isNot: boolean } & (
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'etag'; readonly etag: string }
)

/** All of its conditions must hold. */
export interface IfList {
  /** A URL; undefined: that of the request. */
  readonly resource: string | undefined
  readonly conditions: readonly IfCondition[]
}

const SPACE = /[ \t]*/y
const CODED_URL = /<([^<>\s]+)>/y
const NOT = /not(?=[ \t<[])/iy
const ETAG = /\[((?:W\/)?"[^"]*")\]/y

/** throws DavError 400. */
export function parseIf(header: string): readonly IfList[] {
  const lists: IfList[] = []
  let at = 0
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(header)
    if (found === null) return undefined
    at += found[0].length
    return found[1] ?? found[0]
  }
  const isNext = (char: string): boolean => {
    take(SPACE)
    if (header[at] !== char) return false
    at++
    return true
  }
  const condition = (): IfCondition => {
    const isNot = take(NOT) !== undefined
    take(SPACE)
    const token = take(CODED_URL)
    if (token !== undefined) return { isNot, kind: 'token', token }
    const etag = take(ETAG)
    if (etag !== undefined) return { isNot, kind: 'etag', etag }
    throw wrong(at)
  }
  const list = (resource: string | undefined): boolean => {
    if (!isNext('(')) return false
    const conditions: IfCondition[] = []
    while (!isNext(')')) conditions.push(condition())
    if (conditions.length === 0) throw wrong(at)
    lists.push({ resource, conditions })
    return true
  }
  const isTagged = !list(undefined)
  for (take(SPACE); at < header.length; take(SPACE)) {
    if (!isTagged) {
      if (!list(undefined)) throw wrong(at)
      continue
    }
    const resource = take(CODED_URL)
    if (resource === undefined || !list(resource)) throw wrong(at)
    while (list(resource)) continue
  }
  if (lists.length === 0) throw wrong(at)
  return lists
}

/** Writes that hold a lock show its token, whether or not its list is the one that holds. */
export function tokensIn(lists: readonly IfList[]): ReadonlySet<string> {
  const conditions = lists.flatMap((list) => list.conditions)
  return new Set(
    conditions.flatMap((one) => (one.kind === 'token' && !one.isNot ? [one.token] : [])),
  )
}

function wrong(at: number): DavError {
  return new DavError(400, `If is not as RFC 4918 has it, at character ${at}`)
}
