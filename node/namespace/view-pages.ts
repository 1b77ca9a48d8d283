// What a view holds, in pages: nothing of the store is held however slowly a caller goes through it.
import type { ByteString } from '../../protocol/bytes.ts'
import { keyAfter } from '../store/pages.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const PAGE_ENTRIES = 512

/** Entries whose keys begin with `prefix`, as they are when their page is read. */
export async function* viewPages(
  view: ReplicaView,
  prefix: ByteString,
): AsyncGenerator<readonly [ByteString, Uint8Array], void, undefined> {
  for (let from = prefix; ;) {
    const page: (readonly [ByteString, Uint8Array])[] = []
    for await (const entry of view.scan(from, prefixEnd(prefix)))
      if (page.push(entry) === PAGE_ENTRIES) break
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_ENTRIES) return
    from = keyAfter(last[0])
  }
}
