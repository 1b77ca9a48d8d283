// Cuts what an editor has changed into chunks. Cutting starts at the chunk boundary before the
// change and goes on until a cut falls on a boundary that was there before: from there on the same
// bytes were cut the same way, so the rest of the file is kept as it is. Contents that never fall
// back into step (long runs of one byte) are cut off at an old boundary after a few chunks: the
// cost of a change must not grow with the file.
import { concatBytes } from '../../protocol/bytes.ts'
import type { EditedFile } from './edited-file.ts'
import type { ChunkPatch, DirtyPatch } from './patches.ts'
import type { WriterParts } from './file-writer.ts'

/** Chunks past the change after which an old boundary is forced. */
const OUT_OF_STEP_MAX = 8

interface Options {
  readonly signal: AbortSignal
}

interface Cut {
  readonly bytes: Uint8Array
  readonly final: boolean
}

/**
 * Store a dirty patch as chunks, and with `toEnd` its last bytes too, with as much of what follows
 * as it takes. Without, what does not end a chunk stays dirty. Nothing has changed when it throws.
 */
export async function rechunk(
  file: EditedFile,
  patch: DirtyPatch,
  writer: WriterParts,
  { toEnd, signal }: { toEnd: boolean; signal: AbortSignal },
): Promise<void> {
  const options = { signal }
  const chunks: ChunkPatch[] = []
  let at = await file.cutStart(patch.start, options)
  for (let outOfStep = 0; outOfStep === 0 || !(await file.isBoundary(at, options));) {
    const inside = at < patch.end
    const stop = outOfStep > OUT_OF_STEP_MAX ? await endOfUnit(file, at, options) : Infinity
    const holdAt = inside && !toEnd ? patch.end : Infinity
    const cut = await nextChunk(file, at, writer, { stop, holdAt, signal })
    if (cut === undefined) break
    const ref = await writer.chunks.write(cut.bytes, options)
    const end = at + cut.bytes.length
    chunks.push({ kind: 'chunk', start: at, end, ref, from: 0, final: cut.final })
    at = end
    if (at >= patch.end) outOfStep++
  }
  file.overlay.store(chunks)
}

/**
 * The chunk that begins at `at`, data ending at `stop`; undefined if the bytes before `holdAt` do
 * not end it.
 */
async function nextChunk(
  file: EditedFile,
  at: number,
  { cutter, sizes }: WriterParts,
  { stop, holdAt, signal }: { stop: number; holdAt: number; signal: AbortSignal },
): Promise<Cut | undefined> {
  const limit = Math.min(at + sizes.maxBytes, stop)
  let bytes: Uint8Array = new Uint8Array(0)
  for (;;) {
    const end = at + bytes.length
    const more = end < limit ? await file.dataAt(end, limit, { signal }) : undefined
    if (more === undefined) {
      return { bytes: bytes.subarray(0, cutter.next(bytes, true)), final: true }
    }
    bytes = bytes.length === 0 ? more : concatBytes([bytes, more])
    const length = cutter.next(bytes, false)
    if (length > 0) return { bytes: bytes.subarray(0, length), final: false }
    if (at + bytes.length >= holdAt) return undefined
  }
}

async function endOfUnit(file: EditedFile, at: number, options: Options): Promise<number> {
  const unit = await file.unitAt(at, options)
  return unit.kind === 'hole' ? at : unit.end
}
