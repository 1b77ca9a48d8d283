// Sealed chunks that were fetched from peers and cold tiers for readers, kept so that the next read
// needs neither. Those that come at about the same time are wanted at about the same time: they
// make one file, a bundle; a file for each would cost more than all else that is done with a small
// chunk. The bundle that was used least recently goes first.
//
// - Together they take at most `bytesMax`, and at most half of what the disk has free for others.
// - None is the only copy of anything, and none counts as a copy: each may vanish, or be damaged,
//   at any time.
// - What is read is checked against its id; what fails is forgotten. So nothing is ever synced.
// - After a restart all are there that were, and count as unused alike.
import { LRUCache } from 'lru-cache'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { MIB } from '../../protocol/units.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { Clock, Disk } from '../world/world.ts'
import {
  BUNDLE_CHUNKS_MAX,
  BUNDLE_HEAD_BYTES_MAX,
  decodeBundleHead,
  encodeBundleHead,
} from './bundle-head.ts'
import type { BundledChunk, SealedChunk } from './bundle-head.ts'
import { DebounceTimer } from '../jobs/debounce-timer.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

const FOLDER = 'fetched'
/**
 * Bytes that wait or are being written; what comes in faster than the disk takes it is not kept.
 */
const WRITING_BYTES_MAX: number = 8 * MIB
/**
 * A bundle is written when it has so many bytes, or this share of all, or BUNDLE_CHUNKS_MAX chunks,
 * or after so long.
 */
const BUNDLE_BYTES: number = 4 * MIB
const BUNDLE_SHARE: number = 1 / 16
const GATHER_MS = 100
/** Bytes kept before the disk is asked again how much is free. */
const ASK_EVERY_BYTES: number = 16 * MIB
/** Bundles whose heads are read at a time at the start. */
const OPEN_AT_ONCE = 16
const NAME = /^\d{1,15}$/

export interface FetchedUsage {
  /** Bytes used on the disk. */
  readonly usedBytes: number
  readonly limitBytes: number
  /** Since the start: read from here, and fetched because they were not here. */
  readonly foundBytes: number
  readonly fetchedBytes: number
}

interface Bundle {
  /** Bytes of the file. */
  readonly bytes: number
  readonly chunks: readonly ChunkId[]
}

interface Place extends Omit<BundledChunk, 'id'> {
  readonly bundle: number
}

export class FetchedChunks {
  readonly #disk: Disk
  /** By the numbers that name their files. */
  readonly #bundles = new LRUCache<number, Bundle>({
    maxSize: Number.MAX_SAFE_INTEGER,
    sizeCalculation: ({ bytes }) => bytes,
  })
  readonly #places = new Map<ChunkId, Place>()
  /** In no file yet, those being written included. */
  readonly #unwritten = new Map<ChunkId, Uint8Array>()
  #unwrittenBytes = 0
  /** The next bundle. */
  #gathered: SealedChunk[] = []
  #gatheredBytes = 0
  readonly #timer: DebounceTimer
  readonly #writing = new Set<Promise<void>>()
  #writingBytes = 0
  #next = 0
  #bytesMax: number
  /** The room on the disk, as last asked; of which `#unasked` bytes have been kept since. */
  #roomBytes = 0
  #unasked = Infinity
  #foundBytes = 0
  #fetchedBytes = 0

  private constructor({ disk, clock }: { disk: Disk; clock: Clock }, bytesMax: number) {
    this.#disk = disk
    this.#timer = new DebounceTimer(clock, () => this.#begin())
    this.#bytesMax = bytesMax
  }

  /** undefined: keep nothing, and touch no disk. throws what the disk throws. */
  static async open(
    world: { readonly disk: Disk; readonly clock: Clock },
    bytesMax: number | undefined,
  ): Promise<FetchedChunks> {
    const opened = new FetchedChunks(world, bytesMax ?? 0)
    if (bytesMax === undefined) return opened
    const { disk } = world
    await disk.makeFolder(FOLDER)
    const names = [...(await disk.list(FOLDER))]
    while (names.length > 0)
      await Promise.all(names.splice(0, OPEN_AT_ONCE).map((name) => opened.#find(name)))
    await opened.#evict(0)
    return opened
  }

  get usage(): FetchedUsage {
    return {
      usedBytes: this.#bundles.calculatedSize,
      limitBytes: this.#bytesMax,
      foundBytes: this.#foundBytes,
      fetchedBytes: this.#fetchedBytes,
    }
  }

  has(id: ChunkId): boolean {
    return this.#places.has(id) || this.#unwritten.has(id)
  }

  /** The chunk; undefined if it is not here, or is here no more. */
  async read(id: ChunkId): Promise<Uint8Array | undefined> {
    const place = this.#places.get(id)
    const sealed =
      this.#unwritten.get(id) ??
      (place && (await ignoreFailure(this.#read(place), 'it is fetched again')))
    if (sealed !== undefined && verifyChunk(id, sealed)) {
      this.#foundBytes += sealed.length
      return sealed
    }
    if (place !== undefined) await this.#forget(id, place)
    return undefined
  }

  /**
   * Keep what was fetched, if there is room for it, in the background. `sealed` must not be written
   * to after.
   */
  keep(id: ChunkId, sealed: Uint8Array): void {
    const bytes = sealed.length
    this.#fetchedBytes += bytes
    if (this.has(id)) return
    if (this.#unwrittenBytes + bytes > Math.min(WRITING_BYTES_MAX, this.#bytesMax)) return
    this.#unwritten.set(id, sealed)
    this.#unwrittenBytes += bytes
    this.#gathered.push({ id, sealed })
    this.#gatheredBytes += bytes
    const enough = Math.min(BUNDLE_BYTES, BUNDLE_SHARE * this.#bytesMax)
    if (this.#gatheredBytes >= enough || this.#gathered.length === BUNDLE_CHUNKS_MAX) this.#begin()
    else this.#timer.ringIn(GATHER_MS)
  }

  /** Keep at most so much from now on. */
  async resize(bytesMax: number): Promise<void> {
    this.#bytesMax = bytesMax
    await this.#evict(0)
  }

  /** Forget all that is written. */
  async clear(): Promise<void> {
    await Promise.all(Array.from(this.#bundles.keys(), (bundle) => this.#drop(bundle)))
  }

  /** Room on the disk is wanted for what has no other copy. */
  async yield(): Promise<void> {
    this.#unasked = Infinity
    await this.#evict(0)
  }

  /** Resolves when all is written that was to be kept. */
  async close(): Promise<void> {
    this.#begin()
    await Promise.all(this.#writing)
  }

  /** A file that was there at the start. throws what the disk throws. */
  async #find(name: string): Promise<void> {
    const path = `${FOLDER}/${name}`
    const file = NAME.test(name) ? await this.#disk.open(path, 'read') : undefined
    try {
      const size = (await file?.size()) ?? 0
      const head = await file?.read(0, Math.min(size, BUNDLE_HEAD_BYTES_MAX))
      const chunks = head === undefined ? [] : decodeBundleHead(head, size)
      if (chunks.length > 0) return this.#add(Number(name), size, chunks)
    } finally {
      await file?.close()
    }
    await this.#disk.remove(path)
  }

  #add(bundle: number, bytes: number, chunks: readonly BundledChunk[]): void {
    this.#next = Math.max(this.#next, bundle + 1)
    this.#bundles.set(bundle, { bytes, chunks: chunks.map(({ id }) => id) })
    for (const { id, ...place } of chunks) this.#places.set(id, { ...place, bundle })
  }

  /** Write what was gathered. */
  #begin(): void {
    this.#timer.cancel()
    if (this.#gathered.length === 0) return
    const chunks = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    const written = this.#write(chunks).finally(() => {
      for (const { id, sealed } of chunks) {
        this.#unwrittenBytes -= sealed.length
        this.#unwritten.delete(id)
      }
      this.#writing.delete(written)
    })
    this.#writing.add(written)
  }

  /** Never rejects. */
  async #write(chunks: readonly SealedChunk[]): Promise<void> {
    const { head, places } = encodeBundleHead(chunks)
    const bytes = chunks.reduce((sum, { sealed }) => sum + sealed.length, head.length)
    const bundle = this.#next++
    this.#writingBytes += bytes
    try {
      await this.#evict(this.#writingBytes)
      if (this.#limit < this.#writingBytes) return
      const file = await this.#disk.open(pathOf(bundle), 'write')
      try {
        await file.write(0, [head, ...chunks.map(({ sealed }) => sealed)])
      } finally {
        await file.close()
      }
      this.#unasked += bytes
      this.#add(bundle, bytes, places)
    } catch {
      // Its chunks are fetched again when they are asked for.
      await this.#remove(bundle)
    } finally {
      this.#writingBytes -= bytes
    }
    if (this.usage.usedBytes > this.#limit)
      await ignoreFailure(this.#evict(0), 'it is tried again with the next chunk')
  }

  get #limit(): number {
    return Math.min(this.#bytesMax, this.#roomBytes)
  }

  /** Remove what was used longest ago, until `bytes` more fit. */
  async #evict(bytes: number): Promise<void> {
    if (this.#unasked >= ASK_EVERY_BYTES) {
      this.#unasked = 0
      const { freeBytes } = await this.#disk.space()
      this.#roomBytes = (freeBytes + this.#bundles.calculatedSize) / 2
    }
    const removed: Promise<void>[] = []
    while (this.#bundles.calculatedSize + bytes > this.#limit) {
      const { value: oldest } = this.#bundles.rkeys().next()
      if (oldest === undefined) break
      removed.push(this.#drop(oldest))
    }
    await Promise.all(removed)
  }

  /** It is in use: others go before it. */
  async #read({ bundle, offset, bytes }: Place): Promise<Uint8Array> {
    this.#bundles.get(bundle)
    const file = await this.#disk.open(pathOf(bundle), 'read')
    try {
      return await file.read(offset, bytes)
    } finally {
      await file.close()
    }
  }

  /** A chunk is not what it was; the last one takes its bundle with it. */
  async #forget(id: ChunkId, { bundle }: Place): Promise<void> {
    if (this.#places.get(id)?.bundle === bundle) this.#places.delete(id)
    const rest = this.#bundles.peek(bundle)?.chunks ?? []
    if (!rest.some((one) => this.#places.get(one)?.bundle === bundle)) await this.#drop(bundle)
  }

  async #drop(bundle: number): Promise<void> {
    for (const id of this.#bundles.peek(bundle)?.chunks ?? [])
      if (this.#places.get(id)?.bundle === bundle) this.#places.delete(id)
    this.#bundles.delete(bundle)
    await this.#remove(bundle)
  }

  /** Never rejects: a file that stays is found at the next start. */
  async #remove(bundle: number): Promise<void> {
    await ignoreFailure(this.#disk.remove(pathOf(bundle)), 'the next start removes it')
  }
}

function pathOf(bundle: number): string {
  return `${FOLDER}/${bundle}`
}
