// Long work on entries in slices, so that the node answers others meanwhile: a slice is some
// milliseconds of work, and between two the clock's least pause goes by.
import type { Entry } from '../../protocol/log/entry.ts'
import { KIB } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'

/** Bytes of entries in a slice, each counted for some more. */
const SLICE_BYTES: number = 16 * KIB
const ENTRY_BYTES: number = 1 * KIB

/** Entries in slices. */
export function* slicesOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let slice: Entry[] = []
  let bytes = 0
  for (const entry of entries) {
    slice.push(entry)
    bytes += costOf(entry)
    if (bytes < SLICE_BYTES) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield slice
}

/** The same where entries come one by one. */
export class TimeSlices {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #bytes = 0

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  /** An entry was worked on: let others have their turn if it is time. */
  async after(entry: Entry): Promise<void> {
    this.#bytes += costOf(entry)
    if (this.#bytes < SLICE_BYTES) return
    this.#bytes = 0
    await this.#clock.sleep(1, { signal: this.#signal })
  }
}

function costOf(entry: Entry): number {
  return ENTRY_BYTES + entry.body.byteLength
}
