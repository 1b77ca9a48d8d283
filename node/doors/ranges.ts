// Ranges and tags in headers of a request (RFC 9110, sections 13 and 14).

/** Is a tag, in its quotes, in the list of a header, or is that "*"? */
export function hasTag(list: string | undefined, tag: string): boolean {
  const tags = (list ?? '').split(',').map((one) => one.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(tag)
}

export type Range = { readonly offsetBytes: number; readonly lengthBytes: number }

/** One range; several get the whole file, as RFC 9110 allows. 'none': it begins at its end. */
export function rangeOf(header: string | undefined, sizeBytes: number): Range | 'none' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const lengthBytes = Math.min(Number(last), sizeBytes)
    return lengthBytes === 0 ? 'none' : { offsetBytes: sizeBytes - lengthBytes, lengthBytes }
  }
  const offsetBytes = Number(first)
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (offsetBytes >= sizeBytes) return 'none'
  return end <= offsetBytes ? undefined : { offsetBytes, lengthBytes: end - offsetBytes }
}

/** The subject of a condition: a tag in its quotes, and a time as HTTP has it. */
export interface Dated {
  readonly tag: string | undefined
  readonly date: string
}

/** Does a request want what is there only as it was (If-Match, else If-Unmodified-Since)? */
export function isChanged(
  { match, since }: { readonly match: string | undefined; readonly since: string | undefined },
  { tag, date }: Dated,
): boolean {
  if (match !== undefined) return tag === undefined || !hasTag(match, tag)
  return since !== undefined && Date.parse(date) > Date.parse(since)
}

/** Has the other end this content already (If-None-Match, else If-Modified-Since)? */
export function isKnown(
  { known, since }: { readonly known: string | undefined; readonly since: string | undefined },
  { tag, date }: Dated,
): boolean {
  if (known !== undefined) return tag !== undefined && hasTag(known, tag)
  return since !== undefined && Date.parse(date) <= Date.parse(since)
}
