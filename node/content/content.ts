// The content of one file version: small files inline, others as a tree of chunk lists. An empty
// file is inline.
import { assertNever } from '../../protocol/errors.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'

/** Inline up to INLINE_FILE_MAX bytes, a manifest above. */
export type Content =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'chunks'; readonly manifest: Manifest }

/** The content of an empty file. */
export const EMPTY_CONTENT: Content = { kind: 'inline', bytes: new Uint8Array(0) }

/** Bytes of the file. */
export function contentSize(content: Content): number {
  switch (content.kind) {
    case 'inline':
      return content.bytes.length
    case 'chunks':
      return content.manifest.size
    default:
      return assertNever(content)
  }
}
