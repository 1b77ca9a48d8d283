// Reads the records of a segment in order and over damage: where no intact head is, the next one is
// searched for; a payload that is not intact is stepped over by its length. Memory is one window of
// the file, whatever it holds.
import { crc32 } from 'node:zlib'
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MIB } from '../../protocol/units.ts'
import { decodeRecordHead, RECORD_HEAD_MAX, RECORD_MAGIC } from './record.ts'
import type { DiskFile } from '../world/world.ts'
import type { RecordHead } from './record.ts'

const WINDOW_BYTES: number = 1 * MIB
/** Enough for a head, and for the next ones where payloads are short. */
const HEAD_WINDOW_BYTES: number = 16 * KIB

export interface FoundHead {
  readonly head: RecordHead
  /** The offset of the payload's first byte. */
  readonly offset: number
}

export interface FoundRecord extends FoundHead {
  /** The payload has its checksum. */
  readonly whole: boolean
}

/** The records of `file` from byte `from` (where one begins, or damage) to its end at `size`. */
export async function* scanRecords(
  file: DiskFile,
  from: number,
  size: number,
): AsyncGenerator<FoundRecord> {
  const window = new Window(file, size, WINDOW_BYTES)
  for await (const { head, offset } of headsIn(window, from)) {
    yield { head, offset, whole: (await checksum(window, offset, head.length)) === head.payloadCrc }
  }
}

/**
 * As scanRecords, from the start; of payloads little more is read than lies beside a head, and
 * nothing checked.
 */
export function scanHeads(file: DiskFile, size: number): AsyncGenerator<FoundHead> {
  return headsIn(new Window(file, size, HEAD_WINDOW_BYTES), 0)
}

async function* headsIn(window: Window, from: number): AsyncGenerator<FoundHead> {
  let position = from
  while (position < window.size) {
    const head = decodeRecordHead(await window.at(position, RECORD_HEAD_MAX))
    if (head === undefined || position + head.headBytes + head.length > window.size) {
      position = await nextMagic(window, position + 1)
      continue
    }
    const offset = position + head.headBytes
    yield { head, offset }
    position = offset + head.length
  }
}

async function checksum(window: Window, from: number, length: number): Promise<number> {
  let crc = 0
  for (let done = 0; done < length;) {
    const bytes = await window.at(from + done, length - done)
    crc = crc32(bytes, crc)
    done += bytes.byteLength
  }
  return crc
}

/** The position of the next magic from `position`; the end of the file if there is none. */
async function nextMagic(window: Window, position: number): Promise<number> {
  for (let at = position; at + RECORD_MAGIC.length <= window.size;) {
    const bytes = await window.at(at, window.size)
    const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(
      RECORD_MAGIC,
    )
    if (found >= 0) return at + found
    at += bytes.byteLength - RECORD_MAGIC.length + 1
  }
  return window.size
}

/** The part of a file last looked at. */
class Window {
  readonly size: number
  readonly #file: DiskFile
  readonly #windowBytes: number
  #start = 0
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(file: DiskFile, size: number, windowBytes: number) {
    this.#file = file
    this.size = size
    this.#windowBytes = windowBytes
  }

  /**
   * Up to `length` bytes at `position`: fewer, but enough for a head, only at the end of the file
   * or a large read.
   */
  async at(position: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, RECORD_HEAD_MAX, this.size - position)
    const end = this.#start + this.#bytes.byteLength
    if (position < this.#start || position + wanted > end) {
      this.#start = position
      this.#bytes = await this.#file.read(
        position,
        Math.min(this.#windowBytes, this.size - position),
      )
      if (this.#bytes.byteLength < wanted) {
        throw new ShoalError('EIO', `a segment ended while it was read, at offset ${position}`)
      }
    }
    const from = position - this.#start
    return this.#bytes.subarray(from, from + length)
  }
}
