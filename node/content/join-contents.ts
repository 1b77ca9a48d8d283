// One content made of others, one after the other, by reference: their lists of chunks are taken
// over, whole nodes where they fit, and no byte of them is read.
import { concatBytes } from '../../protocol/bytes.ts'
import { INLINE_FILE_MAX } from '../../protocol/limits.ts'
import type { ChunkReader, ChunkWriter } from './chunk-io.ts'
import { EMPTY_CONTENT, contentSize } from './content.ts'
import type { Content } from './content.ts'
import type { NodeCache } from './decoded-cache.ts'
import { ManifestBuilder } from './manifest-builder.ts'
import { copyExtents } from './manifest-copy.ts'
import { ManifestTree } from './manifest-tree.ts'

export interface ContentToJoin {
  readonly content: Content
  /** Reads its lists of chunks. */
  readonly chunks: ChunkReader
}

/** The caller adopts the chunks that are taken over. throws 'chunk-unavailable', 'ENOSPC'. */
export async function joinContents(
  contents: readonly ContentToJoin[],
  { writer, nodes }: { readonly writer: ChunkWriter; readonly nodes: NodeCache },
  { signal }: { readonly signal: AbortSignal },
): Promise<Content> {
  const filled = contents.filter(({ content }) => contentSize(content) > 0)
  const size = filled.reduce((sum, { content }) => sum + contentSize(content), 0)
  if (size === 0) return EMPTY_CONTENT
  if (size <= INLINE_FILE_MAX)
    return { kind: 'inline', bytes: concatBytes(filled.flatMap(({ content }) => bytesOf(content))) }
  const builder = new ManifestBuilder({ chunks: writer })
  for (const [at, { content, chunks }] of filled.entries()) {
    signal.throwIfAborted()
    if (content.kind === 'inline') {
      const ref = await writer.write(content.bytes, { signal })
      await builder.add({ kind: 'chunk', ref }, { signal })
    } else {
      const tree = new ManifestTree(content.manifest, { chunks, nodes })
      const range = { from: 0, to: content.manifest.size, isLast: at === filled.length - 1 }
      await copyExtents(tree, range, builder, { signal })
    }
  }
  return { kind: 'chunks', manifest: await builder.finish({ signal }) }
}

function bytesOf(content: Content): readonly Uint8Array[] {
  return content.kind === 'inline' ? [content.bytes] : []
}
