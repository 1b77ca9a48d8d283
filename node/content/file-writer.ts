// Bytes in, content out: cut by content (FastCDC), sealed, stored, listed in a manifest, by an
// editor that is only appended to. Zeros as long as a chunk are not stored, but a hole. What is in
// memory does not grow with the file. A chunk or two are sealed between reads of the source, so the
// event loop is held for no longer than that.
import { dataRuns } from '../../protocol/data-runs.ts'
import { INLINE_FILE_MAX } from '../../protocol/limits.ts'
import { EMPTY_CONTENT } from './content.ts'
import { ContentEditor } from './editor.ts'
import { ManifestBuilder } from './manifest-builder.ts'
import type { ChunkSizes, Cutter } from '../../protocol/chunk/fastcdc.ts'
import type { ChunkWriter } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { EditorParts } from './editor.ts'

/** The parts that turn bytes into chunks. */
export interface WriterParts {
  readonly chunks: ChunkWriter
  /** Takes the lists of chunks, where they go elsewhere. */
  readonly nodes?: ChunkWriter
  /** Cuts to `sizes`. */
  readonly cutter: Cutter
  readonly sizes: ChunkSizes
}

/**
 * Store all that `source` gives. The content is durable after the packer's next commit. The source
 * may reuse a piece once it is asked for the next. throws what the source throws, ShoalError
 * 'ENOSPC'.
 */
export async function writeContent(
  source: AsyncIterable<Uint8Array>,
  parts: EditorParts,
  { signal }: { signal: AbortSignal },
): Promise<Content> {
  const editor = new ContentEditor(EMPTY_CONTENT, parts)
  try {
    await append(editor, source, parts, signal)
    return await editor.commit({ signal })
  } finally {
    editor.end()
  }
}

/**
 * The same of bytes that are all there. Those that are one chunk anyway go past the editor, which
 * would make the same of them.
 */
export async function writeBytes(
  bytes: Uint8Array,
  parts: EditorParts,
  options: { signal: AbortSignal },
): Promise<Content> {
  if (bytes.length <= INLINE_FILE_MAX) return { kind: 'inline', bytes }
  const { chunks, nodes = chunks, sizes } = parts.writer
  // No run of zeros in it is long enough to be a hole.
  if (bytes.length >= sizes.minBytes) {
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes
    }
    return writeContent(source(), parts, options)
  }
  const ref = await chunks.write(bytes, options)
  const manifest = new ManifestBuilder({ chunks: nodes })
  await manifest.add({ kind: 'chunk', ref }, options)
  return { kind: 'chunks', manifest: await manifest.finish(options) }
}

async function append(
  editor: ContentEditor,
  source: AsyncIterable<Uint8Array>,
  parts: EditorParts,
  signal: AbortSignal,
): Promise<void> {
  let zeroBytes = 0
  const endZeros = async (): Promise<void> => {
    const count = zeroBytes
    zeroBytes = 0
    if (count >= parts.writer.sizes.minBytes) await editor.truncate(editor.size + count, { signal })
    else if (count > 0) await editor.append(new Uint8Array(count), { signal })
  }
  for await (const piece of source) {
    let at = 0
    for (const { start, end } of dataRuns(piece, editor.size + zeroBytes)) {
      zeroBytes += start - at
      await endZeros()
      await editor.append(piece.subarray(start, end), { signal })
      at = end
    }
    zeroBytes += piece.length - at
    signal.throwIfAborted()
  }
  await endZeros()
}
