// Content in, bytes out: the manifest is walked lazily, chunks come through a shared cache, holes
// are zeros. Where it is read in order it is read ahead (read-ahead.ts): far when chunks come from
// peers, little when they are here.
import { extentLength } from '../../protocol/chunk/manifest.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import { contentSize } from './content.ts'
import { inParallel } from '../stripes/in-parallel.ts'
import { ManifestTree } from './manifest-tree.ts'
import { ReadAhead } from './read-ahead.ts'
import type { NodeCache } from './decoded-cache.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkReader } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { PlacedExtent } from './manifest-tree.ts'
import type { ReadAheadBudget, Stream } from './read-ahead.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'
import type { Manifest } from '../../protocol/chunk/manifest.ts'

/** Chunks in flight when they come from peers, and when they are here. */
const FAR_CHUNKS = 8
const NEAR_CHUNKS = 2
/** Read ahead of what is here: enough that the disk and the processor work at a time. */
const NEAR_BYTES: number = 256 * KIB

/** The zeros that holes are read from; never written to. */
const ZEROS: Uint8Array = new Uint8Array(MIB)

export interface ReaderParts {
  readonly chunks: ChunkReader
  readonly nodes: NodeCache
  readonly ahead: ReadAheadBudget
}

interface Options {
  readonly signal: AbortSignal
}

/**
 * A content of chunks that is stored: what an editor begins with, or copies from. It never
 * changes.
 */
export interface StoredContent {
  readonly tree: ManifestTree
  readonly chunks: ChunkReader
  readonly reader: ContentReader
}

/** See the head of the file. What it returns belongs to the cache: not to be written to. */
export class ContentReader {
  readonly size: number
  readonly #chunks: ChunkReader
  readonly #inline: Uint8Array | undefined
  readonly #tree: ManifestTree | undefined
  readonly #ahead: ReadAhead

  constructor(content: Content, { chunks, nodes, ahead }: ReaderParts) {
    this.size = contentSize(content)
    this.#chunks = chunks
    this.#ahead = new ReadAhead(ahead)
    if (content.kind === 'inline') this.#inline = content.bytes
    else this.#tree = new ManifestTree(content.manifest, { chunks, nodes })
  }

  /**
   * Bytes from `position`, in parts; together shorter than `length` only at the end. throws
   * 'chunk-unavailable'.
   */
  async read(position: number, length: number, options: Options): Promise<readonly Uint8Array[]> {
    const parts: Uint8Array[] = []
    const end = Math.min(position + length, this.size)
    const isRead = this.#tree !== undefined && position < end
    const stream = isRead ? this.#ahead.follow(position, end) : undefined
    try {
      const reading = this.stream(position, length, options)
      const first = reading.next()
      // After what is asked for.
      if (stream !== undefined) void this.#readAhead(stream)
      for (let piece = await first; piece.done !== true; piece = await reading.next())
        parts.push(piece.value)
    } catch (error) {
      // Whoever is interrupted does not go on.
      if (options.signal.aborted && stream !== undefined) this.#ahead.stop(stream)
      throw error
    }
    return parts
  }

  /** Nobody will go on reading: fetch nothing more ahead. */
  stop(): void {
    this.#ahead.stopAll()
  }

  /** The same piece by piece, several chunks in flight. */
  async *stream(
    position: number,
    length: number,
    { signal }: Options,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const end = Math.min(position + length, this.size)
    if (this.#tree === undefined) {
      if (position < end) yield (this.#inline ?? ZEROS).subarray(position, end)
      return
    }
    const stopped = new AbortController()
    const scope = AbortSignal.any([signal, stopped.signal])
    const window: Promise<readonly Uint8Array[]>[] = []
    try {
      for await (const placed of this.#tree.extents(position, end, { signal })) {
        const reading = this.#part(placed, position, end, scope)
        // It is awaited in its turn; until then a failure is nobody's.
        void ignoreFailure(reading, 'it is thrown where it is awaited')
        window.push(reading)
        const depth = this.#isNear(placed) ? NEAR_CHUNKS : FAR_CHUNKS
        while (window.length >= depth) yield* (await window.shift()) ?? []
      }
      while (window.length > 0) yield* (await window.shift()) ?? []
    } finally {
      // All was read but for what nobody wants any more; to say that costs as much as a small
      // chunk.
      if (window.length > 0) stopped.abort()
    }
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
    if (this.#tree !== undefined) return this.#tree.seek(what, position, this.size, options)
    return what === 'data' && position < this.size ? position : undefined
  }

  async #part(
    { start, extent }: PlacedExtent,
    from: number,
    to: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const head = Math.max(0, from - start)
    const tail = Math.min(extentLength(extent), to - start)
    if (extent.kind === 'hole') return zeros(tail - head)
    const plain = await this.#chunks.read(extent.ref, { signal })
    return [plain.subarray(head, tail)]
  }

  #isNear({ extent }: PlacedExtent): boolean {
    return extent.kind === 'hole' || this.#chunks.isNear(extent.ref.id)
  }

  /** Brings the next chunks into the cache. */
  async #readAhead(stream: Stream): Promise<void> {
    if (this.#tree === undefined || stream.isRunning) return
    stream.isRunning = true
    const { signal } = stream
    const read = async (ref: ChunkRef): Promise<void> => {
      await this.#chunks.read(ref, { signal })
    }
    try {
      // Reads that came meanwhile have widened the window.
      for (let before = -1; before < stream.ahead;) {
        before = stream.ahead
        await inParallel(this.#comingUp(this.#tree, stream), FAR_CHUNKS, read)
      }
    } catch {
      // The read that needs the chunk meets it, too.
    } finally {
      stream.isRunning = false
    }
  }

  async *#comingUp(tree: ManifestTree, stream: Stream): AsyncGenerator<ChunkRef> {
    if (stream.ahead >= stream.limit) return
    const { signal } = stream
    for await (const placed of tree.extents(stream.ahead, this.size, { signal })) {
      const isNear = this.#isNear(placed)
      const window = isNear ? Math.min(stream.window, NEAR_BYTES) : stream.window
      if (placed.start >= stream.next + window) return
      stream.ahead = placed.start + extentLength(placed.extent)
      if (placed.extent.kind === 'chunk') yield placed.extent.ref
    }
  }
}

/** `length` zero bytes in parts that are shared: not to be written to. */
export function zeros(length: number): readonly Uint8Array[] {
  const whole = Math.floor(length / ZEROS.length)
  const rest = length % ZEROS.length
  const parts = Array.from({ length: whole }, () => ZEROS)
  return rest === 0 ? parts : [...parts, ZEROS.subarray(0, rest)]
}

export function storedContent(manifest: Manifest, parts: ReaderParts): StoredContent {
  return {
    tree: new ManifestTree(manifest, parts),
    chunks: parts.chunks,
    reader: new ContentReader({ kind: 'chunks', manifest }, parts),
  }
}
