// Real files below one home folder. Names and data become durable only by the sync calls, as the
// interface says; files are readable by their owner alone.
import { constants } from 'node:fs'
import { mkdir, open, readFile, readdir, rename, stat, statfs, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { asShoalError, hasCode, ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { DIRECT_BYTES_MIN, DirectFile, cutParts } from './direct-file.ts'
import { PAGE_BYTES } from './page-buffers.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import type { Disk, DiskFile, FileOwner } from './world.ts'

const FILE_MODE = 0o600
const FOLDER_MODE = 0o700
/**
 * A file that is never written again once it is made: where and when that was, no copy of it can
 * repeat.
 */
const MARKER_FILE = 'device-marker'
const MACHINE_FILE = '/etc/machine-id'

/** The file system of the operating system below `root`. */
export class SystemDisk implements Disk {
  readonly owner: FileOwner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  async open(path: string, mode: 'read' | 'write'): Promise<DiskFile> {
    const flags = mode === 'read' ? constants.O_RDONLY : constants.O_RDWR | constants.O_CREAT
    const full = join(this.#root, path)
    return attempt(
      'open',
      full,
      async () => new SystemFile(await open(full, flags, FILE_MODE), full),
    )
  }

  async list(path: string): Promise<readonly string[]> {
    const full = join(this.#root, path)
    try {
      return await attempt('list', full, async () => (await readdir(full)).sort())
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return []
      throw error
    }
  }

  async makeFolder(path: string): Promise<void> {
    const full = join(this.#root, path)
    await attempt('make the folder', full, () =>
      mkdir(full, { recursive: true, mode: FOLDER_MODE }),
    )
  }

  async rename(from: string, to: string): Promise<void> {
    const fullFrom = join(this.#root, from)
    const fullTo = join(this.#root, to)
    await attempt(`rename to ${fullTo}`, fullFrom, () => rename(fullFrom, fullTo))
    await syncFolder(dirname(fullTo))
    if (dirname(fullFrom) !== dirname(fullTo)) await syncFolder(dirname(fullFrom))
  }

  async remove(path: string): Promise<void> {
    const full = join(this.#root, path)
    await attempt('remove', full, () => unlink(full))
  }

  async syncFolder(path: string): Promise<void> {
    await syncFolder(join(this.#root, path))
  }

  async space(): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await attempt('ask the free space of', this.#root, () =>
      statfs(this.#root),
    )
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }

  async identity(): Promise<string> {
    const marker = await this.open(MARKER_FILE, 'write')
    await marker.sync()
    await marker.close()
    await this.syncFolder('')
    const full = join(this.#root, MARKER_FILE)
    const { ino, dev, birthtimeNs } = await attempt('stat', full, () =>
      stat(full, { bigint: true }),
    )
    // Not on every system; and not to be told to anyone (man machine-id), hence the hash.
    const machine = await readFile(MACHINE_FILE, 'utf8').catch(() => '')
    return toHex(blake3(utf8(`shoal/device/1 ${ino} ${dev} ${birthtimeNs} ${machine}`)))
  }
}

class SystemFile implements DiskFile {
  readonly #handle: FileHandle
  readonly #direct: DirectFile
  readonly #path: string
  /** The first sync also writes what fdatasync may leave out of a file that was just created. */
  #syncedOnce = false

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle
    this.#direct = new DirectFile(handle)
    this.#path = path
  }

  async size(): Promise<number> {
    return (await attempt('stat', this.#path, () => this.#handle.stat())).size
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    // Not from Buffer's pool: the result belongs to the caller. Not zeroed: what is not read is cut
    // off.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
    let done = 0
    while (done < length) {
      const { bytesRead } = await attempt('read', this.#path, () =>
        this.#handle.read(bytes, done, length - done, position + done),
      )
      if (bytesRead === 0) return bytes.subarray(0, done)
      done += bytesRead
    }
    return bytes
  }

  async write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    const start = (PAGE_BYTES - (position % PAGE_BYTES)) % PAGE_BYTES
    const total = parts.reduce((sum, part) => sum + part.byteLength, 0)
    if (total - start < DIRECT_BYTES_MIN) return this.#write(position, parts)
    await this.#write(position, cutParts(parts, { start: 0, end: start }))
    const pages = cutParts(parts, { start, end: total })
    const end =
      start +
      (await attempt('write', this.#path, () => this.#direct.write(position + start, pages)))
    await this.#write(position + end, cutParts(parts, { start: end, end: total }))
  }

  async #write(position: number, parts: readonly Uint8Array[]): Promise<void> {
    let left = parts
    let at = position
    while (left.length > 0) {
      const { bytesWritten } = await attempt('write', this.#path, () =>
        this.#handle.writev(left, at),
      )
      at += bytesWritten
      left = after(left, bytesWritten)
    }
  }

  async truncate(length: number): Promise<void> {
    await attempt('truncate', this.#path, () => this.#handle.truncate(length))
  }

  async sync(): Promise<void> {
    await attempt('sync', this.#path, () =>
      this.#syncedOnce ? this.#handle.datasync() : this.#handle.sync(),
    )
    this.#syncedOnce = true
  }

  async close(): Promise<void> {
    await attempt('close', this.#path, () => this.#direct.close())
    await attempt('close', this.#path, () => this.#handle.close())
  }
}

/** The rest of `parts` when `count` bytes of them are done. */
function after(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count
  for (const [i, part] of parts.entries()) {
    if (skip < part.byteLength) return [part.subarray(skip), ...parts.slice(i + 1)]
    skip -= part.byteLength
  }
  return []
}

async function syncFolder(full: string): Promise<void> {
  await attempt('sync', full, async () => {
    const handle = await open(full, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
}

/** Codes of the operating system that mean the same as, or are, one of ours. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['ENOENT', 'ENOENT'],
  ['EEXIST', 'EEXIST'],
  ['ENOTDIR', 'ENOTDIR'],
  ['EISDIR', 'EISDIR'],
  ['ENOSPC', 'ENOSPC'],
  ['EDQUOT', 'ENOSPC'],
  ['EFBIG', 'EFBIG'],
  ['EIO', 'EIO'],
  ['EACCES', 'EACCES'],
  ['EPERM', 'EACCES'],
  ['EROFS', 'EROFS'],
])

async function attempt<T>(what: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (cause) {
    const system = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
    const code = CODES.get(system)
    if (code === undefined) throw asShoalError(cause)
    throw new ShoalError(code, `cannot ${what} ${path}: ${system}`, { cause })
  }
}
