// Chunks of a volume as plain bytes: sealed on the way in, fetched from wherever they are and opened on the way out.
// A chunk that is in a stripe, or here already, is only referenced. Nothing is returned that does not match its id.
import { openChunk, sealChunk } from '../../protocol/chunk/seal.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId } from '../../protocol/ids.ts'
import type { Store } from '../store/store.ts'
import type { ChunkCache } from './cache.ts'
import type { Gatherer } from './gather.ts'
import type { Packer } from './packer.ts'
import type { StripeMap } from './stripe-map.ts'

export interface ChunkReader {
  /** The plain bytes, from the cache if they are there; not to be written to. throws ShoalError 'chunk-unavailable'. */
  read(ref: ChunkRef, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** The same past the cache, for what is cached in another form. */
  readOnce(ref: ChunkRef, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** True if reading it waits for no peer. */
  isNear(id: ChunkId): boolean
}

export interface ChunkWriter {
  /** Keep a chunk; `plain` may be written to as soon as this returns its promise. throws ShoalError 'ENOSPC'. */
  write(plain: Uint8Array, options: { signal: AbortSignal }): Promise<ChunkRef>
}

interface ChunkIoParts {
  readonly store: Store
  readonly map: StripeMap
  readonly packer: Packer
  readonly gatherer: Gatherer
  readonly cache: ChunkCache
}

/** See the head of the file. What is written is durable after the packer's next commit. */
export class ChunkIo implements ChunkWriter {
  readonly #parts: ChunkIoParts

  constructor(parts: ChunkIoParts) {
    this.#parts = parts
  }

  async write(plain: Uint8Array, { signal }: { signal: AbortSignal }): Promise<ChunkRef> {
    signal.throwIfAborted()
    const { store, map, packer } = this.#parts
    const { ref, bytes } = sealChunk(map.keys(), plain)
    if (map.locate(ref.id) === undefined) await store.chunks.put(ref.id, bytes)
    packer.add(ref.id, bytes.length)
    return ref
  }

  /** Read with `hints`: peers that may hold what no stripe holds yet, such as the author of the file version. */
  reader(hints: readonly PeerId[]): ChunkReader {
    const { store, map, gatherer, cache } = this.#parts
    const readOnce = async (
      ref: ChunkRef,
      { signal }: { signal: AbortSignal },
    ): Promise<Uint8Array> =>
      openChunk(map.keys(ref.epoch), ref, await gatherer.fetch(ref.id, { hints, signal }))
    return {
      readOnce,
      read: (ref, options) => cache.get(ref.id, (signal) => readOnce(ref, { signal }), options),
      isNear: (id) => cache.has(id) || store.chunks.has(id),
    }
  }
}
