// A tier that is a folder, such as a mounted disk or a network share. An object is a file; it is
// written beside, synced, and renamed into its place. The folder itself is never made: one that is
// not there is a disk that is not mounted. Others can write there, too: no link in it is followed,
// and nothing is read but files.
import { constants } from 'node:fs'
import { lstat, mkdir, open, opendir, realpath, rename, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toHex } from '../../../protocol/bytes.ts'
import { ShoalError, asShoalError, hasCode } from '../../../protocol/errors.ts'
import { DAY_MS, MIB } from '../../../protocol/units.ts'
import { noVersions, tierError, wrongSize } from './tier-error.ts'
import type { ErrorCode } from '../../../protocol/errors.ts'
import type { FolderLocation } from '../../../protocol/cold/location.ts'
import type { WallTime } from '../../../protocol/units.ts'
import type { Clock, ObjectTier, Random, TierObject } from '../world.ts'

/** The folder of unfinished puts; no object. */
export const PARTIAL_FOLDER = '.shoal-partial'
/** Files that are older were left by a process that died. */
export const PARTIAL_KEPT_MS: number = DAY_MS
const FILE_MODE = 0o600
/** A pipe that somebody put there is not waited for. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const FOLDER_MODE = 0o700
const READ_BYTES = MIB
const NAME_BYTES = 16

export class FolderTier implements ObjectTier {
  readonly #root: string
  readonly #name: string
  readonly #clock: Clock
  readonly #random: Random

  constructor(
    { clock, random }: { clock: Clock; random: Random },
    location: FolderLocation,
    { name }: { name: string },
  ) {
    this.#clock = clock
    this.#random = random
    this.#root = location.path
    this.#name = name
  }

  async put(
    key: string,
    size: number | undefined,
    chunks: AsyncIterable<Uint8Array>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    await this.#attempt(key, signal, async () => {
      await this.#makeFolders(PARTIAL_FOLDER)
      const partial = join(this.#root, PARTIAL_FOLDER, toHex(this.#random.bytes(NAME_BYTES)))
      try {
        const bytes = await writeFile(partial, chunks, signal)
        if (size !== undefined && bytes !== size) throw wrongSize(this.#at(key), size, bytes)
        const path = await this.#pathOf(key, { make: true })
        signal.throwIfAborted()
        await rename(partial, path)
        await syncFolder(dirname(path))
      } finally {
        await rm(partial, { force: true })
      }
    })
  }

  async *get(
    key: string,
    range: { readonly from: number; readonly to: number } | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const file = await this.#attempt(key, signal, async () =>
      open(await this.#pathOf(key), READ_FLAGS),
    )
    try {
      // No more than there is: a buffer is filled with zeros first.
      const size = await this.#attempt(key, signal, () => this.#sizeOf(file, key))
      const to = Math.min(range?.to ?? Infinity, size)
      for (let at = range?.from ?? 0; at < to;) {
        const length = Math.min(READ_BYTES, to - at)
        const { buffer, bytesRead } = await this.#attempt(key, signal, () =>
          file.read(new Uint8Array(length), 0, length, at),
        )
        if (bytesRead === 0) return
        at += bytesRead
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }

  async head(key: string, { signal }: { signal: AbortSignal }): Promise<TierObject | undefined> {
    try {
      return await this.#attempt(key, signal, async () => {
        const found = await lstat(await this.#pathOf(key))
        return found.isFile() ? objectOf(found) : undefined
      })
    } catch (error) {
      if (hasCode(error, 'cold-missing')) return undefined
      throw error
    }
  }

  async *list(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<TierObject & { readonly key: string }> {
    await this.#attempt(undefined, signal, () => stat(this.#root))
    const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    if (start !== '' && (await this.#kindOf(start, signal)) !== 'folder') return
    const waiting = [start]
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      const entries = await this.#attempt(undefined, signal, () =>
        opendir(join(this.#root, folder)),
      )
      for await (const entry of entries) {
        const key = `${folder}${entry.name}`
        if (key === PARTIAL_FOLDER || !(key.startsWith(prefix) || prefix.startsWith(`${key}/`))) {
          continue
        }
        if (entry.isDirectory()) waiting.push(`${key}/`)
        if (!entry.isFile()) continue
        const path = join(this.#root, key)
        const found = await this.#attempt(key, signal, () => stat(path).catch(ignoreMissing))
        if (found !== undefined) yield { key, ...objectOf(found) }
      }
    }
  }

  async remove(keys: readonly string[], { signal }: { signal: AbortSignal }): Promise<void> {
    for (const key of keys) {
      await this.#attempt(key, signal, async () => {
        await stat(this.#root)
        const path = await this.#pathOf(key).catch(ignoreMissing)
        if (path !== undefined) await rm(path, { force: true })
      })
    }
  }

  /** Nothing in a folder is archived. */
  async restore(): Promise<void> {}

  async rollBack(): Promise<number> {
    throw noVersions(this.#name)
  }

  async check({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    await this.#attempt(undefined, signal, async () => {
      const root = await stat(this.#root)
      if (!root.isDirectory()) {
        throw tierError('cold-gone', { tier: this.#name }, `${this.#root} is no folder`)
      }
      await this.#makeFolders(PARTIAL_FOLDER)
      const partials = join(this.#root, PARTIAL_FOLDER)
      for await (const { name } of await opendir(partials)) {
        const { mtimeMs } = await stat(join(partials, name))
        if (mtimeMs < this.#clock.wall() - PARTIAL_KEPT_MS) await rm(join(partials, name))
      }
    })
  }

  async close(): Promise<void> {}

  async #kindOf(folder: string, signal: AbortSignal): Promise<'folder' | 'none'> {
    return this.#attempt(undefined, signal, async () => {
      const found = await stat(join(this.#root, folder)).catch(ignoreMissing)
      if (found?.isDirectory() !== true) return 'none'
      await this.#checkNoLink(folder)
      return 'folder'
    })
  }

  /** The file of a key, in a folder that is there. */
  async #pathOf(key: string, { make = false }: { make?: boolean } = {}): Promise<string> {
    const folder = key.split('/').slice(0, -1).join('/')
    await (make ? this.#makeFolders(folder, key) : this.#checkNoLink(folder, key))
    if (key.split('/')[0] !== PARTIAL_FOLDER) return join(this.#root, key)
    throw tierError('cold-denied', this.#at(key), 'is no key of an object')
  }

  /** Folders below the root, each durable. */
  async #makeFolders(folder: string, key?: string): Promise<void> {
    let inside = ''
    for (const part of folder.split('/').filter((name) => name !== '')) {
      const parent = join(this.#root, inside)
      inside = join(inside, part)
      try {
        await mkdir(join(parent, part), { mode: FOLDER_MODE })
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error
        await this.#checkNoLink(inside, key)
        continue
      }
      await syncFolder(parent)
    }
  }

  /**
   * throws ShoalError 'cold-denied' where a folder of the tier is a link, or is reached through
   * one.
   */
  async #checkNoLink(folder: string, key?: string): Promise<void> {
    const path = join(this.#root, folder)
    const [root, real] = await Promise.all([realpath(this.#root), realpath(path)])
    if (real === join(root, folder).replace(/\/$/, '')) return
    throw tierError('cold-denied', this.#at(key), `${path} leads elsewhere: remove the link`)
  }

  /** Reading a folder fails by itself. throws ShoalError 'cold-denied' for what else is no file. */
  async #sizeOf(file: FileHandle, key: string): Promise<number> {
    const found = await file.stat()
    if (found.isDirectory()) return READ_BYTES
    if (found.isFile()) return found.size
    throw tierError('cold-denied', this.#at(key), `is no file in ${this.#root}: remove it`)
  }

  #at(key: string | undefined): { readonly tier: string; readonly key: string | undefined } {
    return { tier: this.#name, key }
  }

  async #attempt<T>(
    key: string | undefined,
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    try {
      return await run()
    } catch (cause) {
      signal.throwIfAborted()
      throw cause instanceof ShoalError ? cause : await this.#named(cause, key)
    }
  }

  async #named(cause: unknown, key: string | undefined): Promise<ShoalError> {
    const system = systemCode(cause)
    if (system === '') return asShoalError(cause)
    const there = await stat(this.#root).catch(ignoreMissing)
    if (there === undefined) {
      const what = `the folder ${this.#root} does not exist: create it, or mount its disk`
      return tierError('cold-gone', { tier: this.#name }, what, { cause })
    }
    const [code, what] = WORDS.get(system) ?? ['cold-unreachable', 'the folder does not answer']
    return tierError(code, this.#at(key), `${what} (${system} in ${this.#root})`, { cause })
  }
}

const WORDS: ReadonlyMap<string, readonly [ErrorCode, string]> = new Map([
  ['ENOENT', ['cold-missing', 'does not exist']],
  ['ENOTDIR', ['cold-missing', 'does not exist: an object has the name of its folder']],
  ['EISDIR', ['cold-missing', 'is a folder, not an object']],
  ['EACCES', ['cold-denied', 'not allowed: give this user the rights to read and write']],
  ['EPERM', ['cold-denied', 'not allowed: give this user the rights to read and write']],
  ['EROFS', ['cold-denied', 'cannot write: mount the disk for writing']],
  ['ELOOP', ['cold-denied', 'is a link: remove it']],
  ['ENXIO', ['cold-denied', 'is a socket: remove it']],
  ['ENOSPC', ['ENOSPC', 'the disk is full: make room']],
  ['EDQUOT', ['ENOSPC', 'the quota is used up: make room']],
])

/** Writes and syncs a new file. returns how many bytes. */
async function writeFile(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    let bytes = 0
    for await (const chunk of chunks) {
      signal.throwIfAborted()
      await writeAll(file, chunk, bytes)
      bytes += chunk.length
    }
    await file.sync()
    return bytes
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const left = chunk.length - done
    done += (await file.write(chunk, done, left, position + done)).bytesWritten
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function objectOf({ size, mtimeMs }: { size: number; mtimeMs: number }): TierObject {
  const modifiedMs = Math.round(mtimeMs) as WallTime
  return { bytes: size, modifiedMs, storageClass: '', restore: 'none' }
}

function ignoreMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error
}

function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
