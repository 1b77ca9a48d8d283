// A file as its editor sees it: the overlay, below it the first `baseEnd` bytes of the content it began with, and
// zeros below that. Between edits, a stored chunk that is visible only in part always touches a dirty patch: cutting
// the dirty bytes again takes it in, so that in the end every chunk is used whole.
import { ContentReader, zeros } from './read-pipeline.ts'
import { ManifestTree } from './manifest-tree.ts'
import { Overlay, dirtyBytesOf } from './overlay.ts'
import type { NodeCache } from './cache.ts'
import type { ChunkReader } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { ChunkPatch, DirtyPatch } from './overlay.ts'

interface Options {
  readonly signal: AbortSignal
}

/** What is visible at a byte. `end` is where it stops being visible, `naturalEnd` where it would if all of it were. */
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
      readonly start: number
      readonly end: number
      /** Byte of the chunk that is at `start`. */
      readonly from: number
      readonly naturalEnd: number
      readonly final: boolean
    }

export class EditedFile {
  readonly overlay: Overlay = new Overlay()
  readonly #chunks: ChunkReader
  readonly #nodes: NodeCache
  #base: ContentReader | undefined
  #tree: ManifestTree | undefined
  #baseEnd = 0
  #size = 0

  constructor(base: Content, { chunks, nodes }: { chunks: ChunkReader; nodes: NodeCache }) {
    this.#chunks = chunks
    this.#nodes = nodes
    this.rebase(base)
  }

  get size(): number {
    return this.#size
  }

  /** Bytes of the content below that are still visible where nothing covers them. */
  get baseEnd(): number {
    return this.#baseEnd
  }

  /** The manifest below; undefined if that content is inline. */
  get tree(): ManifestTree | undefined {
    return this.#tree
  }

  /** Forget all edits; `base` is the content from now on. */
  rebase(base: Content): void {
    this.overlay.clear()
    if (base.kind === 'inline') {
      this.#tree = undefined
      this.#base = undefined
      this.#baseEnd = 0
      this.#size = base.bytes.length
      if (this.#size > 0) this.overlay.write(0, base.bytes)
      return
    }
    const parts = { chunks: this.#chunks, nodes: this.#nodes }
    this.#tree = new ManifestTree(base.manifest, parts)
    this.#base = new ContentReader(base, parts)
    this.#baseEnd = base.manifest.size
    this.#size = base.manifest.size
  }

  /** The bytes are copied. */
  write(position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.overlay.write(position, bytes)
    this.#size = Math.max(this.#size, position + bytes.length)
  }

  /** Shorten, or lengthen with zeros. */
  async truncate(size: number, options: Options): Promise<void> {
    const cut = size > 0 && size < this.#size ? await this.unitAt(size - 1, options) : undefined
    const rest =
      cut?.kind === 'chunk' && cut.naturalEnd > size
        ? { start: cut.start, bytes: await this.dataAt(cut.start, size, options) }
        : undefined
    this.overlay.truncate(size)
    this.#baseEnd = Math.min(this.#baseEnd, size)
    this.#size = size
    if (rest?.bytes !== undefined) this.overlay.write(rest.start, rest.bytes)
  }

  /** Bytes from `position`, as they are at the call, in parts; shorter than `length` only at the end. */
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
        default:
          return this.#readBelow(start, end, options)
      }
    })
    return (await Promise.all(parts)).flat()
  }

  /** Stored or dirty bytes at `position`, at least one and none past `limit`; undefined in a hole and at the end. */
  async dataAt(position: number, limit: number, options: Options): Promise<Uint8Array | undefined> {
    const unit = await this.unitAt(position, options)
    if (unit.kind === 'hole') return undefined
    const start = position - unit.start
    const end = Math.min(limit, unit.end) - unit.start
    if (unit.kind === 'dirty') return unit.patch.buffer.subarray(start, end)
    const plain = await this.#chunks.read(unit.ref, options)
    return plain.subarray(unit.from + start, unit.from + end)
  }

  /** What is visible at `position`; past the end it is a hole. */
  async unitAt(position: number, options: Options): Promise<Unit> {
    if (position >= this.#size) return { kind: 'hole' }
    const piece = this.overlay.at(position, this.#size)
    if (piece.kind === 'dirty')
      return { kind: 'dirty', patch: piece, start: piece.start, end: piece.end }
    if (piece.kind === 'chunk') {
      return { ...piece, naturalEnd: piece.start - piece.from + piece.ref.length }
    }
    if (this.#tree === undefined || position >= this.#baseEnd) return { kind: 'hole' }
    const { start, extent } = await this.#tree.extentAt(position, options)
    if (extent.kind === 'hole') return { kind: 'hole' }
    const naturalEnd = start + extent.ref.length
    return {
      kind: 'chunk',
      ref: extent.ref,
      start: Math.max(start, piece.start),
      end: Math.min(naturalEnd, piece.end, this.#baseEnd),
      from: Math.max(0, piece.start - start),
      naturalEnd,
      final: await this.#endsData(naturalEnd, options),
    }
  }

  /** True if nothing stored needs to be cut again from here on: a whole chunk, a hole or the end begins. */
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

  /** Where to begin cutting dirty bytes that start at `position`: before what they cut in two or could lengthen. */
  async cutStart(position: number, options: Options): Promise<number> {
    if (position === 0) return 0
    const unit = await this.unitAt(position - 1, options)
    if (unit.kind !== 'chunk') return position
    return unit.naturalEnd > position || unit.final ? unit.start : position
  }

  async #endsData(position: number, options: Options): Promise<boolean> {
    if (this.#tree === undefined || position >= this.#tree.size) return true
    return (await this.#tree.extentAt(position, options)).extent.kind === 'hole'
  }

  async #readChunk(
    piece: ChunkPatch,
    start: number,
    end: number,
    options: Options,
  ): Promise<readonly Uint8Array[]> {
    const plain = await this.#chunks.read(piece.ref, options)
    const shift = piece.from - piece.start
    return [plain.subarray(start + shift, end + shift)]
  }

  async #readBelow(start: number, end: number, options: Options): Promise<readonly Uint8Array[]> {
    const stored = Math.max(start, Math.min(end, this.#baseEnd))
    const gap = zeros(end - stored)
    if (this.#base === undefined || start === stored) return gap
    return [...(await this.#base.read(start, stored - start, options)), ...gap]
  }
}
