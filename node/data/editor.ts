// Edits one content: random writes, truncation, appending, reading what was written. In memory are at most DIRTY_BYTES
// of written bytes and PATCHES_MAX patches, whatever the size of the file; changed bytes become chunks as they come,
// and unchanged content is neither read nor written again but for the chunks and manifest nodes beside a change.
// A failed call changes nothing: what was written before stays readable, and can be committed once there is space.
import { concatBytes } from '../../protocol/bytes.ts'
import { INLINE_FILE_MAX } from '../../protocol/limits.ts'
import { MIB } from '../../protocol/units.ts'
import { EditedFile } from './edited-file.ts'
import { ManifestBuilder } from './manifest-builder.ts'
import { copyExtents } from './manifest-copy.ts'
import { ManifestTree } from './manifest-tree.ts'
import { recut } from './recut.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'
import type { Content } from './content.ts'
import type { ReaderParts } from './read-pipeline.ts'
import type { WriterParts } from './write-pipeline.ts'

const DIRTY_BYTES_MAX: number = 8 * MIB
const WRITE_BYTES_MAX: number = 1 * MIB
const PATCHES_MAX = 8192
/** Chunks of the largest size that a run of written bytes may reach before it is cut. */
const RUN_CHUNKS = 2

interface Options {
  readonly signal: AbortSignal
}

export interface EditorParts {
  readonly reader: ReaderParts
  readonly writer: WriterParts
}

/** See the head of the file. Calls that change run one after another in the order of the calls; reads run at once. */
export class ContentEditor {
  readonly #parts: EditorParts
  readonly #file: EditedFile
  /** What the file was edited from, or was committed as last. */
  #content: Content
  #isChanged = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(base: Content, parts: EditorParts) {
    this.#parts = parts
    this.#content = base
    this.#file = new EditedFile(base, parts.reader)
  }

  get size(): number {
    return this.#file.size
  }

  /** Bytes from `position`, own writes included, in parts; together shorter than `length` only at the end. */
  read(position: number, length: number, options: Options): Promise<readonly Uint8Array[]> {
    return this.#file.read(position, length, options)
  }

  /** Write at `position`, which may lie past the end. The bytes may be reused after. throws ShoalError 'ENOSPC'. */
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

  /** Shorten, or lengthen with zeros that take no space. */
  truncate(size: number, options: Options): Promise<void> {
    return this.#inTurn(async () => {
      if (size === this.#file.size) return
      await this.#file.truncate(size, options)
      this.#isChanged = true
    })
  }

  /** Store what is left to store. returns the content as it is now; durable after the packer's next commit. */
  commit(options: Options): Promise<Content> {
    return this.#inTurn(async () => {
      if (this.#isChanged) await this.#settle(options)
      return this.#content
    })
  }

  async #write(position: number, bytes: Uint8Array, options: Options): Promise<void> {
    for (let at = 0; at < bytes.length; at += WRITE_BYTES_MAX) {
      const part = bytes.subarray(at, at + WRITE_BYTES_MAX)
      options.signal.throwIfAborted()
      await this.#makeRoom(position + at, part.length, options)
      this.#file.write(position + at, part)
      this.#isChanged = true
    }
  }

  async #makeRoom(position: number, length: number, { signal }: Options): Promise<void> {
    const { overlay } = this.#file
    const { writer } = this.#parts
    const run = overlay.runAt(position)
    if (run !== undefined && run.end - run.start >= RUN_CHUNKS * writer.sizes.maxBytes) {
      await recut(this.#file, run, writer, { toEnd: false, signal })
    }
    if (overlay.dirtyBytes + length > DIRTY_BYTES_MAX) await this.#cutAll({ signal })
    if (overlay.count > PATCHES_MAX) await this.#settle({ signal })
  }

  async #cutAll({ signal }: Options): Promise<void> {
    for (;;) {
      const patch = this.#file.overlay.firstDirty()
      if (patch === undefined) return
      await recut(this.#file, patch, this.#parts.writer, { toEnd: true, signal })
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
    const { overlay, baseEnd, size, tree } = this.#file
    const builder = new ManifestBuilder({ chunks: this.#parts.writer.chunks })
    for (const piece of overlay.pieces(0, size)) {
      if (piece.kind === 'chunk') await builder.add({ kind: 'chunk', ref: piece.ref }, options)
      if (piece.kind !== 'below') continue
      const stored = Math.max(piece.start, Math.min(piece.end, baseEnd))
      if (tree !== undefined && stored > piece.start) {
        const range = { from: piece.start, to: stored, isLast: stored === size }
        await copyExtents(tree, range, builder, options)
      }
      if (stored < piece.end)
        await builder.add({ kind: 'hole', length: piece.end - stored }, options)
    }
    return this.#trim(await builder.finish(options), options)
  }

  /** Nodes taken over from a larger file may leave a root with one child: then that child is the root. */
  async #trim(manifest: Manifest, options: Options): Promise<Manifest> {
    if (manifest.depth === 0) return manifest
    const tree = new ManifestTree(manifest, this.#parts.reader)
    const root = await tree.node(tree.root, options)
    const only = 'children' in root && root.children.length === 1 ? root.children[0] : undefined
    if (only === undefined) return manifest
    return this.#trim({ ...manifest, root: only.ref, depth: manifest.depth - 1 }, options)
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => undefined)
    return result
  }
}
