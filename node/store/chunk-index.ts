// The index of chunks. A chunk has one record that is live: the one that its pointer points at.
import { chunkKey, decodeAddress, encodeAddress } from './keys.ts'
import { CHUNK_HEAD_BYTES } from './record.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { Address } from './keys.ts'
import type { StagedIndex } from './staged-index.ts'

export function addressOf(index: StagedIndex, id: ChunkId): Address | undefined {
  const value = index.get(chunkKey(id))
  return value === undefined ? undefined : decodeAddress(value)
}

/** Point at the record of a chunk; the one that was pointed at is dead. */
export function stageChunk(index: StagedIndex, id: ChunkId, address: Address): void {
  unstageChunk(index, id)
  index.stage(chunkKey(id), encodeAddress(address))
  count(index, address, 1)
}

/** Point at no record of a chunk. */
export function unstageChunk(index: StagedIndex, id: ChunkId): void {
  const address = addressOf(index, id)
  if (address === undefined) return
  index.stage(chunkKey(id), undefined)
  count(index, address, -1)
}

function count(index: StagedIndex, { segment, length }: Address, sign: 1 | -1): void {
  index.count({ chunkBytes: sign * length })
  index.segments.live(segment, sign * (CHUNK_HEAD_BYTES + length))
}
