// Work done one after the other, in the order in which it was asked for.

export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Run after all that was asked for before. A failure is the caller's alone: what comes after it
   * runs all the same.
   */
  run<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined) // its caller is told
    return done
  }

  /** Resolves when all that was asked for has ended, well or not. */
  async idle(): Promise<void> {
    await this.#last
  }
}
