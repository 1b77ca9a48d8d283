// The local store: an index in the ordered store, payloads in segments. One commit order for both: payloads are
// durable before the index points at them, and the index is durable before a commit resolves. Concurrent commits
// share one fdatasync of the segments and one synced batch of the index.
import { ChunkStore } from './chunks.ts'
import { coalesce } from './coalesce.ts'
import { recover } from './recovery.ts'
import { Segments } from './segments.ts'
import { ShardStore } from './shards.ts'
import type { Disk } from '../world/world.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { SegmentsOptions } from './segments.ts'
import type { StagedIndex } from './staged-index.ts'

/** Index changes after which a put commits by itself: they are held in memory until then. */
const STAGED_MAX = 16_384

/** See the head of the file. After a failed write or sync every call throws ShoalError 'EIO' until a restart. */
export class Store {
  readonly kv: Kv
  readonly chunks: ChunkStore
  readonly shards: ShardStore
  readonly #segments: Segments
  readonly #index: StagedIndex
  /** Writes of the callers that wait for the next round. */
  #waiting: (readonly KvWrite[])[] = []
  readonly #round: () => Promise<void> = coalesce(() => this.#commit())

  private constructor(kv: Kv, segments: Segments, index: StagedIndex) {
    this.kv = kv
    this.#segments = segments
    this.#index = index
    const room = async (): Promise<void> => {
      if (index.stagedCount >= STAGED_MAX) await this.commit([])
    }
    const parts = { segments, index, room }
    this.chunks = new ChunkStore(parts)
    this.shards = new ShardStore(kv, parts)
  }

  /**
   * Open, and recover what a crash left (recovery.ts). The caller closes `kv`, after this store.
   * throws ShoalError 'unsupported' for a newer format, and what the disk throws.
   */
  static async open(
    components: { disk: Disk; kv: Kv },
    options: SegmentsOptions = {},
  ): Promise<Store> {
    const { index, end } = await recover(components)
    return new Store(components.kv, new Segments(components.disk, end, options), index)
  }

  /**
   * Group commit: everything put or deleted before this call, then `writes`, durable in that order and visible in
   * `kv`. throws ShoalError 'ENOSPC': `writes` are not made, chunks and shards wait in memory for a later commit.
   */
  async commit(writes: readonly KvWrite[]): Promise<void> {
    this.#segments.check()
    if (writes.length > 0) this.#waiting.push(writes)
    await this.#round()
  }

  /** Bytes of the chunks and shards held, and of all segments, dead records included. */
  usage(): { chunkBytes: number; shardBytes: number; segmentBytes: number } {
    return { ...this.#index.usage, segmentBytes: this.#segments.end.segmentBytes }
  }

  /** Commit, and close the segments. The ordered store stays open: who opened it closes it. */
  async close(): Promise<void> {
    try {
      await this.commit([])
    } finally {
      await this.#segments.close()
    }
  }

  async #commit(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    this.#segments.check()
    const staged = this.#index.take(this.#segments.end)
    try {
      await this.#segments.sync()
    } catch (error) {
      this.#index.restore()
      throw error
    }
    const batch = [staged, ...waiting].flat()
    if (batch.length > 0) {
      try {
        await this.kv.write(batch, { sync: true })
      } catch (error) {
        // What LevelDB's log holds after a failed write is unknown, and later writes may be unreadable behind it.
        throw this.#segments.fail(error)
      }
    }
    this.#index.settle()
  }
}
