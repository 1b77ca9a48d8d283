// The kernel's references to the file system: to inodes (one for each entry it was given) and open
// handles.
//
// - forget() reaches the file system once for each time the kernel held an inode and let go of it
//   altogether, with the number of entries given in between; and never while an entry is on its way
//   that may name the inode again.
// - Every handle that was opened is released once, at the latest by releaseAll().
import type { Attributes, FileSystem } from '../../file-system.ts'
import { ROOT_INODE } from './protocol.ts'

interface Reference {
  /** References the kernel holds now. */
  held: number
  /** Entries given since it held none. */
  given: number
}

export class References {
  readonly #fileSystem: FileSystem
  readonly #inodes = new Map<number, Reference>()
  readonly #files = new Set<number>()
  readonly #folders = new Set<number>()
  /** Inodes that were let go of while entries were on their way. */
  readonly #idle = new Set<number>()
  #underWay = 0

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  /** May the kernel have cached anything of this inode? */
  has(inode: number): boolean {
    return inode === ROOT_INODE || this.#inodes.has(inode)
  }

  /** Runs what asks the file system for entries and gives them to the kernel with add(). */
  async giving<T>(run: () => Promise<T>): Promise<T> {
    this.#underWay++
    try {
      return await run()
    } finally {
      this.#underWay--
      if (this.#underWay === 0) this.#forgetIdle()
    }
  }

  /** An entry naming this inode goes to the kernel. */
  add({ inode }: Attributes): void {
    const reference = this.#inodes.get(inode)
    if (reference === undefined) this.#inodes.set(inode, { held: 1, given: 1 })
    else {
      reference.held++
      reference.given++
    }
  }

  /** The kernel let go of `count` references. */
  drop(inode: number, count: number): void {
    const reference = this.#inodes.get(inode)
    if (reference === undefined) return
    reference.held -= count
    if (reference.held > 0) return
    this.#idle.add(inode)
    if (this.#underWay === 0) this.#forgetIdle()
  }

  openedFile(handle: number): void {
    this.#files.add(handle)
  }

  openedFolder(handle: number): void {
    this.#folders.add(handle)
  }

  async releaseFile(handle: number): Promise<void> {
    if (this.#files.delete(handle)) await this.#fileSystem.release(handle)
  }

  async releaseFolder(handle: number): Promise<void> {
    if (this.#folders.delete(handle)) await this.#fileSystem.releaseFolder(handle)
  }

  /** Releases what is still open after the mount is gone. Never rejects; returns the failures. */
  async releaseAll(): Promise<readonly unknown[]> {
    const released = await Promise.allSettled([
      ...[...this.#files].map((handle) => this.releaseFile(handle)),
      ...[...this.#folders].map((handle) => this.releaseFolder(handle)),
    ])
    return released.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  }

  #forgetIdle(): void {
    for (const inode of this.#idle) {
      const reference = this.#inodes.get(inode)
      if (reference === undefined || reference.held > 0) continue
      this.#inodes.delete(inode)
      this.#fileSystem.forget(inode, reference.given)
    }
    this.#idle.clear()
  }
}
