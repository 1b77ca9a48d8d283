// Content in, bytes out: the manifest is walked lazily, chunks come through a shared cache, holes are zeros. A reader
// that is read in order reads ahead: far when chunks come from peers, little when they are here.
import { extentLength } from '../../protocol/chunk/manifest.ts'
import { MIB } from '../../protocol/units.ts'
import { contentSize } from './content.ts'
import { ManifestTree } from './manifest-tree.ts'
import type { NodeCache } from './cache.ts'
import type { ChunkReader } from './chunk-io.ts'
import type { Content } from './content.ts'
import type { PlacedExtent } from './manifest-tree.ts'

/** Chunks in flight when they come from peers, and when they are here. */
const FAR_CHUNKS = 8
const NEAR_CHUNKS = 2
/** Bytes read ahead at most, so that a reader leaves room in the cache for others. */
const AHEAD_BYTES: number = 8 * MIB

/** What holes are read from; never written to. */
const ZEROS: Uint8Array = new Uint8Array(MIB)

export interface ReaderParts {
  readonly chunks: ChunkReader
  readonly nodes: NodeCache
}

interface Options {
  readonly signal: AbortSignal
}

/** See the head of the file. What it returns belongs to the cache: not to be written to. */
export class ContentReader {
  readonly size: number
  readonly #chunks: ChunkReader
  readonly #inline: Uint8Array | undefined
  readonly #tree: ManifestTree | undefined
  /** Where the last read ended. */
  #position = 0
  /** Read ahead up to here. */
  #ahead = 0

  constructor(content: Content, { chunks, nodes }: ReaderParts) {
    this.size = contentSize(content)
    this.#chunks = chunks
    if (content.kind === 'inline') this.#inline = content.bytes
    else this.#tree = new ManifestTree(content.manifest, { chunks, nodes })
  }

  /** Bytes from `position`, in parts; together shorter than `length` only at the end. throws 'chunk-unavailable'. */
  async read(position: number, length: number, options: Options): Promise<readonly Uint8Array[]> {
    const end = Math.min(position + length, this.size)
    const sequential = position === this.#position
    const parts: Uint8Array[] = []
    for await (const part of this.stream(position, length, options)) parts.push(part)
    this.#position = end
    if (sequential && this.#tree !== undefined) void this.#readAhead(this.#tree, end)
    return parts
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
        reading.catch(() => undefined)
        window.push(reading)
        const depth = this.#isNear(placed) ? NEAR_CHUNKS : FAR_CHUNKS
        while (window.length >= depth) yield* (await window.shift()) ?? []
      }
      while (window.length > 0) yield* (await window.shift()) ?? []
    } finally {
      stopped.abort()
    }
  }

  /** The first byte from `position` on that is data, or in a hole; undefined if there is none up to the end. */
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

  /** Bring the next chunks into the cache. Failures are met again by the read that needs the chunk. */
  async #readAhead(tree: ManifestTree, position: number): Promise<void> {
    const { signal } = new AbortController()
    const from = Math.max(position, this.#ahead)
    const limit = Math.min(position + AHEAD_BYTES, tree.size)
    let count = 0
    try {
      for await (const { start, extent } of tree.extents(position, limit, { signal })) {
        if (count >= FAR_CHUNKS) break
        if (extent.kind === 'hole') continue
        const near = this.#chunks.isNear(extent.ref.id)
        if (near && count >= NEAR_CHUNKS) break
        count++
        const end = start + extent.ref.length
        if (end <= from) continue
        this.#ahead = Math.max(this.#ahead, end)
        this.#chunks.read(extent.ref, { signal }).catch(() => undefined)
      }
    } catch {
      // As above.
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
