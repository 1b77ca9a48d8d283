// Rings once at the earliest of the times that were asked for since it rang last.
import type { Clock, Timer } from '../world/world.ts'

export class DebounceTimer {
  readonly #clock: Clock
  readonly #ring: () => void
  #set: { readonly timer: Timer; readonly at: number } | undefined

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  ringIn(inMs: number): void {
    const at = this.#clock.now() + inMs
    if (this.#set !== undefined && this.#set.at <= at) return
    this.#set?.timer.cancel()
    const timer = this.#clock.timer(inMs, () => {
      this.#set = undefined
      this.#ring()
    })
    this.#set = { timer, at }
  }

  cancel(): void {
    this.#set?.timer.cancel()
    this.#set = undefined
  }
}
