// The body of a request, taken in parts of bounded length. A body may break off at any byte: what
// has come counts, and the connection is left.
import type { IncomingMessage } from 'node:http'

export class BodyParts {
  readonly #source: AsyncIterator<Uint8Array>
  #next: Uint8Array | undefined
  #isBroken = false

  /** Breaks off when the signal aborts. */
  constructor(request: IncomingMessage, signal: AbortSignal) {
    this.#source = (request as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]()
    const breakOff = (): void => void request.destroy()
    if (signal.aborted) breakOff()
    else {
      signal.addEventListener('abort', breakOff)
      request.once('close', () => signal.removeEventListener('abort', breakOff))
    }
  }

  /** It ended before the other side said so. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Waits for the next bytes. returns false at the end, which is not always that of the body. */
  async isMore(): Promise<boolean> {
    while (this.#next === undefined || this.#next.byteLength === 0) {
      try {
        const { done, value } = await this.#source.next()
        if (done === true) return false
        this.#next = value
      } catch {
        // The client went away, or was sent away. Whoever asks sees it.
        this.#isBroken = true
        return false
      }
    }
    return true
  }

  /** The next bytes, at most so many. */
  async *take(lengthMax: number): AsyncGenerator<Uint8Array> {
    for (let left = lengthMax; left > 0 && (await this.isMore());) {
      const bytes = this.#next ?? new Uint8Array()
      const some = bytes.subarray(0, left)
      this.#next = bytes.subarray(some.byteLength)
      left -= some.byteLength
      yield some
    }
  }
}
