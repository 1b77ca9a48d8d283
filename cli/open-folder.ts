// A folder whose entries are being copied. What is set of the folder itself comes last, because
// each entry that comes in touches it. Only open folders are in memory, not those that are done.

export class OpenFolder {
  /** The walk of the folder is one. */
  #entries = 1
  readonly #finish: () => Promise<void>
  readonly #parent: OpenFolder | undefined

  /** finish: run when all in it is done, before its parent is finished. */
  constructor(finish: () => Promise<void>, parent: OpenFolder | undefined) {
    this.#finish = finish
    this.#parent = parent
    parent?.enter()
  }

  /** One more entry is to be done. */
  enter(): void {
    this.#entries++
  }

  /** An entry, or the walk, is done. throws what finishing a folder does. */
  async leave(): Promise<void> {
    this.#entries--
    if (this.#entries > 0) return
    await this.#finish()
    await this.#parent?.leave()
  }
}
