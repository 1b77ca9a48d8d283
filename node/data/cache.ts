// Decoded things by chunk id, least recently used first out, bounded. Concurrent requests for one id share one load;
// it is aborted when nobody waits for it any more. A failed load is not remembered.
import { LRUCache } from 'lru-cache'
import type { ManifestNode } from '../../protocol/chunk/manifest.ts'
import type { ChunkId } from '../../protocol/ids.ts'

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
  readonly #values: LRUCache<ChunkId, V>
  readonly #loads = new Map<ChunkId, Load<V>>()

  constructor({ sizeMax, sizeOf }: CacheOptions<V>) {
    this.#values = new LRUCache({
      maxSize: sizeMax,
      sizeCalculation: (value) => Math.max(1, sizeOf(value)),
    })
  }

  /** True if `get` would not load, or joins a load. */
  has(id: ChunkId): boolean {
    return this.#values.has(id) || this.#loads.has(id)
  }

  set(id: ChunkId, value: V): void {
    this.#values.set(id, value)
  }

  /** The cached value, else what `load` gives. throws what `load` throws, and the signal's reason. */
  async get(
    id: ChunkId,
    load: (signal: AbortSignal) => Promise<V>,
    { signal }: { signal: AbortSignal },
  ): Promise<V> {
    const cached = this.#values.get(id)
    if (cached !== undefined) return cached
    signal.throwIfAborted()
    return wait(this.#loads.get(id) ?? this.#start(id, load), signal)
  }

  #start(id: ChunkId, load: (signal: AbortSignal) => Promise<V>): Load<V> {
    const abandoned = new AbortController()
    const value = load(abandoned.signal).then(
      (loaded) => {
        this.#forget(id, started)
        this.#values.set(id, loaded)
        return loaded
      },
      (error: unknown) => {
        this.#forget(id, started)
        throw error
      },
    )
    const started: Load<V> = { value, abandoned, waiting: 0 }
    abandoned.signal.addEventListener('abort', () => this.#forget(id, started))
    this.#loads.set(id, started)
    return started
  }

  #forget(id: ChunkId, load: Load<V>): void {
    if (this.#loads.get(id) === load) this.#loads.delete(id)
  }
}

/** Plain chunks by their bytes. */
export type ChunkCache = Cache<Uint8Array>
/** Manifest nodes by the number of their items. */
export type NodeCache = Cache<ManifestNode>

/** A cache of plain chunks of at most `bytesMax` bytes. */
export function chunkCache(bytesMax: number): ChunkCache {
  return new Cache({ sizeMax: bytesMax, sizeOf: (plain) => plain.length })
}

/** A cache of manifest nodes with at most `itemsMax` extents and children in all. */
export function nodeCache(itemsMax: number): NodeCache {
  return new Cache({
    sizeMax: itemsMax,
    sizeOf: (node) => ('extents' in node ? node.extents.length : node.children.length),
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
