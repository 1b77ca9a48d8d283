// At most so many at a time, first come first served.
import { onAbort } from './abort-listeners.ts'

export class Semaphore {
  #free: number
  readonly #line = new Set<() => void>()

  constructor(countMax: number) {
    this.#free = countMax
  }

  /** Resolves to what gives the place back, to be called once. throws the signal's reason. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(signal)
    return () => this.#giveBack()
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = (): void => {
        forget()
        resolve()
      }
      const forget = onAbort(signal, () => {
        this.#line.delete(call)
        reject(signal.reason)
      })
      this.#line.add(call)
    })
  }

  #giveBack(): void {
    const [next] = this.#line
    if (next === undefined) {
      this.#free++
      return
    }
    this.#line.delete(next)
    next()
  }
}
