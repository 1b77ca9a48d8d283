// Callers that wait for their turn, served in the order in which they came. One whose signal aborts
// leaves the line.
import { asShoalError } from '../protocol/errors.ts'

export interface Waiter<Item, Value> {
  /** The item of the caller. */
  readonly item: Item
  readonly resolve: (value: Value) => void
  readonly reject: (error: unknown) => void
}

export class WaitingLine<Item, Value> {
  readonly #waiters: Waiter<Item, Value>[] = []

  get first(): Waiter<Item, Value> | undefined {
    return this.#waiters[0]
  }

  /**
   * Wait to be served. throws what the server rejects with, or the reason of `signal` as a
   * ShoalError.
   */
  async join(item: Item, signal?: AbortSignal): Promise<Value> {
    if (signal?.aborted === true) throw asShoalError(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<Value>()
    const waiter = { item, resolve, reject }
    const onAbort = (): void => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      reject(asShoalError(signal?.reason))
    }
    this.#waiters.push(waiter)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Take the first caller out of the line, to serve it. */
  shift(): Waiter<Item, Value> | undefined {
    return this.#waiters.shift()
  }
}
