// A stream of bytes, taken in pieces of any length.

export class ExactReader {
  readonly #source: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)
  /**
   * One for all: a buffer each, for all that is read back, would be work for the garbage collector.
   */
  #taken: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  /** Good until the next call. Fewer bytes only at the end. */
  async take(length: number): Promise<Uint8Array> {
    let taken = 0
    while (taken < length) {
      if (this.#rest.length === 0) {
        const next = await this.#source.next()
        if (next.done === true) break
        this.#rest = next.value
      }
      const piece = this.#rest.subarray(0, length - taken)
      this.#rest = this.#rest.subarray(piece.length)
      if (piece.length === length) return piece
      if (this.#taken.length < length) this.#taken = new Uint8Array(length)
      this.#taken.set(piece, taken)
      taken += piece.length
    }
    return this.#taken.subarray(0, taken)
  }
}
