// The local store: an index in the ordered store, payloads in segments. One commit order for both:
// payloads are durable before the index points at them, and the index is durable before a commit
// resolves. Concurrent commits share one fdatasync of the segments and one synced batch of the
// index.
import { hasCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { ChunkStore } from './chunks.ts'
import { traced } from '../traces/span.ts'
import { groupCommit } from './group-commit.ts'
import { Compaction } from './compaction.ts'
import { FetchedChunks } from './fetched-chunks.ts'
import { IndexRoom } from './index-room.ts'
import { wholeKey } from './keys.ts'
import { recover } from './recovery.ts'
import { Segments } from './segments.ts'
import { ShardStore } from './shards.ts'
import { OrphanShards } from './orphan-shards.ts'
import type { Clock, Disk, Luck } from '../world/world.ts'
import type { Compacted, CompactOptions } from './compaction.ts'
import type { Kv, KvWrite } from './kv.ts'
import type { RecordKind } from './record.ts'
import type { StoreParts } from './parts.ts'
import type { Placed, SegmentsOptions } from './segments.ts'
import type { SegmentsEnd } from './segments-end.ts'
import type { HeldBytes, StagedIndex } from './staged-index.ts'
import { isPlanted } from '../../protocol/planted-faults.ts'

/**
 * When there is no room, segments that are less live than this are compacted, until so much is
 * free.
 */
const SHORT_LIVE_RATIO = 0.75
const SHORT_ENOUGH_BYTES: number = 64 * MIB
/** Index changes after which a put commits by itself: they are held in memory until then. */
const STAGED_MAX = 16_384

export interface StoreOptions extends SegmentsOptions {
  /** Bytes of chunks fetched from peers that are kept for the next read; undefined: none. */
  readonly fetchedBytesMax?: number | undefined
}

export interface StoreComponents {
  readonly disk: Disk
  readonly clock: Clock
  readonly random?: Luck | undefined
  readonly kv: Kv
}

/** Bytes of chunks and shards held and of the trash, and of the files they are in. */
export interface StoreUsage extends HeldBytes {
  /** All segments. */
  readonly segmentBytes: number
  /** Bytes of those in records that the index points at, trash included. */
  readonly liveBytes: number
  /** The rest: what compaction can give back. */
  readonly reclaimableBytes: number
}

/**
 * See the head of the file. After a failed write or sync every call throws ShoalError 'EIO' until a
 * restart.
 */
export class Store {
  readonly kv: Kv
  readonly chunks: ChunkStore
  readonly shards: ShardStore
  readonly fetched: FetchedChunks
  readonly orphans: OrphanShards
  /** The place up to which a crash has left the segments whole, as Recovered has it. */
  readonly whole: SegmentsEnd
  readonly #segments: Segments
  readonly #index: StagedIndex
  readonly #compaction: Compaction
  readonly #room: IndexRoom
  readonly #random: Luck | undefined
  /** Writes of the callers that wait for the next round. */
  #waiting: (readonly KvWrite[])[] = []
  readonly #round: () => Promise<void> = groupCommit(() => this.#commit())
  readonly #makeRoom: () => Promise<void> = groupCommit(() => this.#reclaim())

  private constructor(
    { kv, clock, random }: StoreComponents,
    parts: {
      segments: Segments
      index: StagedIndex
      fetched: FetchedChunks
      totalBytes: number
      whole: SegmentsEnd
    },
  ) {
    const { segments, index } = parts
    this.kv = kv
    this.whole = parts.whole
    this.#random = random
    this.fetched = parts.fetched
    this.#segments = segments
    this.#index = index
    const commit = (): Promise<void> => this.commit([])
    const room = async (): Promise<void> => {
      const isMuch = index.stagedCount >= STAGED_MAX
      if (isMuch || random?.unlucky('store.commits-early') === true) await commit()
    }
    const add: StoreParts['add'] = (...record) => this.#add(...record)
    const shared = { kv, clock, segments, index, add, room, commit }
    this.chunks = new ChunkStore(shared)
    this.shards = new ShardStore(shared)
    this.#compaction = new Compaction(shared)
    this.#room = new IndexRoom({ clock, leftBytes: () => segments.growthBytes() })
    const { totalBytes } = parts
    this.orphans = new OrphanShards({
      kv,
      clock,
      totalBytes,
      commit: (writes) => this.commit(writes),
    })
  }

  /**
   * Open, and recover what a crash left (recovery.ts). The caller closes `kv`, after this store.
   * throws ShoalError 'unsupported' for a newer format, and what the disk throws.
   */
  static async open(components: StoreComponents, options: StoreOptions = {}): Promise<Store> {
    const { index, end, whole } = await recover(components)
    const { disk, clock } = components
    const indexBytes = (): Promise<number> => components.kv.sizeBytes()
    const segments = await Segments.open({ disk, table: index.segments, indexBytes }, end, options)
    const fetched = await FetchedChunks.open({ disk, clock }, options.fetchedBytesMax)
    const { totalBytes } = await segments.space()
    const store = new Store(components, { segments, index, fetched, totalBytes, whole })
    await store.#room.look()
    await store.orphans.load()
    return store
  }

  /**
   * Group commit: everything put or deleted before this call, then `writes`, durable in that order
   * and visible in `kv`. throws ShoalError 'ENOSPC': `writes` are not made, chunks and shards wait
   * in memory for a later commit.
   */
  async commit(writes: readonly KvWrite[]): Promise<void> {
    this.#segments.check()
    if (writes.length > 0) this.#waiting.push(writes)
    await traced('store.commit', this.#round)
  }

  /** Nobody asks for `whole` any more. Durable when it resolves. */
  async forgetWhole(): Promise<void> {
    if (this.kv.get(wholeKey()) === undefined) return
    await this.kv.write([{ kind: 'delete', key: wholeKey() }], { sync: true })
  }

  /** The end of the last payload. */
  get payloadsEnd(): SegmentsEnd {
    return this.#segments.placedEnd
  }

  /**
   * Payloads put before the call are in files when it resolves, and with `sync` on the disk.
   * throws ShoalError 'ENOSPC', 'EIO'.
   */
  async keepPayloads({ sync }: { sync: boolean }): Promise<void> {
    await (sync ? this.#segments.sync() : this.#segments.flush())
  }

  usage(): StoreUsage {
    const { bytes: segmentBytes, liveBytes } = this.#index.segments.total
    const reclaimableBytes = Math.max(0, segmentBytes - liveBytes)
    return { ...this.#index.held, segmentBytes, liveBytes, reclaimableBytes }
  }

  /** Is there no room for the index to grow? Deletions may still be recorded. */
  get isFull(): boolean {
    return this.#room.isFull
  }

  /** Bytes of the index, about. */
  indexBytes(): Promise<number> {
    return this.kv.sizeBytes()
  }

  /** Bytes that chunks and shards may still take, of the disk and of the capacity. */
  async freeBytes(): Promise<number> {
    return (await this.space()).freeBytes
  }

  /**
   * The same, and the size of what they are taken from: the capacity, or the disk where that is
   * smaller.
   */
  space(): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.#segments.space()
  }

  /** Give the space of dead records back (compaction.ts). */
  compact(options: CompactOptions = {}): Promise<Compacted> {
    this.#segments.check()
    return this.#compaction.run(options)
  }

  /** Commit, and close the segments. The ordered store stays open: who opened it closes it. */
  async close(): Promise<void> {
    try {
      await this.commit([])
    } finally {
      await this.#segments.close()
      await this.fetched.close()
    }
  }

  async #add(
    kind: RecordKind,
    id: Uint8Array,
    payload: readonly Uint8Array[],
    placed: Placed,
    { isReused = false }: { isReused?: boolean } = {},
  ): Promise<void> {
    if (this.#segments.appendNow(kind, id, payload, placed)) return this.#segments.ready()
    const own = isReused ? payload.map((part) => new Uint8Array(part)) : payload
    try {
      await this.#segments.append(kind, id, own, placed)
    } catch (error) {
      if (!hasCode(error, 'ENOSPC')) throw error
      await this.#makeRoom()
      await this.#segments.append(kind, id, own, placed)
    }
  }

  /**
   * Frees space at once when there is no room: the trash, dead records, and half of the copies that
   * others have too.
   */
  async #reclaim(): Promise<void> {
    await this.fetched.yield()
    if (this.#index.held.trashBytes > 0) await this.shards.emptyTrash()
    await this.compact({ maxLiveRatio: SHORT_LIVE_RATIO, enoughBytes: SHORT_ENOUGH_BYTES })
  }

  async #commit(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    this.#segments.check()
    if (this.#random?.unlucky('store.segment-ends-early') === true) this.#segments.seal()
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
        await this.kv.write(batch, { sync: !isPlanted('commit-without-sync') })
        this.#room.wrote(sizeOf(batch))
      } catch (error) {
        // The content of LevelDB's log after a failed write is unknown, and later writes may be
        // unreadable behind it.
        throw this.#segments.fail(error)
      }
    }
    this.#index.settle()
  }
}

function sizeOf(writes: readonly KvWrite[]): number {
  let bytes = 0
  for (const write of writes)
    bytes += write.key.length + (write.kind === 'put' ? write.value.byteLength : 0)
  return bytes
}
