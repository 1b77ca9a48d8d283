// Open files under the numbers that fuse-native carries for them: 31 bits, never 0. Each is
// released once, at the latest by releaseAll().
import { ShoalError } from '../../../../protocol/errors.ts'
import type { FileSystem } from '../../file-system.ts'

const NUMBER_MAX = 2 ** 31 - 1

export interface OpenFile {
  readonly handle: number
  readonly inode: number
  readonly appends: boolean
}

export class Handles {
  readonly #fileSystem: FileSystem
  readonly #files = new Map<number, OpenFile>()
  /** How many times each inode is open. */
  readonly #opens = new Map<number, number>()
  #last = 0

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  /** Its inode, held by the caller, is held until it is released. returns its number. */
  add(file: OpenFile): number {
    this.#fileSystem.retain(file.inode)
    do this.#last = (this.#last % NUMBER_MAX) + 1
    while (this.#files.has(this.#last))
    this.#files.set(this.#last, file)
    this.#opens.set(file.inode, (this.#opens.get(file.inode) ?? 0) + 1)
    return this.#last
  }

  /** throws ShoalError 'ESTALE'. */
  get(number: number): OpenFile {
    const file = this.#files.get(number)
    if (file === undefined) throw new ShoalError('ESTALE', `file ${number} is not open`)
    return file
  }

  isOpen(inode: number): boolean {
    return this.#opens.has(inode)
  }

  async release(number: number): Promise<void> {
    const { handle, inode } = this.get(number)
    this.#files.delete(number)
    const opens = (this.#opens.get(inode) ?? 0) - 1
    if (opens > 0) this.#opens.set(inode, opens)
    else this.#opens.delete(inode)
    try {
      await this.#fileSystem.release(handle)
    } finally {
      this.#fileSystem.forget(inode, 1)
    }
  }

  /** Never rejects; returns the failures. */
  async releaseAll(): Promise<readonly unknown[]> {
    const released = await Promise.allSettled([...this.#files.keys()].map((n) => this.release(n)))
    return released.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  }
}
