// A node's clock over virtual time. now() is true elapsed time since the process started; wall() is
// what the machine believes: off by an offset, drifting, and jumping when told. Timers go by
// elapsed time and in whole milliseconds, at least one, as in Node.
import { ShoalError } from '../protocol/errors.ts'
import { onAbort } from '../node/world/abort-listeners.ts'
import type { SimulatedProcess } from './process.ts'
import type { Clock, Timer } from '../node/world/world.ts'
import type { Instant, WallTime } from '../protocol/units.ts'

/** The true wall time at the start of every simulation. */
export const SIMULATION_START: WallTime = Date.UTC(2026, 0, 1) as WallTime

/** The error of a machine's wall clock; it outlives the process. */
export class WallClockError {
  readonly #driftPpm: number
  #offsetMs: number

  /** offsetMs: ahead of true time at the start. driftPpm: microseconds gained in a second. */
  constructor(options: { offsetMs?: number; driftPpm?: number } = {}) {
    this.#offsetMs = options.offsetMs ?? 0
    this.#driftPpm = options.driftPpm ?? 0
  }

  /** Set the wall clock forward, or back if negative. */
  jump(byMs: number): void {
    this.#offsetMs += byMs
  }

  wallAt(virtualMs: number): WallTime {
    const gainedMs = (virtualMs * this.#driftPpm) / 1e6
    return Math.floor(SIMULATION_START + virtualMs + gainedMs + this.#offsetMs) as WallTime
  }
}

export class VirtualClock implements Clock {
  readonly #process: SimulatedProcess
  readonly #error: WallClockError

  constructor(process: SimulatedProcess, error: WallClockError = new WallClockError()) {
    this.#process = process
    this.#error = error
  }

  wall(): WallTime {
    return this.#error.wallAt(this.#process.scheduler.nowMs)
  }

  now(): Instant {
    return (this.#process.scheduler.nowMs - this.#process.startedAtMs) as Instant
  }

  timer(delayMs: number, run: () => void): Timer {
    return this.#process.after(timerDelay(delayMs), 'timer', run)
  }

  sleep(delayMs: number, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const abort = (): void => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.#process.after(timerDelay(delayMs), 'sleep', () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  timeout(delayMs: number, signal?: AbortSignal): AbortSignal {
    if (signal?.aborted === true) return signal
    const controller = new AbortController()
    let release: (() => void) | undefined
    const timer = this.#process.after(timerDelay(delayMs), 'timeout', () => {
      release?.()
      controller.abort(new ShoalError('timeout', `not done within ${delayMs} ms`))
    })
    if (signal !== undefined) {
      release = onAbort(signal, () => {
        timer.cancel()
        controller.abort(signal.reason)
      })
    }
    return controller.signal
  }
}

/** A clock for work in slices that nobody else needs a turn between. */
export function instant(clock: Clock): Clock {
  return {
    wall: () => clock.wall(),
    now: () => clock.now(),
    timer: (delayMs, run) => clock.timer(delayMs, run),
    sleep: async () => undefined,
    timeout: (delayMs, signal) => clock.timeout(delayMs, signal),
  }
}

/** The delay that setTimeout makes of another (Node documentation, "setTimeout"). */
function timerDelay(delayMs: number): number {
  return Math.max(1, Math.trunc(delayMs))
}
