// Decoded things by a key with a chunk id, least recently used first out, bounded. Concurrent
// requests for one key share one load; it is aborted when nobody waits for it any more. A failed
// load is not remembered.
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import type { LoadedNode } from './manifest-tree.ts'

/** Plain chunks that a node keeps in memory for readers, of all volumes. */
export const CHUNK_CACHE_BYTES: number = 32 * MIB

/** The part of a cache's bytes that is left for the disk. throws ShoalError 'usage'. */
export function cacheBytesOnDisk(bytes: number): number {
  if (bytes >= CHUNK_CACHE_BYTES) return bytes - CHUNK_CACHE_BYTES
  throw new ShoalError('usage', 'the cache size must be at least 32MiB')
}

export interface CacheOptions<V> {
  /** Bound of the sum of `sizeOf` over all values. */
  readonly sizeMax: number
  readonly sizeOf: (value: V) => number
}

interface Load<V> {
  readonly value: Promise<V>
  readonly abandoned: AbortController
  waiting: number
}

class Cache<V extends object> {
  readonly #values: LRUCache<string, V>
  readonly #loads = new Map<string, Load<V>>()

  constructor({ sizeMax, sizeOf }: CacheOptions<V>) {
    this.#values = new LRUCache({
      maxSize: sizeMax,
      sizeCalculation: (value) => Math.max(1, sizeOf(value)),
    })
  }

  /** The sum of `sizeOf` over all values. */
  get size(): number {
    return this.#values.calculatedSize
  }

  /** True if `get` would not load, or joins a load. */
  has(key: string): boolean {
    return this.#values.has(key) || this.#loads.has(key)
  }

  set(key: string, value: V): void {
    this.#values.set(key, value)
  }

  /**
   * The cached value, else what `load` gives. throws what `load` throws, and the signal's reason.
   */
  async get(
    key: string,
    load: (signal: AbortSignal) => Promise<V>,
    { signal }: { signal: AbortSignal },
  ): Promise<V> {
    const cached = this.#values.get(key)
    if (cached !== undefined) return cached
    signal.throwIfAborted()
    return wait(this.#loads.get(key) ?? this.#start(key, load), signal)
  }

  #start(key: string, load: (signal: AbortSignal) => Promise<V>): Load<V> {
    const abandoned = new AbortController()
    const value = load(abandoned.signal).then(
      (loaded) => {
        this.#forget(key, started)
        this.#values.set(key, loaded)
        return loaded
      },
      (error: unknown) => {
        this.#forget(key, started)
        throw error
      },
    )
    const started: Load<V> = { value, abandoned, waiting: 0 }
    abandoned.signal.addEventListener('abort', () => this.#forget(key, started))
    this.#loads.set(key, started)
    return started
  }

  #forget(key: string, load: Load<V>): void {
    if (this.#loads.get(key) === load) this.#loads.delete(key)
  }
}

/** Plain chunks by their bytes. */
export type ChunkCache = Cache<Uint8Array>
/** Manifest nodes by the number of their items. */
export type NodeCache = Cache<LoadedNode>

/** A cache of plain chunks of at most `bytesMax` bytes. */
export function chunkCache(bytesMax: number): ChunkCache {
  return new Cache({ sizeMax: bytesMax, sizeOf: (plain) => plain.length })
}

/** A cache of manifest nodes with at most `itemsMax` extents and children in all. */
export function nodeCache(itemsMax: number): NodeCache {
  return new Cache({
    sizeMax: itemsMax,
    sizeOf: ({ content }) =>
      'extents' in content ? content.extents.length : content.children.length,
  })
}

function wait<V>(load: Load<V>, signal: AbortSignal): Promise<V> {
  load.waiting++
  return new Promise<V>((resolve, reject) => {
    const onAbort = (): void => {
      load.waiting--
      reject(signal.reason)
      if (load.waiting === 0) load.abandoned.abort(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    load.value.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
