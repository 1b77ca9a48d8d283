// Real time. A timer never keeps the process alive: what must be finished is awaited by whoever
// stops the node.
import { ShoalError } from '../../protocol/errors.ts'
import { onAbort } from './abort-listeners.ts'
import type { Instant, WallTime } from '../../protocol/units.ts'
import type { Clock, Timer } from './world.ts'

/**
 * The longest delay setTimeout takes; above it fires at once (Node documentation, "setTimeout").
 */
const DELAY_MAX_MS = 2 ** 31 - 1

/** The clock of the operating system. */
export class SystemClock implements Clock {
  wall(): WallTime {
    return Date.now() as WallTime
  }

  now(): Instant {
    return performance.now() as Instant
  }

  timer(delayMs: number, run: () => void): Timer {
    let handle: NodeJS.Timeout
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, DELAY_MAX_MS)
      handle = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : run()), stepMs)
      handle.unref()
    }
    arm(delayMs)
    return { cancel: () => clearTimeout(handle) }
  }

  sleep(delayMs: number, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason)
      const abort = (): void => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.timer(delayMs, () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  timeout(delayMs: number, signal?: AbortSignal): AbortSignal {
    const controller = new AbortController()
    if (signal?.aborted === true) return signal
    let release: (() => void) | undefined
    const timer = this.timer(delayMs, () => {
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
