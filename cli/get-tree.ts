// Copies a tree of the namespace onto this machine. A file appears under its name only when it is
// whole, and what is there already with the same size and time is left alone, so that a copy that
// was interrupted is repeated to go on.
import { readFileSync } from 'node:fs'
import { mkdir, open, rm, symlink } from 'node:fs/promises'
import { ShoalError } from '../protocol/errors.ts'
import { kindText } from '../protocol/op/file-kind.ts'
import { MIB } from '../protocol/units.ts'
import { SMALL_FILES_MAX, SMALL_FILE_BYTES } from '../node/control/small-files.ts'
import {
  findLeftovers,
  findLocal,
  findToReplace,
  makeWritable,
  replace,
  setAttributes,
  writeNew,
  writeNewSync,
} from './local-files.ts'
import { localChild, localPath, localTarget, makeLocalFolders } from './local-path.ts'
import { OpenFolder } from './open-folder.ts'
import { printable } from './output.ts'
import { baseName, folderPath, joinPath } from './paths.ts'
import { isFatal, sameTime } from './transfer.ts'
import type { BigIntStats } from 'node:fs'
import type { FileStat } from '../node/control/files.ts'
import type { SmallFile } from '../node/control/small-files.ts'
import type { GetContext } from './backup/tree-extras.ts'
import type { LocalAttributes } from './local-attributes.ts'
import type { CopyRules, Transfer } from './transfer.ts'

const OWNER_ALL = 0o700
/**
 * Bytes of small files that are requested at once, with PATH_WEIGHT for each byte of a path, since
 * JSON may write it as six.
 */
const SMALL_BYTES_MAX: number = MIB
const PATH_WEIGHT = 8

/** A file or folder of the namespace, within the SRC that is got. */
export interface SharedSource {
  readonly path: string
  /** From that SRC on; '' for itself. */
  readonly relativePath: string
  readonly stat: FileStat
  /** The id of a former version of a file. */
  readonly version?: string | undefined
  /** The path that it is copied to. */
  readonly target: string
  /** The device that DEST is on; undefined: it is new. */
  readonly device?: bigint | undefined
  /** There is nothing at `target`, or what is there goes first. */
  readonly isNew?: boolean
}

/** The same, with the folder that it comes into. */
interface Entry extends SharedSource {
  readonly folder: OpenFolder | undefined
}

/** A local file that a file of the namespace would replace, and whether it is that one. */
interface Compared {
  readonly local: BigIntStats
  /** Undefined: their contents tell. */
  readonly isSame: boolean | undefined
}

export class GetTree {
  readonly #context: GetContext
  readonly #transfer: Transfer
  readonly #attributes: LocalAttributes
  readonly #rules: CopyRules
  /** Asked for together. */
  #small: Entry[] = []
  #smallBytes = 0
  #gettingSmall: Promise<void> | undefined

  constructor(
    context: GetContext,
    transfer: Transfer,
    attributes: LocalAttributes,
    rules: CopyRules,
  ) {
    this.#context = context
    this.#transfer = transfer
    this.#attributes = attributes
    this.#rules = rules
  }

  /** folder: the one that it comes into, if that is copied, too. */
  async get(source: SharedSource, folder?: OpenFolder): Promise<void> {
    const { path, target, stat, isNew } = source
    const entry = { ...source, folder }
    const isLeft = this.#rules.leavesConflicts && isNew !== true && stat.kind !== 'folder'
    if (isLeft && findLocal(target)?.isDirectory() === true) return
    switch (stat.kind) {
      case 'folder':
        return this.#getFolder(entry)
      case 'file':
        this.#transfer.expect(stat.sizeBytes)
        if (this.#context.extras?.isLinked(stat) === true)
          return this.#transfer.add(() => this.#getLinked(entry), folder)
        if (stat.sizeBytes <= SMALL_FILE_BYTES && source.version === undefined)
          return this.#addSmall(entry)
        return this.#transfer.add(() => this.#getFile(entry), folder)
      case 'symlink':
        this.#transfer.expect(0)
        return this.#transfer.add(() => this.#getSymlink(entry), folder)
      default:
        if (this.#context.extras !== undefined)
          return this.#transfer.add(() => this.#getSpecial(entry), folder)
        this.#transfer.fail(
          new ShoalError('unsupported', `${path} is a ${kindText(stat.kind)}; skipped`),
        )
    }
  }

  /** A local folder that gets the attributes of the source when all in it is done. */
  openFolder(source: SharedSource, parent?: OpenFolder): OpenFolder {
    return new OpenFolder(() => this.#transfer.attempt(() => this.#finishFolder(source)), parent)
  }

  /** Wait for all that was asked for. throws what ended the transfer. */
  async drain(): Promise<void> {
    await this.#beginSmall()
    await this.#gettingSmall
    await this.#transfer.drain()
  }

  /** Wait for what still writes, after a failure too. */
  async end(): Promise<void> {
    await this.#gettingSmall?.catch(() => undefined) // kept, and thrown by check()
  }

  async #getFolder(entry: Entry): Promise<void> {
    const { path, relativePath, target, isNew } = entry
    const local = isNew === true ? undefined : findLocal(target, { follows: relativePath === '' })
    if (local !== undefined && !(await this.#isToBeEntered(entry, local))) return
    if (local === undefined) {
      // Parents only of the folder that the user named.
      await this.#transfer.change(`${folderPath(path)} -> ${folderPath(target)}`, () =>
        relativePath === ''
          ? makeLocalFolders(target)
          : mkdir(localPath(target), { mode: OWNER_ALL }),
      )
      this.#transfer.tally.folders++
    }
    if (local !== undefined) await this.#removeLeftovers(entry)
    const folder = this.openFolder(entry, entry.folder)
    const device = entry.device ?? local?.dev
    for await (const page of this.#context.client.list(path)) {
      for (const stat of page) {
        const { name } = stat
        await this.#transfer.attempt(async () => {
          const below = relativePath === '' ? name : `${relativePath}/${name}`
          if (this.#rules.leftOut?.excludes(below, stat.kind === 'folder') === true) return
          const place = { path: joinPath(path, name), target: localChild(target, name) }
          const isNewBelow = local === undefined
          const child = { ...place, relativePath: below, stat, device, isNew: isNewBelow }
          await this.get(child, folder)
        })
      }
    }
    await folder.leave()
  }

  /**
   * Is what is at the target a folder to copy into? Then it is made writable, as its own mode is
   * set last.
   */
  async #isToBeEntered(
    { path, target, relativePath, device }: Entry,
    local: BigIntStats,
  ): Promise<boolean> {
    if (!local.isDirectory()) {
      if (this.#rules.leavesConflicts) return false
      throw new ShoalError(
        'ENOTDIR',
        `${target} is no folder here but ${path} is one; remove one of them and try again`,
      )
    }
    if (relativePath !== '') {
      const path = localPath(target)
      const reason = await this.#rules.leftOut?.reasonFor(path, local, device ?? local.dev)
      if (reason !== undefined) {
        this.#context.warn(`${printable(target)} is left out: ${reason}`)
        return false
      }
    }
    if (!this.#transfer.isDryRun) await makeWritable(target)
    return true
  }

  /** Removes what a process that was killed has left in a folder. */
  async #removeLeftovers({ target, relativePath }: Entry): Promise<void> {
    // A folder that cannot be read keeps them.
    for (const name of await findLeftovers(target).catch(() => [])) {
      const below = relativePath === '' ? name : `${relativePath}/${name}`
      if (this.#rules.leftOut?.excludes(below, false) === true) continue
      const path = localChild(target, name)
      await this.#transfer.attempt(() =>
        this.#transfer.change(`delete ${path}`, () => rm(localPath(path), { force: true })),
      )
    }
  }

  async #finishFolder({ path, target, relativePath, stat }: SharedSource): Promise<void> {
    const { extras } = this.#context
    // Nobody asked for the attributes of a volume's root.
    if (baseName(path) === '' && extras === undefined) return
    const local = findLocal(target, { follows: relativePath === '' })
    // It is not where nothing is made.
    if (local?.isDirectory() !== true) return
    await this.#setAttributes(target, local, stat, relativePath === '')
    await extras?.setOn(target, stat)
  }

  async #addSmall(entry: Entry): Promise<void> {
    entry.folder?.enter()
    this.#small.push(entry)
    this.#smallBytes += entry.stat.sizeBytes + PATH_WEIGHT * Buffer.byteLength(entry.path)
    if (this.#small.length === SMALL_FILES_MAX || this.#smallBytes >= SMALL_BYTES_MAX)
      await this.#beginSmall()
  }

  /**
   * Two at a time: files that were put together lie together, and more would be read from as many
   * places.
   */
  async #beginSmall(): Promise<void> {
    const entries = this.#small
    if (entries.length === 0) return
    this.#small = []
    this.#smallBytes = 0
    const before = this.#gettingSmall
    this.#gettingSmall = this.#getSmall(entries)
    this.#gettingSmall.catch(() => undefined) // thrown where it is awaited
    await before
  }

  async #getSmall(entries: readonly Entry[]): Promise<void> {
    await this.#transfer.attempt(async () => {
      const wanted = new Map<string, Entry>()
      for (const entry of entries)
        await this.#transfer.attempt(async () => {
          if (!(await this.#isDone(entry, false))) wanted.set(entry.path, entry)
        })
      if (wanted.size > 0) await this.#getWanted(wanted)
    })
    for (const { folder } of entries) await folder?.leave()
  }

  async #getWanted(wanted: Map<string, Entry>): Promise<void> {
    try {
      for await (const page of this.#context.client.readSmallFiles([...wanted.keys()]))
        for (const file of page) {
          const entry = wanted.get(file.path)
          wanted.delete(file.path)
          if (entry !== undefined) await this.#transfer.attempt(() => this.#putSmall(entry, file))
        }
    } catch (error) {
      if (isFatal(error)) throw error
    }
    // The call failed as a whole: one of them may be at fault, or the node is too old for it.
    for (const entry of wanted.values()) await this.#transfer.attempt(() => this.#getFile(entry))
  }

  async #putSmall(entry: Entry, file: SmallFile): Promise<void> {
    if ('error' in file) {
      // It has grown.
      if (file.error.code === 'EFBIG') return this.#getFile(entry)
      throw file.error
    }
    const { stat, bytes } = file
    const { target } = entry
    const compared = this.#compare(entry)
    const mayBeSame = compared !== undefined && this.#rules.byContent
    if (
      mayBeSame &&
      readFileSync(localPath(target)).equals(bytes) &&
      (await this.#keep(entry, compared.local, false))
    )
      return
    if (this.#transfer.isDryRun) return this.#tell(entry)
    await replace(target, (temporary) => {
      writeNewSync(temporary, bytes, stat, this.#attributes)
      return this.#context.extras?.setOn(temporary, stat)
    })
    this.#transfer.copied(bytes.byteLength)
    this.#transfer.tally.files++
  }

  async #getFile(entry: Entry): Promise<void> {
    if (await this.#isDone(entry, true)) return
    const { path, target, version } = entry
    await replace(target, async (temporary) => {
      const { stat, content } = await this.#context.client.readFile(path, { version })
      await writeNew(temporary, this.#transfer.counted(content), stat, this.#attributes)
      await this.#context.extras?.setOn(temporary, stat)
    })
    this.#transfer.tally.files++
  }

  async #getLinked(entry: Entry): Promise<void> {
    const { target, stat } = entry
    const how = await this.#context.extras?.link(target, stat, () => this.#getFile(entry))
    if (how === 'linked') this.#transfer.skip(stat.sizeBytes)
  }

  async #getSpecial({ target, stat }: Entry): Promise<void> {
    await replace(target, (made) => this.#context.extras?.makeSpecial(made, stat, this.#attributes))
  }

  /**
   * Is nothing left to do for a file? It is there, or told of where nothing is copied. mayRead: its
   * content, where that tells.
   */
  async #isDone(entry: Entry, mayRead: boolean): Promise<boolean> {
    const compared = this.#compare(entry)
    if (compared !== undefined) {
      const { local, isSame } = compared
      if (isSame === undefined && !mayRead) return false
      const isCompared = isSame === undefined
      if (
        (isSame ?? (await this.#hasContent(entry))) &&
        (await this.#keep(entry, local, isCompared))
      )
        return true
    }
    if (!this.#transfer.isDryRun) return false
    await this.#tell(entry)
    return true
  }

  /** Undefined: what is there, if anything, is another one. */
  #compare({ target, stat, isNew }: Entry): Compared | undefined {
    const local = isNew === true ? undefined : findToReplace(target)
    if (local?.isFile() !== true || Number(local.size) !== stat.sizeBytes) return undefined
    if (this.#rules.byContent) return { local, isSame: undefined }
    return { local, isSame: sameTime(local.mtimeNs, stat.modifiedNs) }
  }

  async #hasContent({ path, target, version }: Entry): Promise<boolean> {
    const file = await open(localPath(target))
    try {
      const { content } = await this.#context.client.readFile(path, { version })
      return await this.#transfer.compare(file, content)
    } finally {
      await file.close()
    }
  }

  /**
   * Gives the file that is there its attributes. Where that cannot be, it is got anew. isCounted:
   * its bytes count as done.
   */
  async #keep({ target, stat }: Entry, local: BigIntStats, isCounted: boolean): Promise<boolean> {
    try {
      await this.#setAttributes(target, local, stat)
    } catch {
      return false // it is got anew
    }
    this.#transfer.skip(isCounted ? 0 : stat.sizeBytes)
    return true
  }

  async #getSymlink({ path, target, stat, isNew }: Entry): Promise<void> {
    const local = isNew === true ? undefined : findToReplace(target)
    const points = stat.target ?? ''
    if (local?.isSymbolicLink() === true && (await localTarget(target)) === points)
      return this.#transfer.skip(0)
    await this.#transfer.change(`${path} -> ${target}`, () =>
      replace(target, async (temporary) => {
        await symlink(localPath(points), localPath(temporary))
        await this.#attributes.setOnLink(temporary, stat)
        await this.#context.extras?.setOn(temporary, stat)
      }),
    )
    this.#transfer.tally.symlinks++
  }

  async #setAttributes(
    target: string,
    local: BigIntStats,
    stat: FileStat,
    follows = false,
  ): Promise<void> {
    if (sameTime(local.mtimeNs, stat.modifiedNs) && this.#attributes.isSame(local, stat)) return
    await this.#transfer.change(`mode and time of ${target}`, () =>
      setAttributes(target, stat, this.#attributes, { follows }),
    )
  }

  /** Tells of a file instead of copying it. */
  async #tell({ path, target, stat }: Entry): Promise<void> {
    await this.#transfer.change(`${path} -> ${target}`, async () => {})
    this.#transfer.copied(stat.sizeBytes)
    this.#transfer.tally.files++
  }
}
