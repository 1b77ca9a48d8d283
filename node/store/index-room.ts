// Whether the index may still grow: the logs of the volumes and what follows from them, which
// nobody asks for room. It is looked at again after so many bytes, and while there is no room
// whenever somebody asks, now and then.
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

const LOOK_EVERY_BYTES: number = 4 * MIB
const LOOK_AGAIN_MS: number = 5 * SECOND_MS

export interface IndexRoomParts {
  readonly clock: Pick<Clock, 'now'>
  /** Bytes that it may grow by. */
  readonly leftBytes: () => Promise<number>
}

export class IndexRoom {
  readonly #parts: IndexRoomParts
  #isFull = false
  #writtenBytes = 0
  #lookedAt: Instant
  #looking: Promise<void> | undefined

  constructor(parts: IndexRoomParts) {
    this.#parts = parts
    this.#lookedAt = parts.clock.now()
  }

  /** As last seen. */
  get isFull(): boolean {
    if (this.#isFull && this.#parts.clock.now() >= this.#lookedAt + LOOK_AGAIN_MS) void this.look()
    return this.#isFull
  }

  /** It has grown by so much, or less. */
  wrote(bytes: number): void {
    this.#writtenBytes += bytes
    if (this.#writtenBytes >= LOOK_EVERY_BYTES) void this.look()
  }

  /** Never rejects: a disk that does not answer is told of by whoever needs it. */
  look(): Promise<void> {
    this.#writtenBytes = 0
    this.#lookedAt = this.#parts.clock.now()
    this.#looking ??= this.#parts
      .leftBytes()
      .then(
        (left) => void (this.#isFull = left <= 0),
        () => undefined,
      )
      .finally(() => (this.#looking = undefined))
    return this.#looking
  }
}
