// Edits one content: random writes, truncation, appending, holes, parts of other contents by
// reference, reading what was written. In memory are at most DIRTY_BYTES_MAX of written bytes and
// PATCHES_MAX patches, whatever the size of the file, and of all editors what the budget allows;
// changed bytes become chunks as they come, and unchanged content is neither read nor written again
// but for the chunks and manifest nodes beside a change. A failed call changes nothing: what was
// written before stays readable, and can be committed once there is space.
import { concatBytes } from '../../protocol/bytes.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import { FILE_SIZE_MAX, INLINE_FILE_MAX } from '../../protocol/limits.ts'
import { MIB } from '../../protocol/units.ts'
import { EditedFile } from './edited-file.ts'
import { ManifestBuilder } from './manifest-builder.ts'
import { copyExtents } from './manifest-copy.ts'
import { ManifestTree } from './manifest-tree.ts'
import { refsWithin } from './manifest-walk.ts'
import { rechunk } from './rechunk.ts'
import { storedContent } from './read-pipeline.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'
import type { Content } from './content.ts'
import type { DirtyBudget, DirtyHolder } from './dirty-budget.ts'
import type { ReaderParts } from './read-pipeline.ts'
import type { WriterParts } from './file-writer.ts'
import { SerialQueue } from '../jobs/serial-queue.ts'

const DIRTY_BYTES_MAX: number = 8 * MIB
const WRITE_BYTES_MAX: number = 1 * MIB
const PATCHES_MAX = 16_384
/** Chunks of the largest size that a run of written bytes may reach before it is cut. */
const RUN_CHUNKS = 2

interface Options {
  readonly signal: AbortSignal
}

export interface EditorParts {
  readonly reader: ReaderParts
  readonly writer: WriterParts
  readonly dirty: DirtyBudget
}

/** A content that is stored, and how it is read. */
export interface CopySource {
  readonly content: Content
  readonly reader: ReaderParts
}

/**
 * See the head of the file. Calls that change run one after another in the order of the calls;
 * reads run at once. Whoever has made one ends it.
 */
export class ContentEditor implements DirtyHolder {
  readonly #parts: EditorParts
  readonly #file: EditedFile
  /** The content that the file was edited from, or was committed as last. */
  #content: Content
  #isChanged = false
  readonly #queue = new SerialQueue()
  readonly #ended = new AbortController()

  constructor(base: Content, parts: EditorParts) {
    this.#parts = parts
    this.#content = base
    this.#file = new EditedFile(base, parts.reader)
  }

  get size(): number {
    return this.#file.size
  }

  /** Bytes that are in no hole. */
  get allocated(): number {
    return this.#file.allocated
  }

  /**
   * Bytes from `position`, own writes included, in parts; together shorter than `length` only at
   * the end.
   */
  read(position: number, length: number, options: Options): Promise<readonly Uint8Array[]> {
    return this.#file.read(position, length, options)
  }

  /**
   * Write at `position`, which may lie past the end. The bytes may be reused after. throws
   * 'ENOSPC', 'EFBIG'.
   */
  write(position: number, bytes: Uint8Array, options: Options): Promise<void> {
    return this.#inTurn(() => this.#write(position, bytes, options))
  }

  /** Write at the end. returns the position written to. */
  append(bytes: Uint8Array, options: Options): Promise<number> {
    return this.#inTurn(async () => {
      const position = this.#file.size
      await this.#write(position, bytes, options)
      return position
    })
  }

  /** Shorten, or lengthen with zeros that take no space. throws ShoalError 'EFBIG'. */
  truncate(size: number, options: Options): Promise<void> {
    checkSize(size)
    return this.#inTurn(async () => {
      if (size === this.#file.size) return
      await this.#file.truncate(size, options)
      this.#isChanged = true
    })
  }

  /**
   * Zeros that take no space from `start` to `end`, or to the end of the file if that comes first.
   */
  punch(start: number, end: number, options: Options): Promise<void> {
    return this.#inTurn(async () => {
      const to = Math.min(end, this.#file.size)
      if (start >= to) return
      await this.#file.punch(start, to, options)
      this.#isChanged = true
    })
  }

  /**
   * The number of bytes from `start` to `end` that are in a hole, or beyond the end of the file.
   */
  missingIn(start: number, end: number, options: Options): Promise<number> {
    return this.#inTurn(async () => {
      return end - start - (await this.#file.allocatedIn(start, end, options))
    })
  }

  /**
   * The first byte from `position` on that is data, or in a hole; undefined if there is none up to
   * the end.
   */
  seek(what: 'data' | 'hole', position: number, options: Options): Promise<number | undefined> {
    return this.#inTurn(() => this.#file.seek(what, position, options))
  }

  /**
   * Take `length` bytes from `from` of a stored content over to `position`: chunks that lie there
   * whole are referenced, unread. Whoever calls keeps the content until this has settled. throws
   * 'ENOSPC', 'EFBIG', 'chunk-unavailable'.
   */
  copyFrom(
    { content, reader }: CopySource,
    from: number,
    position: number,
    length: number,
    options: Options,
  ): Promise<void> {
    checkSize(position + length)
    return this.#inTurn(async () => {
      if (content.kind === 'inline')
        return this.#write(position, content.bytes.subarray(from, from + length), options)
      const source = storedContent(content.manifest, reader)
      const to = from + length
      const { start, end } = await source.tree.wholeWithin(from, to, options)
      const read = async (at: number, until: number): Promise<Uint8Array> =>
        concatBytes(await source.reader.read(at, until - at, options))
      if (start >= end) return this.#write(position, await read(from, to), options)
      const refs = refsWithin(source.tree, { from: start, to: end }, options)
      await this.#parts.writer.chunks.adopt(refs, options)
      const edges = { head: await read(from, start), tail: await read(end, to) }
      await this.#makeRoom(position, edges.head.length + edges.tail.length, options)
      const shift = position - from
      const patch = { start: start + shift, end: end + shift, source, from: start }
      await this.#file.replace({ kind: 'content', ...patch }, edges, options)
      this.#isChanged = true
    })
  }

  /**
   * Store what is left to store. returns the content as it is now; durable after the packer's next
   * commit.
   */
  commit(options: Options): Promise<Content> {
    return this.#inTurn(async () => {
      if (this.#isChanged) await this.#settle(options)
      return this.#content
    })
  }

  /** Store what was written, to have its memory back. */
  store(): Promise<void> {
    return this.#inTurn(() => this.#cutAll({ signal: this.#ended.signal }))
  }

  /** Ends the editing; uncommitted writes are lost. */
  end(): void {
    this.#ended.abort(new ShoalError('aborted', 'the file is no longer being edited'))
    this.#parts.dirty.update(this, 0)
  }

  async #write(position: number, bytes: Uint8Array, options: Options): Promise<void> {
    checkSize(position + bytes.length)
    for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
      const part = bytes.subarray(at, at + WRITE_BYTES_MAX)
      options.signal.throwIfAborted()
      await this.#makeRoom(position + at, part.length, options)
      await this.#file.write(position + at, part, options)
      this.#isChanged = true
    }
  }

  async #makeRoom(position: number, length: number, { signal }: Options): Promise<void> {
    const { overlay } = this.#file
    const { writer, dirty } = this.#parts
    const run = overlay.runAt(position)
    if (run !== undefined && run.end - run.start >= RUN_CHUNKS * writer.sizes.maxBytes) {
      await rechunk(this.#file, run, writer, { toEnd: false, signal })
    }
    const isFull = overlay.dirtyBytes + length > DIRTY_BYTES_MAX
    if (isFull || dirty.isOver(overlay.bufferBytes)) await this.#cutAll({ signal })
    if (overlay.count > PATCHES_MAX) await this.#settle({ signal })
  }

  async #cutAll({ signal }: Options): Promise<void> {
    for (;;) {
      const patch = this.#file.overlay.firstDirty()
      if (patch === undefined) return
      await rechunk(this.#file, patch, this.#parts.writer, { toEnd: true, signal })
    }
  }

  /** Make the file as edited the content to edit from. */
  async #settle(options: Options): Promise<void> {
    const { size } = this.#file
    if (size <= INLINE_FILE_MAX) {
      const bytes = Uint8Array.from(concatBytes(await this.#file.read(0, size, options)))
      this.#content = { kind: 'inline', bytes }
    } else {
      await this.#cutAll(options)
      this.#content = { kind: 'chunks', manifest: await this.#build(options) }
    }
    this.#file.rebase(this.#content)
    this.#isChanged = false
  }

  async #build(options: Options): Promise<Manifest> {
    const { overlay, size } = this.#file
    const { chunks, nodes = chunks } = this.#parts.writer
    const builder = new ManifestBuilder({ chunks: nodes })
    for (const piece of overlay.pieces(0, size)) {
      const length = piece.end - piece.start
      switch (piece.kind) {
        case 'chunk':
          await builder.add({ kind: 'chunk', ref: piece.ref }, options)
          break
        case 'content': {
          const range = { from: piece.from, to: piece.from + length, isLast: piece.end === size }
          await copyExtents(piece.source.tree, range, builder, options)
          break
        }
        case 'hole':
          await builder.add({ kind: 'hole', length }, options)
          break
        default:
          assert(piece.kind !== 'dirty', 'all that was written has been cut')
      }
    }
    return this.#trim(await builder.finish(options), options)
  }

  /**
   * Nodes taken over from a larger file may leave a root with one child: then that child is the
   * root.
   */
  async #trim(manifest: Manifest, options: Options): Promise<Manifest> {
    if (manifest.depth === 0) return manifest
    const tree = new ManifestTree(manifest, this.#parts.reader)
    const root = await tree.node(tree.root, options)
    const only = 'children' in root && root.children.length === 1 ? root.children[0] : undefined
    if (only === undefined) return manifest
    return this.#trim({ ...manifest, root: only.ref, depth: manifest.depth - 1 }, options)
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      try {
        return await run()
      } finally {
        const { bufferBytes } = this.#file.overlay
        this.#parts.dirty.update(this, this.#ended.signal.aborted ? 0 : bufferBytes)
      }
    })
  }
}

function checkSize(size: number): void {
  if (size > FILE_SIZE_MAX)
    throw new ShoalError('EFBIG', `a file has at most ${FILE_SIZE_MAX} bytes, not ${size}`)
}
