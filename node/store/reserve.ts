// The room for writes: the least of what the disk has free and what is left of the node's capacity,
// of which segments and index are a part. The last of it is kept: half so that compaction can move
// records, and the logs of volumes can go on, when payloads no longer fit, the rest so that the
// index can still record deletions. Moves count against the disk alone, as they end with less: who
// lowers the capacity wants just that.
import { ShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { Disk } from '../world/world.ts'

/** Reserve by default: this, or this share of a small disk or capacity. */
const RESERVE_BYTES: number = 256 * MIB
const RESERVE_SHARE = 0.02
/** Share of the reserve that moved records may use. */
const MOVES_SHARE = 0.5
/** Bytes admitted before the disk is asked again: others use it too. */
const ASK_EVERY_BYTES: number = 16 * MIB

export interface ReserveOptions {
  readonly reserveBytes?: number
  readonly capacityBytes?: number
}

interface ReserveParts {
  readonly disk: Disk
  /** Bytes of all segments. */
  readonly usedBytes: () => number
  /** Bytes of the index. */
  readonly indexBytes: () => Promise<number>
  /** Those of the segments that are not in files yet. */
  readonly unwrittenBytes: () => number
}

/** See the head of the file. */
export class Reserve {
  readonly #parts: ReserveParts
  readonly #reserveBytes: number | undefined
  readonly #capacityBytes: number
  /** Bytes that may still be written before the disk is asked again. */
  #admitted = 0

  constructor(
    parts: ReserveParts,
    { reserveBytes, capacityBytes = Infinity }: ReserveOptions = {},
  ) {
    this.#parts = parts
    this.#reserveBytes = reserveBytes
    this.#capacityBytes = capacityBytes
  }

  /** True, at once, if `bytes` more fit in what was last admitted. */
  take(bytes: number): boolean {
    if (bytes > this.#admitted) return false
    this.#admitted -= bytes
    return true
  }

  /**
   * Ask the disk whether `bytes` more fit; a move may use what is kept for moves. throws ShoalError
   * 'ENOSPC' if not.
   */
  async ask(bytes: number, { isMove }: { isMove: boolean }): Promise<void> {
    const { leftBytes, movableBytes, reserveBytes } = await this.measure()
    const usableBytes = leftBytes - reserveBytes
    if (usableBytes >= bytes) {
      this.#admitted = Math.min(usableBytes, Math.max(ASK_EVERY_BYTES, bytes)) - bytes
      return
    }
    this.#admitted = 0
    if (isMove && movableBytes >= bytes) return
    throw new ShoalError(
      'ENOSPC',
      `this node is full: ${formatBytes(bytes)} needed, ${formatBytes(leftBytes)} left on its disk or ` +
        `within its capacity, ${formatBytes(reserveBytes)} of them reserved; free some space, or raise --capacity`,
    )
  }

  /**
   * Measures the room left now, the reserve included; the room for moved records and for the index;
   * the reserve; and the capacity or the disk.
   */
  async measure(): Promise<{
    leftBytes: number
    movableBytes: number
    growthBytes: number
    reserveBytes: number
    ownBytes: number
  }> {
    const { disk, usedBytes, unwrittenBytes } = this.#parts
    const indexBytes = this.#capacityBytes === Infinity ? 0 : await this.#parts.indexBytes()
    const { freeBytes, totalBytes } = await disk.space()
    const ownBytes = Math.min(totalBytes, this.#capacityBytes)
    const reserveBytes =
      this.#reserveBytes ?? Math.min(RESERVE_BYTES, Math.floor(ownBytes * RESERVE_SHARE))
    const onDiskBytes = freeBytes - unwrittenBytes()
    const ownLeftBytes = this.#capacityBytes - usedBytes() - indexBytes
    const leftBytes = Math.max(0, Math.min(onDiskBytes, ownLeftBytes))
    const movableBytes = Math.max(0, onDiskBytes - reserveBytes * (1 - MOVES_SHARE))
    const growthBytes = Math.max(0, leftBytes - reserveBytes * (1 - MOVES_SHARE))
    return { leftBytes, movableBytes, growthBytes, reserveBytes, ownBytes }
  }

  /** Bytes reserved for moves. */
  async moveBytes(): Promise<number> {
    const { reserveBytes } = await this.measure()
    return Math.floor(reserveBytes * MOVES_SHARE)
  }
}
