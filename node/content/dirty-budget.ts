// Bounds the unsaved data of all editors in memory. Beyond a bound those that were written to
// longest ago store theirs, in the background, and whoever writes stores its own as soon as that is
// more than its share.
//
// Nobody waits for another: what cannot be stored (the disk is full; chunks around it are away)
// stays in memory, counts, and is met again by whoever commits it. So the sum is about the bound,
// and beyond it only by what cannot be stored.
import { MIB } from '../../protocol/units.ts'
import { ignoreFailure } from '../world/ignore-failure.ts'

/** Limit for all volumes of a node. */
export const DIRTY_BYTES_ALL: number = 64 * MIB

export interface DirtyHolder {
  /** Store what is held, and tell the budget. */
  store(): Promise<void>
}

export class DirtyBudget {
  readonly #bytesMax: number
  /** Bytes of each: what was written to longest ago first. */
  readonly #held = new Map<DirtyHolder, number>()
  /** The same of those that are storing theirs, or could not. */
  readonly #aside = new Map<DirtyHolder, number>()
  #heldBytes = 0
  #asideBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#heldBytes + this.#asideBytes
  }

  /** A holder has so many bytes now. */
  update(holder: DirtyHolder, bytes: number): void {
    this.#asideBytes -= take(this.#aside, holder)
    this.#heldBytes += bytes - take(this.#held, holder)
    if (bytes > 0) this.#held.set(holder, bytes)
    this.#relieve(holder)
  }

  /** Is whoever holds so many bytes to store them before it takes more? */
  isOver(bytes: number): boolean {
    const share = this.#bytesMax / (this.#held.size + this.#aside.size)
    return this.bytes > this.#bytesMax && bytes > share
  }

  /** Whoever writes sees to itself. */
  #relieve(writing: DirtyHolder): void {
    for (const [holder, bytes] of this.#held) {
      if (this.#heldBytes <= this.#bytesMax) return
      if (holder === writing) continue
      this.#heldBytes -= take(this.#held, holder)
      this.#asideBytes += bytes
      this.#aside.set(holder, bytes)
      void ignoreFailure(
        holder.store(),
        'the holder keeps what it could not store, and says so at the next sync',
      )
    }
  }
}

function take(map: Map<DirtyHolder, number>, holder: DirtyHolder): number {
  const bytes = map.get(holder) ?? 0
  map.delete(holder)
  return bytes
}
