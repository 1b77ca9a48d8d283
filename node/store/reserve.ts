// The last of the disk is kept for the index, so that deleting still works when payloads no longer fit.
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import type { Disk } from '../world/world.ts'

/** Reserve by default: this, or this share of a small disk. */
const RESERVE_BYTES: number = 64 * MIB
const RESERVE_SHARE = 0.02
/** Bytes admitted before the disk is asked again: others use it too. */
const ASK_EVERY_BYTES: number = 16 * MIB

/** Admits payload bytes while more than the reserve is free. */
export class Reserve {
  readonly #disk: Disk
  readonly #reserveBytes: number | undefined
  /** What may still be written before the disk is asked again. */
  #admitted = 0

  constructor(disk: Disk, reserveBytes?: number) {
    this.#disk = disk
    this.#reserveBytes = reserveBytes
  }

  /** True, at once, if `bytes` more fit in what was last admitted. */
  take(bytes: number): boolean {
    if (bytes > this.#admitted) return false
    this.#admitted -= bytes
    return true
  }

  /**
   * Ask the disk whether `bytes` more fit beside `unwritten()` bytes that were admitted and are not in files yet.
   * throws ShoalError 'ENOSPC' if not.
   */
  async ask(bytes: number, unwritten: () => number): Promise<void> {
    const { freeBytes, totalBytes } = await this.#disk.space()
    const reserveBytes =
      this.#reserveBytes ?? Math.min(RESERVE_BYTES, Math.floor(totalBytes * RESERVE_SHARE))
    const usableBytes = freeBytes - reserveBytes - unwritten()
    if (usableBytes < bytes) {
      this.#admitted = 0
      throw new ShoalError(
        'ENOSPC',
        `the disk of this node is full: ${freeBytes} bytes free, ${reserveBytes} of them reserved, ${bytes} needed; free some space`,
      )
    }
    this.#admitted = Math.min(usableBytes, Math.max(ASK_EVERY_BYTES, bytes)) - bytes
  }
}
