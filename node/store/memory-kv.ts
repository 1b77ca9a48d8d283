// The ordered store in memory, for simulations and tests. It keeps apart what is durable from what
// is not, as LevelDB's log does: a synced write makes every write before it durable too, and a
// crash leaves a prefix.
import { ShoalError } from '../../protocol/errors.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { Kv, KvRange, KvWrite } from './kv.ts'

/** All entries in key order. */
export type KvImage = readonly KvEntry[]
type KvEntry = readonly [ByteString, Uint8Array]

/**
 * See the head of the file. Inserting costs O(entries) moves in one array: fine to some 100,000
 * entries.
 */
export class MemoryKv implements Kv {
  #entries: KvEntry[] = []
  readonly #durable = new Map<ByteString, Uint8Array>()
  /** Batches that no synced write has followed yet, oldest first. */
  #unsynced: (readonly KvWrite[])[] = []
  #open = true

  /** A store holding `image`, durably; empty without one. */
  static open(image: KvImage = []): MemoryKv {
    const kv = new MemoryKv()
    kv.#entries = [...image]
    for (const [key, value] of image) kv.#durable.set(key, value)
    return kv
  }

  /** Batches that a crash may lose. */
  get unsyncedCount(): number {
    return this.#unsynced.length
  }

  /**
   * The state after a crash if the disk had also written the oldest `survivors` of the unsynced
   * batches.
   */
  image(survivors = 0): KvImage {
    const map = new Map(this.#durable)
    for (const batch of this.#unsynced.slice(0, survivors)) applyTo(map, batch)
    return [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Power loss: this store is closed, and the one returned holds `image(survivors)`. */
  crash(survivors = 0): MemoryKv {
    this.#open = false
    return MemoryKv.open(this.image(survivors))
  }

  get(key: ByteString): Uint8Array | undefined {
    this.#check()
    const entry = this.#entries[this.#lowerBound(key)]
    return entry?.[0] === key ? entry[1] : undefined
  }

  /** It takes no disk. */
  async sizeBytes(): Promise<number> {
    return 0
  }

  async write(writes: readonly KvWrite[], options: { sync: boolean }): Promise<void> {
    this.#check()
    // Own copies: the caller may reuse its arrays once the write is made.
    const batch = writes.map((write) =>
      write.kind === 'put' ? { ...write, value: Uint8Array.from(write.value) } : write,
    )
    for (const write of batch) this.#apply(write)
    this.#unsynced.push(batch)
    if (!options.sync) return
    for (const synced of this.#unsynced) applyTo(this.#durable, synced)
    this.#unsynced = []
  }

  scan(range: KvRange): AsyncIterable<KvEntry> {
    this.#check()
    const start = this.#lowerBound(range.from)
    const end = Math.max(start, this.#lowerBound(range.to))
    const count = Math.min(range.countMax ?? Infinity, end - start)
    const snapshot = range.reverse
      ? this.#entries.slice(end - count, end).reverse()
      : this.#entries.slice(start, start + count)
    return each(snapshot)
  }

  async close(): Promise<void> {
    this.#open = false
  }

  #apply(write: KvWrite): void {
    const at = this.#lowerBound(write.key)
    const replaced = this.#entries[at]?.[0] === write.key ? 1 : 0
    if (write.kind === 'delete') this.#entries.splice(at, replaced)
    else if (replaced === 1) this.#entries[at] = [write.key, write.value]
    else this.#entries.splice(at, 0, [write.key, write.value])
  }

  /** Index of the first entry whose key is at least `key`. */
  #lowerBound(key: ByteString): number {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = this.#entries[middle]
      if (entry !== undefined && entry[0] < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #check(): void {
    if (!this.#open) throw new ShoalError('stopped', 'the ordered store is closed')
  }
}

function applyTo(map: Map<ByteString, Uint8Array>, batch: readonly KvWrite[]): void {
  for (const write of batch) {
    if (write.kind === 'put') map.set(write.key, write.value)
    else map.delete(write.key)
  }
}

async function* each(entries: readonly KvEntry[]): AsyncGenerator<KvEntry> {
  yield* entries
}
