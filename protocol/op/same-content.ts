// Compares contents of files by what their ops say, without reading them.
import { equalBytes } from '../bytes.ts'
import { encodeCbor } from '../cbor.ts'
import { encodeContent } from './codec.ts'
import type { ContentRef } from './op.ts'

export interface SizedContent {
  readonly size: number
  readonly content: ContentRef
}

/** False for equal bytes that lie in other chunks. */
export function isSameContent(a: SizedContent, b: SizedContent): boolean {
  const bytesOf = ({ content }: SizedContent): Uint8Array => encodeCbor(encodeContent(content))
  return a.size === b.size && equalBytes(bytesOf(a), bytesOf(b))
}
