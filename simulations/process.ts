// One run of a simulated node: everything that it waits for goes through here, so that what it had
// scheduled never happens once it is killed. Its pending promises then never settle, as in a
// process that is no more.
import type { Scheduler } from './scheduler.ts'
import type { Timer } from '../node/world/world.ts'

export class SimulatedProcess {
  readonly name: string
  readonly scheduler: Scheduler
  /** When it started, in virtual milliseconds. */
  readonly startedAtMs: number
  #alive = true
  #trap: { isSet: boolean; left: number; readonly spring: () => void } | undefined

  constructor(scheduler: Scheduler, name: string) {
    this.scheduler = scheduler
    this.name = name
    this.startedAtMs = scheduler.nowMs
  }

  get alive(): boolean {
    return this.#alive
  }

  kill(): void {
    this.#alive = false
    this.#trap = undefined
  }

  /**
   * Run `spring` in place of what happens to this process after `count` more events, from now or
   * from acknowledged() on; the last call counts.
   */
  trap(count: number, spring: () => void, since: 'now' | 'ack' = 'now'): void {
    this.#trap = { isSet: since === 'now', left: count, spring }
  }

  /** It has told a user that a write is durable. */
  acknowledged(): void {
    if (this.#trap !== undefined) this.#trap.isSet = true
  }

  /** As Scheduler.after, and only if the process still lives then. */
  after(delayMs: number, label: string, run: () => void): Timer {
    if (!this.#alive) return { cancel: () => undefined }
    return this.scheduler.after(delayMs, `${this.name} ${label}`, () => {
      if (!this.#alive) return
      const trap = this.#trap
      if (trap?.isSet === true && trap.left-- <= 0) trap.spring()
      if (this.#alive) run()
    })
  }

  /** Resolves after `delayMs`; never, once the process is killed. */
  wait(delayMs: number, label: string): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, label, resolve))
  }
}
