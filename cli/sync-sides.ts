// The two sides of `shoal sync`, a folder of this machine and one of the namespace, as far as it is
// to be known what one of them has and the other has not.
import { lstat, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ShoalError } from '../protocol/errors.ts'
import { makeWritable } from './local-files.ts'
import { localChild, localEntries, localPath } from './local-path.ts'
import { joinPath } from './paths.ts'
import type { BigIntStats, Dirent } from 'node:fs'
import type { Client } from '../node/control/client.ts'
import type { FileStat } from '../node/control/files.ts'
import type { LeftOut } from './left-out.ts'

export interface SideEntry {
  readonly name: string
  readonly isFolder: boolean
  /** Neither file, folder nor symlink: it cannot be copied. */
  readonly isSpecial: boolean
  /** A folder that is not to be touched, though nobody excluded it. */
  readonly isLeftOut: boolean
}

export interface Side {
  /** throws unless all of the folder is read. */
  list(path: string): Promise<readonly SideEntry[]>
  join(path: string, name: string): string
  /** Removes a folder only if it is empty. It may be durable later only. */
  remove(path: string, isFolder: boolean): Promise<void>
}

/** A folder of this machine. */
export class LocalSide implements Side {
  readonly #path: string
  readonly #root: BigIntStats | undefined
  readonly #leftOut: LeftOut

  /** root: undefined where it is not there yet. */
  constructor(path: string, root: BigIntStats | undefined, leftOut: LeftOut) {
    this.#path = path
    this.#root = root
    this.#leftOut = leftOut
  }

  async list(path: string): Promise<readonly SideEntry[]> {
    const entries = await localEntries(path)
    await this.#checkRoot()
    return Promise.all([...entries].map(([name, entry]) => this.#entry(path, name, entry)))
  }

  join(path: string, name: string): string {
    return localChild(path, name)
  }

  async remove(path: string, isFolder: boolean): Promise<void> {
    const remove = (): Promise<void> =>
      isFolder ? rmdir(localPath(path)) : unlink(localPath(path))
    try {
      await remove()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
      await makeWritable(dirname(path))
      await remove()
    }
  }

  /** A disk that was unmounted meanwhile leaves an empty folder, which tells nothing of it. */
  async #checkRoot(): Promise<void> {
    const { dev, ino } = await stat(localPath(this.#path), { bigint: true })
    if (this.#root === undefined || (dev === this.#root.dev && ino === this.#root.ino)) return
    throw new ShoalError(
      'ESTALE',
      `${this.#path} is another folder than at the start; was it mounted or unmounted?`,
    )
  }

  async #entry(path: string, name: string, entry: Dirent<Buffer>): Promise<SideEntry> {
    const isFolder = entry.isDirectory()
    return {
      name,
      isFolder,
      isSpecial: !isFolder && !entry.isFile() && !entry.isSymbolicLink(),
      isLeftOut: isFolder && (await this.#isLeftOut(localChild(path, name))),
    }
  }

  async #isLeftOut(path: string): Promise<boolean> {
    const local = localPath(path)
    const stat = await lstat(local, { bigint: true })
    const device = this.#root?.dev ?? stat.dev
    return (await this.#leftOut.reasonFor(local, stat, device)) !== undefined
  }
}

/** A folder of the namespace. */
export class SharedSide implements Side {
  readonly #client: Client

  constructor(client: Client) {
    this.#client = client
  }

  async list(path: string): Promise<readonly SideEntry[]> {
    const entries: SideEntry[] = []
    for await (const page of this.#client.list(path)) entries.push(...page.map(entryOf))
    return entries
  }

  join(path: string, name: string): string {
    return joinPath(path, name)
  }

  remove(path: string): Promise<void> {
    return this.#client.remove(path, { ack: 'none' })
  }
}

function entryOf({ name, kind }: FileStat): SideEntry {
  const isFolder = kind === 'folder'
  const isSpecial = !isFolder && kind !== 'file' && kind !== 'symlink'
  return { name, isFolder, isSpecial, isLeftOut: false }
}
