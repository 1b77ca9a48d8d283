// A signal for one call that ends with any of several long-lived ones, and lets go of them when the
// call is over.
import { onAbort } from '../abort-listeners.ts'

export class LinkedSignal {
  readonly #controller = new AbortController()
  readonly #trimming: (() => void)[] = []

  constructor(...signals: readonly AbortSignal[]) {
    for (const signal of signals) {
      if (signal.aborted) this.abort(signal.reason)
      else this.#trimming.push(onAbort(signal, () => this.abort(signal.reason)))
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  release(): void {
    for (const release of this.#trimming) release()
  }
}
