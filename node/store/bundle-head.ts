// How a file of fetched chunks begins: their number (4 bytes, big-endian), then of each its id (CID
// bytes) and its length (4 bytes). The chunks follow in that order.
import { CID_BYTES, chunkIdBytes, chunkIdFromCid } from '../../protocol/ids.ts'
import type { ChunkId } from '../../protocol/ids.ts'

const ROW_BYTES: number = CID_BYTES + 4
export const BUNDLE_CHUNKS_MAX = 1024

/** The longest head. */
export const BUNDLE_HEAD_BYTES_MAX: number = 4 + BUNDLE_CHUNKS_MAX * ROW_BYTES

/** A chunk to be written. */
export interface SealedChunk {
  readonly id: ChunkId
  readonly sealed: Uint8Array
}

/** The place of a chunk in its file. */
export interface BundledChunk {
  readonly id: ChunkId
  readonly offset: number
  readonly bytes: number
}

/** At most BUNDLE_CHUNKS_MAX chunks, in the order in which they follow. */
export function encodeBundleHead(chunks: readonly SealedChunk[]): {
  readonly head: Uint8Array
  readonly places: readonly BundledChunk[]
} {
  const head = Buffer.alloc(4 + chunks.length * ROW_BYTES)
  head.writeUInt32BE(chunks.length)
  const places: BundledChunk[] = []
  let offset = head.length
  for (const [index, { id, sealed }] of chunks.entries()) {
    const row = 4 + index * ROW_BYTES
    head.set(chunkIdBytes(id), row)
    head.writeUInt32BE(sealed.length, row + CID_BYTES)
    places.push({ id, offset, bytes: sealed.length })
    offset += sealed.length
  }
  return { head, places }
}

/** The chunks that lie whole within a file of `size` bytes; none if it does not begin so. */
export function decodeBundleHead(bytes: Uint8Array, size: number): readonly BundledChunk[] {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const count = head.length < 4 ? 0 : head.readUInt32BE()
  const places: BundledChunk[] = []
  let offset = 4 + count * ROW_BYTES
  if (offset > head.length) return []
  for (let row = 4; row < 4 + count * ROW_BYTES; row += ROW_BYTES) {
    const length = head.readUInt32BE(row + CID_BYTES)
    if (length === 0 || offset + length > size) return places
    try {
      const id = chunkIdFromCid(head.subarray(row, row + CID_BYTES))
      places.push({ id, offset, bytes: length })
    } catch {
      return places // no id of a chunk: the head is damaged from here on
    }
    offset += length
  }
  return places
}
