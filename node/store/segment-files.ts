// The files of the segments: which are open, which have bytes that are not durable yet. Open files
// are bounded. A writer is closed when it is synced and a later segment has been begun; segments
// are written in order.
import { hasCode } from '../../protocol/errors.ts'
import { scanHeads } from './record-scan.ts'
import type { Disk, DiskFile } from '../world/world.ts'
import type { FoundHead } from './record-scan.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

export const SEGMENT_FOLDER = 'segments'
const NAME = /^(\d{8})\.seg$/
const READERS_MAX = 64

interface Reader {
  readonly file: Promise<DiskFile>
  users: number
  /** The last user closes it. */
  isRemoved: boolean
}

/** Path of a segment below the home folder. Numbers begin at 1. */
export function segmentPath(segment: number): string {
  return `${SEGMENT_FOLDER}/${String(segment).padStart(8, '0')}.seg`
}

/** The numbers of all segments, rising. */
export async function listSegments(disk: Disk): Promise<number[]> {
  const names = await disk.list(SEGMENT_FOLDER)
  return names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number)
}

/** See the head of the file. Every failure is a ShoalError of the disk. */
export class SegmentFiles {
  readonly #disk: Disk
  readonly #writers = new Map<number, DiskFile>()
  /** Open for reading, the least recently used first. */
  readonly #readers = new Map<number, Reader>()
  readonly #dirty = new Set<number>()
  #namesDirty = false

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** One call at a time. */
  async write(segment: number, position: number, parts: readonly Uint8Array[]): Promise<void> {
    const writer = await this.#writer(segment)
    this.#dirty.add(segment)
    await writer.write(position, parts)
  }

  /** Cut off what a failed write left behind. Not at the same time as a write. */
  async truncate(segment: number, length: number): Promise<void> {
    await this.#writers.get(segment)?.truncate(length)
  }

  async read(segment: number, position: number, length: number): Promise<Uint8Array> {
    const reader = this.#reader(segment)
    reader.users += 1
    try {
      return await (await reader.file).read(position, length)
    } finally {
      reader.users -= 1
      if (reader.isRemoved && reader.users === 0) await closeReader(reader)
      await this.#evict()
    }
  }

  /**
   * As read(), from what has the file's name now: a file that is open can be read even if it was
   * removed.
   */
  async readNamed(segment: number, position: number, length: number): Promise<Uint8Array> {
    const file = await this.#disk.open(segmentPath(segment), 'read')
    try {
      return await file.read(position, length)
    } finally {
      await file.close()
    }
  }

  /** The record heads of a segment, in order and over damage; none if there is no file. */
  async *heads(segment: number): AsyncGenerator<FoundHead> {
    const file = await this.#disk.open(segmentPath(segment), 'read').catch(ignoreMissing)
    if (file === undefined) return
    try {
      yield* scanHeads(file, await file.size())
    } finally {
      await file.close()
    }
  }

  /**
   * Remove the file of a segment that all is synced of, durably, and give its space back when its
   * readers are done.
   */
  async remove(segment: number): Promise<void> {
    await this.#disk.remove(segmentPath(segment)).catch(ignoreMissing)
    await this.#disk.syncFolder(SEGMENT_FOLDER)
    const [reader, writer] = [this.#readers.get(segment), this.#writers.get(segment)]
    this.#readers.delete(segment)
    this.#writers.delete(segment)
    await writer?.close()
    if (reader === undefined) return
    reader.isRemoved = true
    if (reader.users === 0) await closeReader(reader)
  }

  /**
   * All that was written before the call, and the names of the files, made durable. One call at a
   * time.
   */
  async sync(): Promise<void> {
    const dirty = [...this.#dirty]
    this.#dirty.clear()
    for (const segment of dirty) await this.#writers.get(segment)?.sync()
    if (this.#namesDirty) {
      this.#namesDirty = false
      await this.#disk.syncFolder(SEGMENT_FOLDER)
    }
    const newest = Math.max(...this.#writers.keys())
    for (const [segment, writer] of this.#writers) {
      if (segment === newest || this.#dirty.has(segment)) continue
      this.#writers.delete(segment)
      await writer.close()
    }
  }

  async close(): Promise<void> {
    for (const writer of this.#writers.values()) await writer.close()
    for (const reader of this.#readers.values()) await closeReader(reader)
    this.#writers.clear()
    this.#readers.clear()
  }

  async #writer(segment: number): Promise<DiskFile> {
    const open = this.#writers.get(segment)
    if (open !== undefined) return open
    const writer = await this.#disk.open(segmentPath(segment), 'write')
    this.#namesDirty = true
    this.#writers.set(segment, writer)
    return writer
  }

  #reader(segment: number): Reader {
    const open = this.#readers.get(segment)
    this.#readers.delete(segment)
    const reader = open ?? {
      file: this.#disk.open(segmentPath(segment), 'read'),
      users: 0,
      isRemoved: false,
    }
    this.#readers.set(segment, reader)
    if (open === undefined) {
      reader.file.catch(() => this.#readers.delete(segment)) // The next read tries again.
    }
    return reader
  }

  async #evict(): Promise<void> {
    for (const [segment, reader] of this.#readers) {
      if (this.#readers.size <= READERS_MAX) return
      if (reader.users > 0) continue
      this.#readers.delete(segment)
      await closeReader(reader)
    }
  }
}

/** A file that could not be opened needs no closing. */
async function closeReader(reader: Reader): Promise<void> {
  const file = await ignoreFailure(reader.file, 'a file that was not opened is not to be closed')
  await file?.close()
}

function ignoreMissing(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error
  return undefined
}
