// A clock that stands still until a test moves it.
import { ShoalError } from '../../../protocol/errors.ts'
import type { Instant, WallTime } from '../../../protocol/units.ts'
import type { Clock, Timer } from '../../../node/world/world.ts'

export class ManualClock implements Clock {
  #nowMs = 0
  readonly #timers = new Map<Timer, { readonly atMs: number; readonly run: () => void }>()

  wall(): WallTime {
    return this.#nowMs as WallTime
  }

  now(): Instant {
    return this.#nowMs as Instant
  }

  timer(delayMs: number, run: () => void): Timer {
    const timer: Timer = { cancel: () => void this.#timers.delete(timer) }
    this.#timers.set(timer, { atMs: this.#nowMs + delayMs, run })
    return timer
  }

  sleep(delayMs: number, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const timer = this.timer(delayMs, resolve)
      signal?.addEventListener('abort', () => {
        timer.cancel()
        reject(signal.reason)
      })
    })
  }

  timeout(delayMs: number, signal?: AbortSignal): AbortSignal {
    const late = new AbortController()
    this.timer(delayMs, () => late.abort(new ShoalError('timeout', `${delayMs} ms`)))
    return signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
  }

  /** Run all timers of the next `byMs`, also those that they set, in order. */
  advance(byMs: number): void {
    const endMs = this.#nowMs + byMs
    for (;;) {
      const [next] = [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs)
      if (next === undefined || next[1].atMs > endMs) break
      this.#timers.delete(next[0])
      this.#nowMs = next[1].atMs
      next[1].run()
    }
    this.#nowMs = endMs
  }
}
