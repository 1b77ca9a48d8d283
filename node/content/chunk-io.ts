// Chunks of a volume as plain bytes: sealed on the way in, fetched from wherever they are and
// opened on the way out. A chunk that is surely elsewhere (dedup-check.ts), in a stripe of its
// class, or here already, is only referenced. Nothing is returned that does not match its id
// (chunk-fetcher.ts) and its reference.
import { hasCode } from '../../protocol/errors.ts'
import { openVerifiedChunk, sealChunk } from '../../protocol/chunk/seal.ts'
import { CHUNK_SEALED_MAX } from '../../protocol/limits.ts'
import type { ChunkRef } from '../../protocol/chunk/seal.ts'
import type { ChunkId, PeerId, VolumeId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Store } from '../store/store.ts'
import type { ChunkCache } from './decoded-cache.ts'
import type { DedupCheck } from '../stripes/dedup-check.ts'
import type { ChunkFetcher } from '../stripes/chunk-fetcher.ts'
import type { Packer } from '../stripes/packer.ts'
import type { StripeMap } from '../shard-map/stripe-map.ts'
import type { InFlightReferences } from './in-flight-references.ts'

export interface ChunkReader {
  /**
   * The plain bytes, from the cache if they are there; not to be written to. throws ShoalError
   * 'chunk-unavailable'.
   */
  read(ref: ChunkRef, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** The same past the cache, for what is cached in another form. */
  readOnce(ref: ChunkRef, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** True if reading it waits for no peer. */
  isNear(id: ChunkId): boolean
}

export interface ChunkWriter {
  /**
   * Keep a chunk; `plain` may be written to as soon as this returns its promise. throws ShoalError
   * 'ENOSPC'.
   */
  write(plain: Uint8Array, options: { signal: AbortSignal }): Promise<ChunkRef>
  /**
   * Reference chunks that are stored, as if they had been written again. throws 'ENOSPC',
   * 'chunk-unavailable'.
   */
  adopt(refs: AsyncIterable<Pick<ChunkRef, 'id'>>, options: AdoptOptions): Promise<void>
}

export interface AdoptOptions {
  /**
   * Share the stripes that have them, of whatever class: nobody is asked, and nothing fetched. What
   * is made of them is as safe as what they are taken from.
   */
  readonly isShared?: boolean
  readonly signal: AbortSignal
}

interface ChunkIoParts {
  readonly store: Store
  readonly map: StripeMap
  readonly packer: Packer
  readonly dedupCheck: DedupCheck
  readonly fetcher: ChunkFetcher
  /** That of all volumes. */
  readonly cache: ChunkCache
  readonly volume: VolumeId
  /** Told of each chunk that is written or referenced. */
  readonly inFlight: InFlightReferences
  /** Does this node know what other members have done until just now? */
  readonly hears: () => boolean
  /** Told of each chunk that is read for a user, but for those in the cache. */
  readonly onRead?: (chunk: ChunkId) => void
}

let scratch: Uint8Array | undefined

/** The room where each chunk is sealed: it is stored before anything else runs. */
function sealedBytes(): Uint8Array {
  return (scratch ??= Buffer.allocUnsafeSlow(CHUNK_SEALED_MAX))
}

/** See the head of the file. */
export class ChunkIo {
  readonly #parts: ChunkIoParts

  constructor(parts: ChunkIoParts) {
    this.#parts = parts
  }

  /**
   * Write for a redundancy class (undefined: the volume's). What is written is durable after the
   * packer's next commit.
   */
  writer(cls: RedundancyClass | undefined): ChunkWriter {
    const { store, map, packer, dedupCheck, inFlight, hears } = this.#parts
    return {
      write: async (plain, { signal }) => {
        signal.throwIfAborted()
        const { ref, bytes } = sealChunk(map.keys(), plain, sealedBytes())
        const { length } = bytes
        // Before it is known whether it is to be had: nobody gives it up from now on.
        inFlight.add(ref.id)
        // Others may have given up the stripe, and nobody has told this node yet.
        if (!store.chunks.has(ref.id) && dedupCheck.isKnown(ref.id, cls) && hears()) {
          const own = new Uint8Array(bytes)
          const there = await dedupCheck.look(ref.id, cls, { signal })
          if (there === undefined) await store.chunks.put(ref.id, own)
        } else {
          await store.chunks.put(ref.id, bytes)
        }
        packer.add(ref.id, length, cls)
        return ref
      },
      adopt: async (refs, { isShared = false, signal }) => {
        const isTold = hears()
        for await (const { id } of refs) {
          signal.throwIfAborted()
          inFlight.add(id)
          if (packer.isMarkedFor(id, cls)) continue
          // Whoever gives up the stripe without knowing of this is told before it goes.
          const isAtHand = store.chunks.length(id) !== undefined
          if (isShared && (isTold || !isAtHand) && dedupCheck.isListed(id)) continue
          // It is as safe as what it is taken from; bytes of it that could be compared are not
          // here.
          const options = { others: 'taken', signal } as const
          if (isTold && (await dedupCheck.look(id, cls, options)) !== undefined) continue
          packer.add(id, store.chunks.length(id) ?? (await this.#fetch(id, signal)), cls)
        }
      },
    }
  }

  /**
   * Read with `hints`: peers that may hold what no stripe holds yet, such as the author of the file
   * version. What is fetched is kept in the store here ('stored', if there is room and it is in a
   * stripe), or for the next reader.
   */
  reader(hints: readonly PeerId[], { keeps }: { keeps?: 'stored' | 'cached' } = {}): ChunkReader {
    const { store, map, fetcher, cache, volume, onRead } = this.#parts
    // The id alone would show what only members of another volume may open.
    const keyOf = (id: ChunkId): string => volume + id
    const readOnce = async (
      ref: ChunkRef,
      { signal }: { signal: AbortSignal },
    ): Promise<Uint8Array> => {
      const sealed = await fetcher.fetch(ref.id, { hints, keeps: keeps === 'cached', signal })
      if (keeps === 'cached') onRead?.(ref.id)
      if (keeps === 'stored' && map.locations(ref.id).length > 0) await this.#keep(ref.id, sealed)
      return openVerifiedChunk(map.keys(ref.epoch), ref, sealed)
    }
    return {
      readOnce,
      read: (ref, options) =>
        cache.get(keyOf(ref.id), (signal) => readOnce(ref, { signal }), options),
      isNear: (id) => cache.has(keyOf(id)) || store.chunks.has(id) || store.fetched.has(id),
    }
  }

  /** Have a chunk here. returns its sealed length. */
  async #fetch(id: ChunkId, signal: AbortSignal): Promise<number> {
    const { store, fetcher } = this.#parts
    const sealed = await fetcher.fetch(id, { hints: [], signal })
    await store.chunks.put(id, sealed)
    return sealed.length
  }

  async #keep(id: ChunkId, sealed: Uint8Array): Promise<void> {
    try {
      await this.#parts.store.chunks.put(id, sealed)
    } catch (error) {
      if (!hasCode(error, 'ENOSPC')) throw error
    }
  }
}
