// Large writes to a file past the page cache (O_DIRECT): a copy into pages that were not in memory
// before takes several times the processor time of all that is done with the bytes otherwise. Whole
// pages go past it; what lies before and behind them in its pages is left to the caller. Where a
// file system does not have it, nothing is written this way.
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { MIB } from '../../protocol/units.ts'
import { PAGE_BUFFER_BYTES, PAGE_BYTES, liesInPageAs, pageBuffers } from './page-buffers.ts'
import type { FileHandle } from 'node:fs/promises'

/** A smaller write is better off in the page cache: the disk takes its time for each. */
export const DIRECT_BYTES_MIN: number = 1 * MIB
/** The answers of file systems that take nothing past the page cache, or not just so. */
const UNABLE: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOENT', 'EACCES', 'EPERM'])

/** Bytes [start, end) of what is written. */
interface Range {
  readonly start: number
  readonly end: number
}

/** A second way into an open file. */
export class DirectFile {
  readonly #file: FileHandle
  /** Undefined: not tried. */
  #direct: Promise<FileHandle | undefined> | undefined
  #isUnable = false

  constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * Write as many whole pages of `parts`, which lie back to back from the beginning of one, as can
   * be written so. returns their bytes, maybe none. throws what the file system says.
   */
  async write(position: number, parts: readonly Uint8Array[]): Promise<number> {
    const total = sumOf(parts)
    if (total < DIRECT_BYTES_MIN || this.#isUnable) return 0
    const direct = await (this.#direct ??= this.#open())
    if (direct === undefined) return 0
    const pages = cutParts(parts, { start: 0, end: total - (total % PAGE_BYTES) })
    try {
      return arePages(position, pages)
        ? (await direct.writev(pages, position)).bytesWritten
        : await writeCopied(direct, position, pages)
    } catch (error) {
      if (!isUnable(error)) throw error
      this.#isUnable = true
      return 0
    }
  }

  async close(): Promise<void> {
    await (await this.#direct)?.close()
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      // By its descriptor: it may have another name by now, or none.
      const path = `/proc/self/fd/${this.#file.fd}`
      return await open(path, constants.O_WRONLY | constants.O_DIRECT)
    } catch (error) {
      if (!isUnable(error)) throw error
      this.#isUnable = true
      return undefined
    }
  }
}

/** The bytes of a range of `parts` back to back. */
export function cutParts(parts: readonly Uint8Array[], { start, end }: Range): Uint8Array[] {
  const cut: Uint8Array[] = []
  let at = 0
  for (const part of parts) {
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, part.byteLength)
    if (from < to) cut.push(part.subarray(from, to))
    at += part.byteLength
  }
  return cut
}

/** Can they be written as they lie in memory? */
function arePages(position: number, parts: readonly Uint8Array[]): boolean {
  return parts.every((part) => part.byteLength % PAGE_BYTES === 0 && liesInPageAs(position, part))
}

/** Write by way of one buffer. returns how many bytes were written. */
async function writeCopied(
  direct: FileHandle,
  position: number,
  parts: readonly Uint8Array[],
): Promise<number> {
  const total = sumOf(parts)
  const buffer = pageBuffers.take()
  let done = 0
  try {
    while (done < total) {
      const length = Math.min(PAGE_BUFFER_BYTES, total - done)
      let filled = 0
      for (const part of cutParts(parts, { start: done, end: done + length })) {
        buffer.set(part, filled)
        filled += part.byteLength
      }
      const { bytesWritten } = await direct.write(buffer, 0, length, position + done)
      done += bytesWritten
      // The disk is full: the rest is written, or fails, where parts of pages can be.
      if (bytesWritten < length) break
    }
  } finally {
    pageBuffers.giveBack(buffer)
  }
  return done
}

function sumOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0)
}

function isUnable(error: unknown): boolean {
  return error instanceof Error && 'code' in error && UNABLE.has(String(error.code))
}
