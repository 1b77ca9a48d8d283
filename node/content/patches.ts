// The layout of a file that is edited: patches, sorted, never overlapping; what none covers is a
// hole. A dirty patch holds bytes in memory, a chunk patch stands for the visible part of a stored
// chunk, a content patch for part of a stored content, such as the one that the editor began with.
// Dirty patches that touch are one. Every method changes the overlay at once or not at all.
// Searching is O(log patches), inserting moves an array of them.
import { KIB } from '../../protocol/units.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { StoredContent } from './read-pipeline.ts'

/** Bytes [start, end) of the file. */
interface Range {
  readonly start: number
  readonly end: number
}

/** Bytes in memory: the first `end - start` of `buffer`. */
export interface DirtyPatch extends Range {
  readonly kind: 'dirty'
  readonly buffer: Uint8Array
}

/** Part of a stored chunk, from byte `from` of its plain bytes. */
export interface ChunkPatch extends Range {
  readonly kind: 'chunk'
  readonly ref: ChunkRef
  readonly from: number
  /**
   * It ended because the data did, not by its content: more data after it would have lengthened it.
   */
  readonly final: boolean
}

/** Part of a stored content, from byte `from` of it. */
export interface ContentPatch extends Range {
  readonly kind: 'content'
  readonly source: StoredContent
  readonly from: number
}

export type Patch = DirtyPatch | ChunkPatch | ContentPatch

/** A patch, or a range that none covers. */
export type Piece = Patch | (Range & { readonly kind: 'hole' })

const BUFFER_BYTES_MIN: number = 64 * KIB

/** The bytes of a dirty patch. */
export function dirtyBytesOf(patch: DirtyPatch): Uint8Array {
  return patch.buffer.subarray(0, patch.end - patch.start)
}

export class Patches {
  #patches: Patch[] = []
  #dirtyBytes = 0
  #bufferBytes = 0

  get count(): number {
    return this.#patches.length
  }

  /** Bytes of dirty patches. */
  get dirtyBytes(): number {
    return this.#dirtyBytes
  }

  /** Bytes of the buffers they are in. */
  get bufferBytes(): number {
    return this.#bufferBytes
  }

  reset(): void {
    this.#patches = []
    this.#dirtyBytes = 0
    this.#bufferBytes = 0
  }

  firstDirty(): DirtyPatch | undefined {
    return this.#patches.find((patch) => patch.kind === 'dirty')
  }

  /** The piece that holds the byte at `position`; a hole reaches at most to `limit`. */
  at(position: number, limit: number): Piece {
    const index = this.#firstEndingAfter(position)
    const patch = this.#patches[index]
    if (patch !== undefined && patch.start <= position) return patch
    const start = this.#patches[index - 1]?.end ?? 0
    return { kind: 'hole', start, end: Math.min(patch?.start ?? limit, limit) }
  }

  /** Pieces that cover [from, to), the first and the last possibly more than that. */
  *pieces(from: number, to: number): Generator<Piece, void, undefined> {
    for (let at = from; at < to;) {
      const piece = this.at(at, to)
      yield piece
      at = piece.end
    }
  }

  /** The dirty patch that a write at `position` makes longer. */
  runAt(position: number): DirtyPatch | undefined {
    const first = this.#firstEndingAfter(position - 1)
    for (const patch of this.#patches.slice(first, first + 2)) {
      if (patch.kind === 'dirty' && patch.start <= position) return patch
    }
    return undefined
  }

  /** Bytes written at `position`; they are copied. */
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length
    const left = this.runAt(position)
    const right = this.runAt(end)
    const start = left?.start ?? position
    const wholeEnd = Math.max(end, left?.end ?? end, right?.end ?? end)
    const buffer = roomFor(left, wholeEnd - start)
    if (right !== undefined && right !== left) buffer.set(dirtyBytesOf(right), right.start - start)
    buffer.set(bytes, position - start)
    this.#replace(start, wholeEnd, [{ kind: 'dirty', start, end: wholeEnd, buffer }])
  }

  /** Stored chunks in place of all that they cover. They lie back to back. */
  store(chunks: readonly ChunkPatch[]): void {
    const start = chunks[0]?.start
    const end = chunks.at(-1)?.end
    if (start !== undefined && end !== undefined) this.#replace(start, end, chunks)
  }

  /** Part of a stored content in place of all that it covers. */
  place(patch: ContentPatch): void {
    this.#replace(patch.start, patch.end, [patch])
  }

  /** A hole in place of [start, end). */
  clear(start: number, end: number): void {
    this.#replace(start, end, [])
  }

  /** Put `patches` where [start, end) was, keeping what sticks out of it. */
  #replace(start: number, end: number, patches: readonly Patch[]): void {
    const first = this.#firstEndingAfter(start)
    let last = first
    while ((this.#patches[last]?.start ?? Infinity) < end) last++
    const covered = this.#patches.slice(first, last)
    const before = covered.filter((patch) => patch.start < start)
    const after = covered.filter((patch) => patch.end > end)
    const inserted = [
      ...before.map((patch) => ({ ...patch, end: start })),
      ...patches,
      ...after.map((patch) => tailOf(patch, end, { isShared: patch.start < start })),
    ]
    this.#patches.splice(first, covered.length, ...inserted)
    this.#dirtyBytes += sumOf(inserted, dirtyLength) - sumOf(covered, dirtyLength)
    this.#bufferBytes += sumOf(inserted, bufferLength) - sumOf(covered, bufferLength)
  }

  /** Index of the first patch that ends after `position`. */
  #firstEndingAfter(position: number): number {
    let low = 0
    let high = this.#patches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#patches[middle]?.end ?? Infinity) > position) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** isShared: what is before `start` stays, too. */
function tailOf(patch: Patch, start: number, { isShared }: { isShared: boolean }): Patch {
  const cut = start - patch.start
  if (patch.kind !== 'dirty') return { ...patch, start, from: patch.from + cut }
  if (isShared) return { ...patch, start, buffer: dirtyBytesOf(patch).slice(cut) }
  patch.buffer.copyWithin(0, cut, patch.end - patch.start)
  return { ...patch, start }
}

function sumOf(patches: readonly Patch[], lengthOf: (patch: DirtyPatch) => number): number {
  let sum = 0
  for (const patch of patches) if (patch.kind === 'dirty') sum += lengthOf(patch)
  return sum
}

function dirtyLength({ start, end }: DirtyPatch): number {
  return end - start
}

function bufferLength({ buffer }: DirtyPatch): number {
  return buffer.length
}

/** The buffer of `run` if it has room for `length` bytes, else a larger one with its bytes. */
function roomFor(run: DirtyPatch | undefined, length: number): Uint8Array {
  if (run === undefined) return Buffer.allocUnsafeSlow(length)
  if (run.buffer.length >= length) return run.buffer
  const larger = Buffer.allocUnsafeSlow(Math.max(2 * length, BUFFER_BYTES_MIN))
  larger.set(dirtyBytesOf(run))
  return larger
}
