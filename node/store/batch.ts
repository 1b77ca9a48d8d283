// Records of one segment that go to its file in one write. Their bytes are copied into buffers of
// pages, in which they lie as they will in the pages of the file, so that the disk takes them as
// they are; these are given back once the file has them. Nobody else gets to see them but by
// reading before that.
import { PAGE_BUFFER_BYTES, PAGE_BYTES, pageBuffers } from '../world/page-buffers.ts'

export class Batch {
  readonly segment: number
  /** The place of its first byte in the file. */
  readonly position: number
  /** Places (Segments) of its records. */
  readonly places: number[] = []
  /** Takes no more records. */
  sealed = false
  readonly #buffers: Uint8Array[] = []
  #bytes = 0

  constructor(segment: number, position: number) {
    this.segment = segment
    this.position = position
  }

  get bytes(): number {
    return this.#bytes
  }

  /** All of it, to be written. */
  get parts(): readonly Uint8Array[] {
    const start = this.position % PAGE_BYTES
    return this.#buffers.map((buffer, at) =>
      buffer.subarray(at === 0 ? start : 0, start + this.#bytes - at * PAGE_BUFFER_BYTES),
    )
  }

  /** Add bytes. returns the copy of them, in parts. */
  add(bytes: Uint8Array): readonly Uint8Array[] {
    const copy: Uint8Array[] = []
    for (let done = 0; done < bytes.byteLength;) {
      const end = (this.position % PAGE_BYTES) + this.#bytes
      const [at, offset] = [Math.floor(end / PAGE_BUFFER_BYTES), end % PAGE_BUFFER_BYTES]
      const buffer = (this.#buffers[at] ??= pageBuffers.take())
      const length = Math.min(bytes.byteLength - done, PAGE_BUFFER_BYTES - offset)
      buffer.set(bytes.subarray(done, done + length), offset)
      copy.push(buffer.subarray(offset, offset + length))
      this.#bytes += length
      done += length
    }
    return copy
  }

  /** Give its buffers back: nothing of it may be read any more. */
  end(): void {
    for (const part of this.parts) {
      const buffer = new Uint8Array(part.buffer, 0, PAGE_BUFFER_BYTES)
      pageBuffers.giveBack(buffer, part.byteOffset + part.byteLength)
    }
    this.#buffers.length = 0
  }
}

/** The bytes of `parts` together. */
export function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0)
}

/** A copy of `length` bytes from `offset` of `parts` back to back. */
export function copyOf(parts: readonly Uint8Array[], offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  let start = -offset // Of the part, relative to the first byte wanted.
  for (const part of parts) {
    const from = Math.max(0, -start)
    const to = Math.min(part.byteLength, length - start)
    if (from < to) out.set(part.subarray(from, to), start + from)
    start += part.byteLength
  }
  return out
}
