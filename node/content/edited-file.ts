// A file as its editor sees it: patches, and holes where none is. Between edits, a stored chunk
// that is visible only in part always touches a dirty patch: cutting the dirty bytes again takes it
// in, so that in the end every chunk is used whole. How many bytes are in no hole is known at every
// moment.
import { assert } from '../../protocol/errors.ts'
import { Patches, dirtyBytesOf } from './patches.ts'
import { zeros, storedContent } from './read-pipeline.ts'
import type { ChunkReader } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { ChunkPatch, ContentPatch, DirtyPatch } from './patches.ts'
import type { ReaderParts } from './read-pipeline.ts'
import type { ManifestTree } from './manifest-tree.ts'

interface Options {
  readonly signal: AbortSignal
}

/**
 * The visible content at a byte. `end` is where it stops being visible, `naturalEnd` where it would
 * if all of it were.
 */
type Unit =
  | { readonly kind: 'hole' }
  | {
      readonly kind: 'dirty'
      readonly patch: DirtyPatch
      readonly start: number
      readonly end: number
    }
  | {
      readonly kind: 'chunk'
      readonly ref: ChunkPatch['ref']
      readonly chunks: ChunkReader
      readonly start: number
      readonly end: number
      /** Byte of the chunk that is at `start`. */
      readonly from: number
      readonly naturalEnd: number
      readonly final: boolean
    }

/** Bytes that go back to where they are, to be cut again. */
interface Remainder {
  readonly start: number
  readonly bytes: Uint8Array
}

export class EditedFile {
  readonly overlay: Patches = new Patches()
  readonly #parts: ReaderParts
  #size = 0
  #allocated = 0

  constructor(base: Content, parts: ReaderParts) {
    this.#parts = parts
    this.rebase(base)
  }

  get size(): number {
    return this.#size
  }

  /** Bytes that are in no hole. */
  get allocated(): number {
    return this.#allocated
  }

  /** Forget all edits; `base` is the content from now on. */
  rebase(base: Content): void {
    this.overlay.reset()
    if (base.kind === 'inline') {
      this.#size = base.bytes.length
      this.#allocated = this.#size
      if (this.#size > 0) this.overlay.write(0, base.bytes)
      return
    }
    const { size, allocated = size } = base.manifest
    this.#size = size
    this.#allocated = allocated
    const source = storedContent(base.manifest, this.#parts)
    this.overlay.place({ kind: 'content', start: 0, end: size, source, from: 0 })
  }

  /** The bytes are copied. */
  async write(position: number, bytes: Uint8Array, options: Options): Promise<void> {
    const end = position + bytes.length
    const before = await this.allocatedIn(position, end, options)
    this.overlay.write(position, bytes)
    this.#size = Math.max(this.#size, end)
    this.#allocated += bytes.length - before
  }

  /** Shorten, or lengthen with a hole. */
  async truncate(size: number, options: Options): Promise<void> {
    if (size < this.#size) await this.punch(size, this.#size, options)
    this.#size = size
  }

  /** A hole in place of [start, end), which is in the file. */
  async punch(start: number, end: number, options: Options): Promise<void> {
    const rest = await this.#remainders(start, end, options)
    const before = await this.allocatedIn(start, end, options)
    this.overlay.clear(start, end)
    for (const { start: at, bytes } of rest) this.overlay.write(at, bytes)
    this.#allocated -= before
  }

  /**
   * Bytes of a stored content in place of others: `head`, chunks and holes that lie in `patch`
   * whole, `tail`.
   */
  async replace(
    patch: ContentPatch,
    { head, tail }: { readonly head: Uint8Array; readonly tail: Uint8Array },
    options: Options,
  ): Promise<void> {
    const start = patch.start - head.length
    const end = patch.end + tail.length
    const { tree } = patch.source
    const to = patch.from + patch.end - patch.start
    const rest = await this.#remainders(start, end, options)
    const before = await this.allocatedIn(start, end, options)
    const after = head.length + (await tree.allocatedIn(patch.from, to, options)) + tail.length
    this.overlay.place(patch)
    if (head.length > 0) this.overlay.write(start, head)
    if (tail.length > 0) this.overlay.write(patch.end, tail)
    for (const { start: at, bytes } of rest) this.overlay.write(at, bytes)
    this.#size = Math.max(this.#size, end)
    this.#allocated += after - before
  }

  /** Bytes of [from, to) that are in no hole. */
  async allocatedIn(from: number, to: number, options: Options): Promise<number> {
    let sum = 0
    for (const piece of this.overlay.pieces(from, to)) {
      const start = Math.max(piece.start, from)
      const end = Math.min(piece.end, to)
      if (piece.kind === 'hole') continue
      const shift = piece.kind === 'content' ? piece.from - piece.start : 0
      sum +=
        piece.kind === 'content'
          ? await piece.source.tree.allocatedIn(start + shift, end + shift, options)
          : end - start
    }
    return sum
  }

  /**
   * The first byte from `position` on that is data, or in a hole; undefined if there is none up to
   * the end.
   */
  async seek(
    what: 'data' | 'hole',
    position: number,
    options: Options,
  ): Promise<number | undefined> {
    for (const piece of this.overlay.pieces(position, this.#size)) {
      const start = Math.max(piece.start, position)
      if (piece.kind === 'content') {
        const shift = piece.from - piece.start
        const { tree } = piece.source
        const found = await tree.seek(what, start + shift, piece.end + shift, options)
        if (found !== undefined) return found - shift
      } else if ((piece.kind === 'hole') === (what === 'hole')) {
        return start
      }
    }
    return undefined
  }

  /**
   * Bytes from `position`, as they are at the call, in parts; shorter than `length` only at the
   * end.
   */
  async read(position: number, length: number, options: Options): Promise<readonly Uint8Array[]> {
    const to = Math.min(position + length, this.#size)
    const parts = Array.from(this.overlay.pieces(position, to), async (piece) => {
      const start = Math.max(piece.start, position)
      const end = Math.min(piece.end, to)
      switch (piece.kind) {
        case 'dirty':
          return [dirtyBytesOf(piece).slice(start - piece.start, end - piece.start)]
        case 'chunk':
          return this.#readChunk(piece, start, end, options)
        case 'content':
          return piece.source.reader.read(start - piece.start + piece.from, end - start, options)
        default:
          return zeros(end - start)
      }
    })
    return (await Promise.all(parts)).flat()
  }

  /**
   * Stored or dirty bytes at `position`, at least one and none past `limit`; undefined in a hole
   * and at the end.
   */
  async dataAt(position: number, limit: number, options: Options): Promise<Uint8Array | undefined> {
    const unit = await this.unitAt(position, options)
    if (unit.kind === 'hole') return undefined
    const start = position - unit.start
    const end = Math.min(limit, unit.end) - unit.start
    if (unit.kind === 'dirty') return unit.patch.buffer.subarray(start, end)
    const plain = await unit.chunks.read(unit.ref, options)
    return plain.subarray(unit.from + start, unit.from + end)
  }

  /** The visible content at `position`; past the end it is a hole. */
  async unitAt(position: number, options: Options): Promise<Unit> {
    if (position >= this.#size) return { kind: 'hole' }
    const piece = this.overlay.at(position, this.#size)
    if (piece.kind === 'dirty')
      return { kind: 'dirty', patch: piece, start: piece.start, end: piece.end }
    if (piece.kind === 'hole') return { kind: 'hole' }
    const shift = piece.start - piece.from
    if (piece.kind === 'chunk')
      return { ...piece, chunks: this.#parts.chunks, naturalEnd: shift + piece.ref.length }
    const { tree, chunks } = piece.source
    const { start, extent } = await tree.extentAt(position - shift, options)
    if (extent.kind === 'hole') return { kind: 'hole' }
    const end = start + extent.ref.length
    return {
      kind: 'chunk',
      ref: extent.ref,
      chunks,
      start: Math.max(start, piece.from) + shift,
      end: Math.min(end + shift, piece.end),
      from: Math.max(0, piece.from - start),
      naturalEnd: end + shift,
      final: await endsData(tree, end, options),
    }
  }

  /**
   * True if nothing stored needs to be cut again from here on: a whole chunk, a hole or the end
   * begins.
   */
  async isBoundary(position: number, options: Options): Promise<boolean> {
    const unit = await this.unitAt(position, options)
    if (unit.kind === 'hole') return true
    return (
      unit.kind === 'chunk' &&
      unit.start === position &&
      unit.from === 0 &&
      unit.end === unit.naturalEnd
    )
  }

  /**
   * The place to begin cutting dirty bytes that start at `position`: before what they cut in two or
   * could lengthen.
   */
  async cutStart(position: number, options: Options): Promise<number> {
    if (position === 0) return 0
    const unit = await this.unitAt(position - 1, options)
    if (unit.kind !== 'chunk') return position
    return unit.naturalEnd > position || unit.final ? unit.start : position
  }

  /** The remains of the chunks at both ends of [start, end) if that were replaced. */
  async #remainders(start: number, end: number, options: Options): Promise<readonly Remainder[]> {
    const rest: Remainder[] = []
    const left = start > 0 ? await this.unitAt(start - 1, options) : undefined
    if (left?.kind === 'chunk' && left.naturalEnd > start)
      rest.push(await this.#remainder(left.start, start, options))
    const right = await this.unitAt(end, options)
    if (right.kind === 'chunk' && (right.start < end || right.from > 0))
      rest.push(await this.#remainder(end, right.end, options))
    return rest
  }

  async #remainder(start: number, end: number, options: Options): Promise<Remainder> {
    const bytes = await this.dataAt(start, end, options)
    assert(bytes?.length === end - start, 'what is left of a chunk is one piece')
    return { start, bytes }
  }

  async #readChunk(
    piece: ChunkPatch,
    start: number,
    end: number,
    options: Options,
  ): Promise<readonly Uint8Array[]> {
    const plain = await this.#parts.chunks.read(piece.ref, options)
    const shift = piece.from - piece.start
    return [plain.subarray(start + shift, end + shift)]
  }
}

/** Would more data after this byte have lengthened the chunk that ends there? */
async function endsData(tree: ManifestTree, position: number, options: Options): Promise<boolean> {
  if (position >= tree.size) return true
  return (await tree.extentAt(position, options)).extent.kind === 'hole'
}
