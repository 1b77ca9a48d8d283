// The ordered store in pages: no snapshot outlives a page, however slowly a caller goes through
// them.
import type { ByteString } from '../../protocol/bytes.ts'
import type { Kv } from './kv.ts'

const PAGE_ENTRIES = 1000

type Entry = readonly [ByteString, Uint8Array]

/** Entries of [from, to) as they are when their page is read. */
export function scanPages(
  kv: Kv,
  { from, to }: { readonly from: ByteString; readonly to: ByteString },
): AsyncGenerator<Entry, void, undefined> {
  return inPages(from, PAGE_ENTRIES, (next, countMax) => kv.scan({ from: next, to, countMax }))
}

/**
 * The same of what `scan` gives from a key on, in order of the keys: it is called for each page,
 * and left at its end.
 */
export async function* inPages(
  from: ByteString,
  countMax: number,
  scan: (from: ByteString, countMax: number) => AsyncIterable<Entry>,
): AsyncGenerator<Entry, void, undefined> {
  for (let next = from; ;) {
    const page: Entry[] = []
    for await (const entry of scan(next, countMax)) if (page.push(entry) === countMax) break
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < countMax) return
    next = keyAfter(last[0])
  }
}

/** The least key above `key`. */
export function keyAfter(key: ByteString): ByteString {
  return `${key}\0`
}
