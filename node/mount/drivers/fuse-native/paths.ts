// Paths, which are what libfuse knows files by, as the inodes that the file system knows them by:
// looked up name by name at each call, so that nothing here can be out of date, and held for as
// long as the call is under way.
//
// - Names are text for fuse-native: what is not UTF-8 is neither found nor made.
// - libfuse renames a file that is removed while open to a hidden name. Here it is removed, and the
//   name is one for the inode until libfuse removes that: nobody else ever sees it.
//
// Source: hide_node() in lib/fuse.c of libfuse 2.9.
import { fromByteString, toByteString, utf8 } from '../../../../protocol/bytes.ts'
import { ShoalError } from '../../../../protocol/errors.ts'
import { NAME_MAX } from '../../../../protocol/limits.ts'
import { ROOT_INODE } from '../kernel/protocol.ts'
import type { ByteString } from '../../../../protocol/bytes.ts'
import type { Attributes, FileSystem } from '../../file-system.ts'

/** The replacement of bytes that are not text. */
const NO_TEXT = '\uFFFD'
const HIDDEN = /^\.fuse_hidden[0-9a-f]{16}$/

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class Paths {
  readonly #fileSystem: FileSystem
  /** Inodes of files that were removed while open. */
  readonly #hidden = new Map<ByteString, number>()

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  /**
   * Run with what is at a path. throws ShoalError 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL'.
   */
  async at<Result>(path: string, run: (found: Attributes) => Promise<Result>): Promise<Result> {
    return this.#walk(namesOf(path), run)
  }

  /** Run with the folder that a path's last name is in. */
  async placeOf<Result>(
    path: string,
    run: (parent: number, name: ByteString) => Promise<Result>,
  ): Promise<Result> {
    const names = namesOf(path)
    const name = names.pop()
    if (name === undefined) throw new ShoalError('EBUSY', 'the root has no name')
    return this.#walk(names, ({ inode }) => run(inode, name))
  }

  /** A new entry, of which the kernel only keeps the path. */
  drop({ inode }: Attributes): void {
    if (inode !== ROOT_INODE) this.#fileSystem.forget(inode, 1)
  }

  /** Is this how libfuse hides a file that is open? */
  hides(from: string, to: string): boolean {
    const cut = from.lastIndexOf('/') + 1
    return to.slice(0, cut) === from.slice(0, cut) && HIDDEN.test(to.slice(cut))
  }

  /** Remove a file, and find it by a hidden path from now on. */
  async hide(from: string, to: string): Promise<void> {
    const hidden = namesOf(to).pop()
    if (hidden === undefined) return
    await this.placeOf(from, async (parent, name) => {
      const found = await this.#lookup(parent, name)
      try {
        await this.#fileSystem.unlink(parent, name)
      } catch (error) {
        this.drop(found)
        throw error
      }
      this.#hidden.set(hidden, found.inode)
    })
  }

  /** returns false if the path is no hidden one. */
  reveal(path: string): boolean {
    const name = namesOf(path).pop() ?? ''
    const inode = this.#hidden.get(name)
    if (inode === undefined) return false
    this.#hidden.delete(name)
    this.#fileSystem.forget(inode, 1)
    return true
  }

  /** No more calls come. */
  close(): void {
    for (const inode of this.#hidden.values()) this.#fileSystem.forget(inode, 1)
    this.#hidden.clear()
  }

  async #walk<Result>(
    names: readonly ByteString[],
    run: (found: Attributes) => Promise<Result>,
  ): Promise<Result> {
    const hidden = this.#hidden.get(names.at(-1) ?? '')
    if (hidden !== undefined) return run(await this.#fileSystem.getAttributes(hidden))
    let found = await this.#first(names[0])
    try {
      for (const name of names.slice(1)) {
        const child = await this.#lookup(found.inode, name)
        this.drop(found)
        found = child
      }
      return await run(found)
    } finally {
      this.drop(found)
    }
  }

  #first(name: ByteString | undefined): Promise<Attributes> {
    return name === undefined
      ? this.#fileSystem.getAttributes(ROOT_INODE)
      : this.#lookup(ROOT_INODE, name)
  }

  async #lookup(parent: number, name: ByteString): Promise<Attributes> {
    const found = await this.#fileSystem.lookup(parent, name)
    if (found === undefined) throw new ShoalError('ENOENT', 'no such file')
    return found
  }
}

/** Text as fuse-native hands it over, as bytes. throws ShoalError 'EINVAL' for what was no text. */
export function bytesOf(text: string): ByteString {
  if (text.includes(NO_TEXT)) throw new ShoalError('EINVAL', 'names must be UTF-8 here')
  return toByteString(utf8(text))
}

/** Bytes as fuse-native takes them, or undefined where it cannot: bytesOf() the other way round. */
export function textOf(bytes: ByteString): string | undefined {
  try {
    const text = decoder.decode(fromByteString(bytes))
    return text.includes(NO_TEXT) ? undefined : text
  } catch {
    return undefined // not UTF-8
  }
}

function namesOf(path: string): ByteString[] {
  const names = bytesOf(path)
    .split('/')
    .filter((name) => name !== '')
  if (names.some((name) => name.length > NAME_MAX))
    throw new ShoalError('ENAMETOOLONG', `names have at most ${NAME_MAX} bytes`)
  return names
}
