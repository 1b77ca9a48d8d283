// Sealed chunks that were fetched from peers for readers, kept so that the next read needs no peer: a file each, named
// by the chunk's id and length; least recently used first out.
//
// - Together they take at most `bytesMax`, and at most half of what the disk has free for others beside.
// - None is the only copy of anything, and none counts as a copy: each may vanish, or be damaged, at any time.
// - What is read is checked against its id; what fails is removed. So nothing is ever synced.
// - After a restart all are there that were, and count as unused alike.
import { LRUCache } from 'lru-cache'
import { verifyChunk } from '../../protocol/chunk/seal.ts'
import { MIB } from '../../protocol/units.ts'
import type { ChunkId } from '../../protocol/ids.ts'
import type { Disk } from '../world/world.ts'

const FOLDER = 'fetched'
/** Chunks being written at a time; what comes in faster than the disk takes it is not kept. */
const WRITING_BYTES_MAX: number = 8 * MIB
/** Bytes kept before the disk is asked again how much is free. */
const ASK_EVERY_BYTES: number = 16 * MIB
const NAME = /^([a-z2-7]+)\.(\d{1,8})$/

export interface FetchedUsage {
  readonly usedBytes: number
  readonly limitBytes: number
  /** Since the start: read from here, and fetched because they were not here. */
  readonly foundBytes: number
  readonly fetchedBytes: number
}

export class FetchedChunks {
  readonly #disk: Disk
  /** Bytes of each. */
  readonly #kept = new LRUCache<ChunkId, number>({
    maxSize: Number.MAX_SAFE_INTEGER,
    sizeCalculation: (bytes) => bytes,
  })
  readonly #writing = new Map<ChunkId, Promise<void>>()
  #writingBytes = 0
  #bytesMax: number
  /** What the disk leaves, as last asked; of which `#unasked` bytes have been kept since. */
  #roomBytes = 0
  #unasked = Infinity
  #foundBytes = 0
  #fetchedBytes = 0

  private constructor(disk: Disk, bytesMax: number) {
    this.#disk = disk
    this.#bytesMax = bytesMax
  }

  /** undefined: keep nothing, and touch no disk. throws what the disk throws. */
  static async open(disk: Disk, bytesMax: number | undefined): Promise<FetchedChunks> {
    const opened = new FetchedChunks(disk, bytesMax ?? 0)
    if (bytesMax === undefined) return opened
    await disk.makeFolder(FOLDER)
    for (const name of await disk.list(FOLDER)) {
      const [, id, bytes] = NAME.exec(name) ?? []
      if (id === undefined || Number(bytes) === 0) await disk.remove(`${FOLDER}/${name}`)
      else opened.#kept.set(id as ChunkId, Number(bytes))
    }
    await opened.#evict(0)
    return opened
  }

  get usage(): FetchedUsage {
    return {
      usedBytes: this.#kept.calculatedSize,
      limitBytes: this.#bytesMax,
      foundBytes: this.#foundBytes,
      fetchedBytes: this.#fetchedBytes,
    }
  }

  has(id: ChunkId): boolean {
    return this.#kept.has(id)
  }

  /** The chunk; undefined if it is not here, or is here no more. */
  async read(id: ChunkId): Promise<Uint8Array | undefined> {
    const bytes = this.#kept.get(id)
    if (bytes === undefined) return undefined
    const sealed = await this.#read(pathOf(id, bytes), bytes).catch(() => undefined)
    if (sealed !== undefined && verifyChunk(id, sealed)) {
      this.#foundBytes += bytes
      return sealed
    }
    await this.#drop(id)
    return undefined
  }

  /** Keep what was fetched, if there is room for it, in the background. `sealed` must not be written to after. */
  keep(id: ChunkId, sealed: Uint8Array): void {
    const bytes = sealed.length
    this.#fetchedBytes += bytes
    if (this.#kept.has(id) || this.#writing.has(id)) return
    if (this.#writingBytes + bytes > Math.min(WRITING_BYTES_MAX, this.#bytesMax)) return
    this.#writingBytes += bytes
    const written = this.#write(id, sealed).finally(() => {
      this.#writingBytes -= bytes
      this.#writing.delete(id)
    })
    this.#writing.set(id, written)
  }

  /** Keep at most so much from now on. */
  async resize(bytesMax: number): Promise<void> {
    this.#bytesMax = bytesMax
    await this.#evict(0)
  }

  /** Room on the disk is wanted for what has no other copy. */
  async yield(): Promise<void> {
    this.#unasked = Infinity
    await this.#evict(0)
  }

  /** Resolves when nothing is being written. */
  async close(): Promise<void> {
    await Promise.all(this.#writing.values())
  }

  /** Never rejects. */
  async #write(id: ChunkId, sealed: Uint8Array): Promise<void> {
    const bytes = sealed.length
    try {
      await this.#evict(this.#writingBytes)
      if (this.#limit < this.#writingBytes) return
      const file = await this.#disk.open(pathOf(id, bytes), 'write')
      try {
        await file.write(0, [sealed])
      } finally {
        await file.close()
      }
      this.#unasked += bytes
      this.#kept.set(id, bytes)
      if (this.usage.usedBytes > this.#limit) await this.#evict(0)
    } catch {
      await this.#remove(id, bytes)
    }
  }

  get #limit(): number {
    return Math.min(this.#bytesMax, this.#roomBytes)
  }

  /** Remove what was used longest ago, until `bytes` more fit. */
  async #evict(bytes: number): Promise<void> {
    if (this.#unasked >= ASK_EVERY_BYTES) {
      this.#unasked = 0
      const { freeBytes } = await this.#disk.space()
      this.#roomBytes = (freeBytes + this.#kept.calculatedSize) / 2
    }
    const removed: Promise<void>[] = []
    while (this.#kept.calculatedSize + bytes > this.#limit) {
      const { value: oldest } = this.#kept.rkeys().next()
      if (oldest === undefined) break
      removed.push(this.#drop(oldest))
    }
    await Promise.all(removed)
  }

  async #read(path: string, bytes: number): Promise<Uint8Array> {
    const file = await this.#disk.open(path, 'read')
    try {
      return await file.read(0, bytes)
    } finally {
      await file.close()
    }
  }

  /** Keep a chunk no more. */
  async #drop(id: ChunkId): Promise<void> {
    const bytes = this.#kept.peek(id)
    if (bytes === undefined) return
    this.#kept.delete(id)
    await this.#remove(id, bytes)
  }

  /** Never rejects: a file that stays is found at the next start. */
  async #remove(id: ChunkId, bytes: number): Promise<void> {
    await this.#disk.remove(pathOf(id, bytes)).catch(() => undefined)
  }
}

function pathOf(id: ChunkId, bytes: number): string {
  return `${FOLDER}/${id}.${bytes}`
}
