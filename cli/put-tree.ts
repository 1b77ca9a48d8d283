// Copies a tree of this machine into the namespace. Files are replaced whole, and what is there
// already with the same size and time is left alone, so a copy that was interrupted is repeated to
// go on.
import { lstat, open } from 'node:fs/promises'
import PQueue from 'p-queue'
import { ShoalError, hasCode } from '../protocol/errors.ts'
import { MIB } from '../protocol/units.ts'
import { SMALL_FILE_BYTES } from '../node/control/small-files.ts'
import { isTemporary } from './local-files.ts'
import { localChild, localNames, localPath, localTarget } from './local-path.ts'
import { OpenFolder } from './open-folder.ts'
import { printable } from './output.ts'
import { baseName, folderPath, joinPath, nameKey } from './paths.ts'
import { PutSmall, attributesOf, unreadable } from './put-small.ts'
import { sameTime } from './transfer.ts'
import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { FileStat } from '../node/control/files.ts'
import type { Context } from './context.ts'
import type { LeftOut } from './left-out.ts'
import type { CopyRules, Transfer } from './transfer.ts'

const PART_BYTES = MIB
/**
 * Files of so many bytes are put one after the other: what is put at a time is mixed where it is
 * stored.
 */
const LARGE_BYTES: number = 8 * MIB

/** A file or folder of this machine, within the SRC that is put. */
export interface LocalSource {
  readonly path: string
  /** From that SRC on; '' for itself. */
  readonly relativePath: string
  /** The device that SRC is on. */
  readonly device: bigint
}

export interface PutRules extends CopyRules {
  readonly leftOut: LeftOut
}

export class PutTree {
  readonly #context: Context
  readonly #transfer: Transfer
  readonly #rules: PutRules
  readonly #large = new PQueue({ concurrency: 1 })
  readonly #small: PutSmall

  constructor(context: Context, transfer: Transfer, rules: PutRules) {
    this.#context = context
    this.#transfer = transfer
    this.#rules = rules
    this.#small = new PutSmall(context, transfer, ({ source, path, stat }) =>
      this.#putNew(source, path, stat),
    )
  }

  /** Wait for all that was put. throws what ended the transfer. */
  async drain(): Promise<void> {
    await this.#small.drain()
    await this.#transfer.drain()
  }

  /** Wait for what still reads, after a failure too. */
  end(): Promise<void> {
    return this.#small.end()
  }

  /** existing: what is at `path`. folder: the one that it comes into, if that is copied, too. */
  async put(
    from: LocalSource,
    path: string,
    existing: FileStat | undefined,
    folder?: OpenFolder,
  ): Promise<void> {
    const { path: source, relativePath, device } = from
    const stat = await lstat(localPath(source), { bigint: true })
    if (relativePath !== '') {
      const { leftOut } = this.#rules
      if (leftOut.excludes(relativePath, stat.isDirectory())) return
      const reason = await leftOut.reasonFor(localPath(source), stat, device)
      if (reason !== undefined)
        return this.#context.warn(`${printable(source)} is left out: ${reason}`)
    }
    if (stat.isDirectory()) return this.putFolder(from, path, stat, existing, folder)
    if (existing?.kind === 'folder') {
      if (this.#rules.leavesConflicts) return
      throw new ShoalError(
        'EISDIR',
        `${path} is a folder but ${source} is not; remove one of them and try again`,
      )
    }
    if (stat.isSymbolicLink()) {
      this.#transfer.expect(0)
      return this.#transfer.add(() => this.#putSymlink(source, path, existing), folder)
    }
    if (stat.isFile()) {
      this.#transfer.expect(Number(stat.size))
      if (stat.size <= SMALL_FILE_BYTES && this.#isToBePut(stat, existing))
        return this.#small.add({ source, path, stat, folder })
      const put = (): Promise<void> => this.#putFile(source, path, stat, existing)
      const run = (): Promise<void> => (stat.size < LARGE_BYTES ? put() : this.#large.add(put))
      return this.#transfer.add(run, folder)
    }
    this.#transfer.fail(
      new ShoalError('unsupported', `${source} is not a file, folder or symlink; skipped`),
    )
  }

  async putFolder(
    from: LocalSource,
    path: string,
    stat: BigIntStats,
    existing: FileStat | undefined,
    parent?: OpenFolder,
  ): Promise<void> {
    const { path: source, relativePath, device } = from
    if (existing !== undefined && existing.kind !== 'folder') {
      if (this.#rules.leavesConflicts) return
      throw new ShoalError(
        'ENOTDIR',
        `${path} is a file but ${source} is a folder; remove one of them and try again`,
      )
    }
    // Before anything is made: a folder that cannot be read is not made either.
    const names = await localNames(source)
    const children =
      existing === undefined ? await this.#makeFolder(source, path) : await this.#list(path)
    const folder = this.openFolder(path, stat, existing !== undefined, parent)
    const seen = new Set<string>()
    // Files that are put one after the other are stored together, and are listed, and so read, in
    // this order.
    for (const name of names) {
      if (isTemporary(name)) continue
      const below = relativePath === '' ? name : `${relativePath}/${name}`
      const child = { path: localChild(source, name), relativePath: below, device }
      const key = nameKey(name)
      await this.#transfer.attempt(() => {
        if (seen.has(key)) throw sameNames(child.path)
        seen.add(key)
        return this.put(child, joinPath(path, name), children.get(key), folder)
      })
    }
    await folder.leave()
  }

  /** A folder of the namespace that gets the attributes of `stat` when all in it is done. */
  openFolder(path: string, stat: BigIntStats, wasThere: boolean, parent?: OpenFolder): OpenFolder {
    return new OpenFolder(
      () => this.#transfer.attempt(() => this.#finishFolder(path, stat, wasThere)),
      parent,
    )
  }

  async find(path: string): Promise<FileStat | undefined> {
    try {
      return await this.#context.client.stat(path)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** The folder of the namespace, and those that it is in. */
  async makeParents(path: string): Promise<void> {
    if (this.#transfer.isDryRun) return
    await this.#context.client.makeFolder(path, { parents: true, ack: 'none' })
  }

  async #makeFolder(source: string, path: string): Promise<ReadonlyMap<string, FileStat>> {
    await this.#transfer.change(`${folderPath(source)} -> ${folderPath(path)}`, () =>
      this.makeParents(path),
    )
    this.#transfer.tally.folders++
    return new Map()
  }

  /** By key of the name. */
  async #list(path: string): Promise<ReadonlyMap<string, FileStat>> {
    const children = new Map<string, FileStat>()
    for await (const page of this.#context.client.list(path))
      for (const child of page) children.set(nameKey(child.name), child)
    return children
  }

  async #finishFolder(path: string, stat: BigIntStats, wasThere: boolean): Promise<void> {
    // The root of a volume has no attributes worth keeping.
    if (baseName(path) === '') return
    if (!wasThere && this.#transfer.isDryRun) return
    const existing = wasThere ? await this.find(path) : undefined
    if (existing === undefined || !hasAttributes(existing, stat))
      await this.#setAttributes(path, stat)
  }

  async #putFile(
    source: string,
    path: string,
    stat: BigIntStats,
    existing: FileStat | undefined,
  ): Promise<void> {
    const size = Number(stat.size)
    if (existing !== undefined && (await this.#isThere(source, path, stat, existing))) {
      if (!hasAttributes(existing, stat)) await this.#setAttributes(path, stat)
      return this.#transfer.skip(this.#rules.byContent ? 0 : size)
    }
    await this.#putNew(source, path, stat)
  }

  async #putNew(source: string, path: string, stat: BigIntStats): Promise<void> {
    const size = Number(stat.size)
    await this.#transfer.change(`${source} -> ${path}`, async () => {
      const file = await open(localPath(source))
      try {
        const content = this.#transfer.counted(partsOf(file, source, size))
        await this.#context.client.writeFile(path, content, attributesOf(stat), { ack: 'none' })
      } finally {
        await file.close()
      }
    })
    if (this.#transfer.isDryRun) this.#transfer.copied(size)
    this.#transfer.tally.files++
  }

  /** Is it sure without another look that the file is to be put? */
  #isToBePut(stat: BigIntStats, existing: FileStat | undefined): boolean {
    if (this.#transfer.isDryRun) return false
    if (existing?.kind !== 'file' || existing.sizeBytes !== Number(stat.size)) return true
    return !this.#rules.byContent && !sameTime(existing.modifiedNs, stat.mtimeNs)
  }

  /** Is the file there, as far as the rules look? */
  async #isThere(
    source: string,
    path: string,
    stat: BigIntStats,
    existing: FileStat,
  ): Promise<boolean> {
    if (existing.kind !== 'file' || existing.sizeBytes !== Number(stat.size)) return false
    if (!this.#rules.byContent) return sameTime(existing.modifiedNs, stat.mtimeNs)
    const file = await open(localPath(source))
    try {
      return await this.#transfer.compare(file, (await this.#context.client.readFile(path)).content)
    } finally {
      await file.close()
    }
  }

  async #putSymlink(source: string, path: string, existing: FileStat | undefined): Promise<void> {
    const target = await localTarget(source)
    if (existing?.target === target) return this.#transfer.skip(0)
    await this.#transfer.change(`${source} -> ${path}`, () =>
      this.#context.client.makeSymlink(path, target, { ack: 'none' }),
    )
    this.#transfer.tally.symlinks++
  }

  #setAttributes(path: string, stat: BigIntStats): Promise<void> {
    return this.#transfer.change(`mode and time of ${path}`, () =>
      this.#context.client.setAttributes(path, attributesOf(stat)),
    )
  }
}

function hasAttributes(existing: FileStat, stat: BigIntStats): boolean {
  const { mode, modifiedNs } = attributesOf(stat)
  return existing.mode === mode && sameTime(existing.modifiedNs, modifiedNs)
}

function sameNames(source: string): ShoalError {
  return new ShoalError(
    'EEXIST',
    `${source} and a file beside it have names that differ only in how Unicode composes them, ` +
      'which is one name in Shoal; rename one of them',
  )
}

/**
 * The content from here to its end, also where the file is not `size` bytes long any more. throws
 * ShoalError 'EIO', which names it.
 */
async function* partsOf(file: FileHandle, path: string, size: number): AsyncGenerator<Uint8Array> {
  // One byte more than there should be, so that a small file and its end are found by one read.
  const length = Math.min(PART_BYTES, size + 1)
  for (;;) {
    const { bytesRead, buffer } = await file
      .read(Buffer.allocUnsafe(length), 0, length)
      .catch((cause: unknown) => {
        throw unreadable(path, cause)
      })
    if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
    if (bytesRead < length) return
  }
}
