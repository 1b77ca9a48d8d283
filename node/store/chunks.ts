// Sealed chunks of this node, by id. What is put is readable at once and durable after the store's
// next commit.
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { hasCode } from '../../protocol/errors.ts'
import { chunkIdBytes } from '../../protocol/ids.ts'
import { addressOf, stageChunk, unstageChunk } from './staged-index.ts'
import { chunkKey, chunkOfKey, CHUNK_PREFIX, decodeAddress, prefixRange } from './keys.ts'
import { keyAfter, scanPages } from './pages.ts'
import { readFound } from './parts.ts'
import { CHUNK_RECORD } from './record.ts'
import { isLive, recordName } from './record-name.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { Address } from './keys.ts'
import type { Soundness, StoreParts } from './parts.ts'

/** A chunk that is held. */
export interface HeldChunk {
  readonly id: ChunkId
  /** Sealed bytes. */
  readonly length: number
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

  /**
   * Keep a chunk. Idempotent; with `verify` a copy that is held is read, and replaced if it is
   * damaged. `sealed` may be written to as soon as this returns its promise; with `verify`, once it
   * has settled. throws ShoalError 'ENOSPC', and keeps nothing.
   */
  async put(
    id: ChunkId,
    sealed: Uint8Array,
    { verify = false }: { verify?: boolean } = {},
  ): Promise<void> {
    if (!verify && this.has(id)) return
    let put = this.#puts.get(id)
    if (put === undefined) {
      put = this.#keep(id, sealed, verify).finally(() => this.#puts.delete(id))
      this.#puts.set(id, put)
    }
    await put
  }

  /**
   * A sealed chunk, or `length` bytes of it from `offset` (cut at its end); undefined if it is not
   * held. A whole read is checked: throws ShoalError 'corrupt' if the disk changed it. A part must
   * be checked by the caller.
   */
  async read(
    id: ChunkId,
    options: { offset?: number; length?: number } = {},
  ): Promise<Uint8Array | undefined> {
    if (options.offset === undefined && options.length === undefined) return this.#readWhole(id)
    return readFound(
      () => this.#pointer(id),
      ({ address }) => {
        const offset = Math.min(options.offset ?? 0, address.length)
        const length = Math.min(options.length ?? Infinity, address.length - offset)
        return this.#parts.segments.read(address, offset, length)
      },
    )
  }

  /** Read all of a chunk from the disk as it is now, and compare it with its id. */
  async verify(id: ChunkId): Promise<Soundness> {
    try {
      const sealed = await this.#readWhole(id, { isNamed: true })
      if (sealed === undefined) return 'missing'
      return verifyChunk(id, sealed) ? 'whole' : 'damaged'
    } catch (error) {
      if (hasCode(error, 'corrupt')) return 'damaged'
      throw error
    }
  }

  /**
   * Forget a chunk: at once for reads, durably with the next commit. Nothing happens if it is not
   * held.
   */
  delete(id: ChunkId): void {
    this.#parts.segments.check()
    unstageChunk(this.#parts.index, id)
  }

  /**
   * The chunks held as of the last commit, by id bytes, those after `after`. May be gone through
   * slowly.
   */
  async *scan({ after }: { after?: ChunkId } = {}): AsyncGenerator<HeldChunk> {
    const { from, to } = prefixRange(CHUNK_PREFIX)
    const first = after === undefined ? from : keyAfter(chunkKey(after))
    for await (const [key, value] of scanPages(this.#parts.kv, { from: first, to })) {
      yield { id: chunkOfKey(key), length: decodeAddress(value).length }
    }
  }

  /**
   * The chunks held, those first that were written, or moved by compaction, first. Costs a read of
   * each record's head.
   */
  async *oldest(): AsyncGenerator<HeldChunk> {
    const { segments, index } = this.#parts
    for (const [segment] of index.segments.rows()) {
      if (index.segments.row(segment).liveBytes === 0) continue
      for await (const { head, offset } of segments.heads(segment)) {
        const name = recordName(head)
        const address = { segment, offset, length: head.length }
        if (name?.kind !== 'chunk' || !isLive(index, name, address)) continue
        yield { id: name.id, length: head.length }
      }
    }
  }

  async #keep(id: ChunkId, sealed: Uint8Array, verify: boolean): Promise<void> {
    if (verify && (await this.verify(id)) === 'whole') return
    const { index, add, room } = this.#parts
    const placed = (at: Address): void => stageChunk(index, id, at)
    await add(CHUNK_RECORD, chunkIdBytes(id), [sealed], placed, { isReused: true })
    await room()
  }

  #readWhole(id: ChunkId, options: { isNamed?: boolean } = {}): Promise<Uint8Array | undefined> {
    const idBytes = chunkIdBytes(id)
    return readFound(
      () => this.#pointer(id),
      ({ address }) => this.#parts.segments.readChecked(address, idBytes, `chunk ${id}`, options),
    )
  }

  #address(id: ChunkId): Address | undefined {
    this.#parts.segments.check()
    return addressOf(this.#parts.index, id)
  }

  #pointer(id: ChunkId): { readonly address: Address } | undefined {
    const address = this.#address(id)
    return address === undefined ? undefined : { address }
  }
}
