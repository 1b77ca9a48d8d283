// The stripes of one volume whose chunks may be in this node's store as well, in the order in which
// they were last used here: what gc/copy-release.ts goes through. A stripe is listed before its
// chunks are marked no more, and until none of them is here: a crash lists it once too often at the
// worst. Nothing of it is in memory.
import { copyKey, copyOfKey, copyRange } from './placement-queue-keys.ts'
import { STATE_PREFIXES } from '../store/key-prefixes.ts'
import type { StripeId } from '../../protocol/ids.ts'
import type { Clock } from '../world/world.ts'
import type { Marks } from './placement-queue.ts'

const NOTHING: Uint8Array = new Uint8Array(0)
const PAUSED: Uint8Array = Uint8Array.of(1)

/** A stripe, and when its chunks were last written or read here. */
export interface PlacedCopy {
  readonly stripe: StripeId
  readonly sinceMs: number
  /** It was due, and could not be released: the time is a later one, until it is due again. */
  readonly isPaused: boolean
}

export class PlacedCopies {
  readonly #marks: Marks
  readonly #clock: Pick<Clock, 'wall'>

  constructor(marks: Marks, clock: Pick<Clock, 'wall'>) {
    this.#marks = marks
    this.#clock = clock
  }

  /** Is all listed that was in the store before there was this list? */
  get isComplete(): boolean {
    return this.#marks.get(STATE_PREFIXES.copiesListed) !== undefined
  }

  /** Lists a stripe. Durable with the volume's next commit, as are the other changes. */
  add(stripe: StripeId, sinceMs: number = this.#clock.wall()): void {
    this.#marks.put(copyKey({ stripe, sinceMs: Math.max(0, Math.floor(sinceMs)) }), NOTHING)
  }

  remove(copy: PlacedCopy): void {
    this.#marks.delete(copyKey(copy))
  }

  /** Has it wait its turn as if its copies were unused since then. */
  pause(copy: PlacedCopy, sinceMs: number): void {
    this.remove(copy)
    const key = copyKey({ stripe: copy.stripe, sinceMs: Math.max(0, Math.floor(sinceMs)) })
    this.#marks.put(key, PAUSED)
  }

  /** All that is in the store is listed. */
  completed(): void {
    this.#marks.put(STATE_PREFIXES.copiesListed, NOTHING)
  }

  /** More came into the store than is listed, or the map of stripes is another. */
  forgetAll(): void {
    this.#marks.delete(STATE_PREFIXES.copiesListed)
  }

  /** As they are at the call, those first that are unused for longest. */
  async *oldest(): AsyncGenerator<PlacedCopy, void, undefined> {
    const { from, to } = copyRange()
    for await (const [key, value] of this.#marks.scan(from, to))
      yield { ...copyOfKey(key), isPaused: value[0] === PAUSED[0] }
  }
}
