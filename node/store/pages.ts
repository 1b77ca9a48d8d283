// The ordered store in pages: no snapshot outlives a page, however slowly a caller goes through them.
import type { ByteString } from '../../protocol/bytes.ts'
import type { Kv } from './kv.ts'

const PAGE_ENTRIES = 1000

/** Entries of [from, to) as they are when their page is read. */
export async function* scanPages(
  kv: Kv,
  { from, to }: { readonly from: ByteString; readonly to: ByteString },
): AsyncGenerator<readonly [ByteString, Uint8Array]> {
  for (let next = from; ;) {
    const page: (readonly [ByteString, Uint8Array])[] = []
    for await (const entry of kv.scan({ from: next, to, countMax: PAGE_ENTRIES })) page.push(entry)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ENTRIES) return
    next = keyAfter(last[0])
  }
}

/** The least key above `key`. */
export function keyAfter(key: ByteString): ByteString {
  return `${key}\0`
}
