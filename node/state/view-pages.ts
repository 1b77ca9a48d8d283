// Reads a view in pages: nothing of the store is held however slowly a caller goes through it.
import type { ByteString } from '../../protocol/bytes.ts'
import { inPages } from '../store/pages.ts'
import { prefixEnd } from './state-view.ts'
import type { ReplicaView } from './state-view.ts'

const PAGE_ENTRIES = 512

/** Entries whose keys begin with `prefix`, as they are when their page is read. */
export function viewPages(
  view: ReplicaView,
  prefix: ByteString,
): AsyncGenerator<readonly [ByteString, Uint8Array], void, undefined> {
  const end = prefixEnd(prefix)
  return inPages(prefix, PAGE_ENTRIES, (from) => view.scan(from, end))
}
