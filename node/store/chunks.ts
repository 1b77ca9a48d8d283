// Sealed chunks of this node, by id. What is put is readable at once and durable after the store's next commit.
import { assert } from '../../protocol/errors.ts'
import { chunkIdBytes } from '../../protocol/ids.ts'
import { chunkKey, decodeAddress, encodeAddress } from './keys.ts'
import { CHUNK_RECORD } from './record.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { Address } from './keys.ts'
import type { Segments } from './segments.ts'
import type { StagedIndex } from './staged-index.ts'

/** What the chunks and the shards of one store share. */
export interface StoreParts {
  readonly segments: Segments
  readonly index: StagedIndex
  /** Resolves when the index may take another change: commits when much is staged. */
  readonly room: () => Promise<void>
}

/** See the head of the file. Every call throws ShoalError 'EIO' once the store has failed. */
export class ChunkStore {
  readonly #parts: StoreParts
  /** Puts under way, so that one chunk put twice at a time is written once. */
  readonly #puts = new Map<ChunkId, Promise<void>>()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  has(id: ChunkId): boolean {
    return this.#address(id) !== undefined
  }

  /** Bytes of a sealed chunk held here; undefined if it is not. */
  length(id: ChunkId): number | undefined {
    return this.#address(id)?.length
  }

  /** Keep a chunk. Idempotent. `sealed` must not be written to after. throws ShoalError 'ENOSPC', and keeps nothing. */
  async put(id: ChunkId, sealed: Uint8Array): Promise<void> {
    if (this.has(id)) return
    let put = this.#puts.get(id)
    if (put === undefined) {
      put = this.#append(id, sealed).finally(() => this.#puts.delete(id))
      this.#puts.set(id, put)
    }
    await put
  }

  /**
   * A sealed chunk, or `length` bytes of it from `offset` (cut at its end); undefined if it is not held.
   * A whole read is checked: throws ShoalError 'corrupt' if the disk changed it. A part must be checked by the caller.
   */
  async read(
    id: ChunkId,
    options: { offset?: number; length?: number } = {},
  ): Promise<Uint8Array | undefined> {
    const address = this.#address(id)
    if (address === undefined) return undefined
    const { segments } = this.#parts
    if (options.offset === undefined && options.length === undefined) {
      return segments.readChecked(address, chunkIdBytes(id), `chunk ${id}`)
    }
    const offset = Math.min(options.offset ?? 0, address.length)
    const length = Math.min(options.length ?? Infinity, address.length - offset)
    return segments.read(address, offset, length)
  }

  /** Forget a chunk: at once for reads, durably with the next commit. Nothing happens if it is not held. */
  delete(id: ChunkId): void {
    const address = this.#address(id)
    if (address === undefined) return
    this.#parts.index.stage(chunkKey(id), undefined)
    this.#parts.index.count({ chunkBytes: -address.length })
  }

  async #append(id: ChunkId, sealed: Uint8Array): Promise<void> {
    const { segments, index, room } = this.#parts
    const address = await segments.append(CHUNK_RECORD, chunkIdBytes(id), [sealed])
    stageChunk(index, id, address)
    await room()
  }

  #address(id: ChunkId): Address | undefined {
    this.#parts.segments.check()
    const value = this.#parts.index.get(chunkKey(id))
    return value === undefined ? undefined : decodeAddress(value)
  }
}

/** Index a chunk that is not indexed yet. */
export function stageChunk(index: StagedIndex, id: ChunkId, address: Address): void {
  const key = chunkKey(id)
  assert(index.get(key) === undefined, 'a chunk is indexed once')
  index.stage(key, encodeAddress(address))
  index.count({ chunkBytes: address.length })
}
