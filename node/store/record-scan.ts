// Reads the records of a segment in order and over damage: where no intact head is, the next one is searched for; a
// payload that is not intact is stepped over by its length. Memory is one window of the file, whatever it holds.
import { crc32 } from 'node:zlib'
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { decodeRecordHead, RECORD_HEAD_MAX, RECORD_MAGIC } from './record.ts'
import type { DiskFile } from '../world/world.ts'
import type { RecordHead } from './record.ts'

const WINDOW_BYTES: number = 1 * MIB

export interface FoundRecord {
  readonly head: RecordHead
  /** Of the payload's first byte. */
  readonly offset: number
  /** The payload has its checksum. */
  readonly whole: boolean
}

/** The records of `file` from byte `from` (where one begins, or damage) to its end at `size`. */
export async function* scanRecords(
  file: DiskFile,
  from: number,
  size: number,
): AsyncGenerator<FoundRecord> {
  const window = new Window(file, size)
  let position = from
  while (position < size) {
    const head = decodeRecordHead(await window.at(position, RECORD_HEAD_MAX))
    if (head === undefined || position + head.headBytes + head.length > size) {
      position = await nextMagic(window, position + 1)
      continue
    }
    const offset = position + head.headBytes
    const whole = (await checksum(window, offset, head.length)) === head.payloadCrc
    yield { head, offset, whole }
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

/** Where the next magic is from `position`; the end of the file if there is none. */
async function nextMagic(window: Window, position: number): Promise<number> {
  for (let at = position; at + RECORD_MAGIC.length <= window.size;) {
    const bytes = await window.at(at, WINDOW_BYTES)
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
  #start = 0
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(file: DiskFile, size: number) {
    this.#file = file
    this.size = size
  }

  /** Up to `length` bytes at `position`: fewer, but enough for a head, only at the end of the file or a large read. */
  async at(position: number, length: number): Promise<Uint8Array> {
    const wanted = Math.min(length, RECORD_HEAD_MAX, this.size - position)
    const end = this.#start + this.#bytes.byteLength
    if (position < this.#start || position + wanted > end) {
      this.#start = position
      this.#bytes = await this.#file.read(position, Math.min(WINDOW_BYTES, this.size - position))
      if (this.#bytes.byteLength < wanted) {
        throw new ShoalError('EIO', `a segment ended while it was read, at offset ${position}`)
      }
    }
    const from = position - this.#start
    return this.#bytes.subarray(from, from + length)
  }
}
