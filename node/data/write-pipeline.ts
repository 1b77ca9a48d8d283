// Bytes in, content out: cut by content (FastCDC), sealed, stored, listed in a manifest, by an editor that is only
// appended to. What is in memory does not grow with the file. A chunk or two are sealed between reads of the source,
// so the event loop is held for no longer than that.
import { EMPTY_CONTENT } from './content.ts'
import { ContentEditor } from './editor.ts'
import type { ChunkSizes, Cutter } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkWriter } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { EditorParts } from './editor.ts'

/** What turns bytes into chunks. */
export interface WriterParts {
  readonly chunks: ChunkWriter
  /** Cuts to `sizes`. */
  readonly cutter: Cutter
  readonly sizes: ChunkSizes
}

/**
 * Store all that `source` gives. The content is durable after the packer's next commit. The source may reuse a piece
 * once it is asked for the next. throws what the source throws, ShoalError 'ENOSPC'.
 */
export async function writeContent(
  source: AsyncIterable<Uint8Array>,
  parts: EditorParts,
  { signal }: { signal: AbortSignal },
): Promise<Content> {
  const editor = new ContentEditor(EMPTY_CONTENT, parts)
  for await (const piece of source) await editor.append(piece, { signal })
  return editor.commit({ signal })
}
