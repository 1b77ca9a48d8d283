// `shoal get`: files and trees of the namespace onto this machine. A file appears under its name
// only when it is whole, and what is there already with the same size and time is left alone, so
// that an interrupted get is repeated to go on.
import {
  closeSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { constants, lstat, mkdir, open, rm, symlink, utimes } from 'node:fs/promises'
import { dirname } from 'node:path'
import { addConsistency } from '../arguments.ts'
import {
  localChild,
  localSibling,
  localTarget,
  localText,
  makeLocalFolders,
  targetBytes,
} from '../local-path.ts'
import { LocalAttributes } from '../local-attributes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { kindText } from '../../protocol/op/file-kind.ts'
import { MIB, SECOND_MS } from '../../protocol/units.ts'
import { baseName, joinPath } from '../paths.ts'
import { SMALL_FILES_MAX, SMALL_FILE_BYTES } from '../../node/control/small-files.ts'
import { writeSparse } from '../sparse-file.ts'
import { Transfer, isFatal, sameTime } from '../transfer.ts'
import { writeOut } from './cat.ts'
import type { LocalPath } from '../local-path.ts'
import type { BigIntStats } from 'node:fs'
import type { Command } from 'commander'
import type { FileStat } from '../../node/control/files.ts'
import type { SmallFile } from '../../node/control/small-files.ts'
import type { Context } from '../context.ts'

const OWNER_ALL = 0o700
const STDOUT = '-'
const WRITE_BYTES: number = MIB / 2
/**
 * Bytes of small files that are requested at once, with PATH_WEIGHT for each byte of a path, since
 * JSON may write it as six.
 */
const SMALL_BYTES_MAX: number = MIB
const PATH_WEIGHT = 8

const HELP = `
A file is copied to DEST, or into DEST if that is a folder. A folder is copied
to DEST with its contents, merging with an existing folder; if DEST is . or ends
in /, it is copied into DEST. Missing folders on the way to DEST are created.
Times are preserved; symlinks are copied as symlinks. Copies belong to the
caller, with permissions limited by the umask and without set-user-id bits;
--preserve keeps all mode bits and, for root, owners. If DEST is -, a file is
written to stdout. Files that exist with the same size and time are skipped.

Examples:
  shoal get /photos/cat.jpg .
  shoal get /thesis ~/thesis-copy`

export function addGet(program: Command, context: Context): void {
  const command = program
    .command('get <src> <dest>')
    .description('copy files and folders from the namespace to this machine')
    .option('--preserve', 'keep all mode bits and, as root, owners; only for sources you trust')
    .addHelpText('after', HELP)
    .action(async (source: string, dest: string, { preserve = false }: { preserve?: boolean }) => {
      if (dest === STDOUT) return writeOut(context, (await context.client.readFile(source)).content)
      const get = new Get(context, source, new LocalAttributes({ preserve }))
      await get.run(dest)
      context.print(get.transfer.tally, () => get.transfer.summary('Got'))
    })
  addConsistency(command, context)
}

interface Source {
  readonly path: string
  readonly target: LocalPath
  readonly stat: FileStat
}

class Get {
  readonly transfer: Transfer
  readonly #context: Context
  readonly #source: string
  readonly #attributes: LocalAttributes
  readonly #folders: Omit<Source, 'path'>[] = []
  /** Asked for together. */
  #small: Source[] = []
  #smallBytes = 0
  #gettingSmall: Promise<void> | undefined

  constructor(context: Context, source: string, attributes: LocalAttributes) {
    this.#context = context
    this.#source = source
    this.#attributes = attributes
    this.transfer = new Transfer(context, 'get')
  }

  async run(dest: string): Promise<void> {
    const source = this.#source
    try {
      const stat = await this.#context.client.stat(source)
      const into = /(^|\/)\.{0,2}$/.test(dest) || (stat.kind !== 'folder' && isFolder(dest))
      if (stat.kind !== 'folder') await makeLocalFolders(into ? dest : dirname(dest))
      else if (into) await makeLocalFolders(dest)
      const name = baseName(source)
      await this.transfer.attempt(() =>
        this.#getEntry(source, into && name !== '' ? localChild(dest, name) : dest, stat),
      )
      await this.#beginSmall()
      await this.#gettingSmall
      await this.transfer.drain()
      // Last and from the inside out, because each file that came in touched its folder, and a
      // folder may be read-only.
      for (const { target, stat } of this.#folders.toReversed()) {
        await this.transfer.attempt(async () => {
          await utimes(target, Date.now() / SECOND_MS, seconds(stat.modifiedNs))
          await this.#setAttributes(target, stat)
        })
      }
    } finally {
      await this.#gettingSmall?.catch(() => undefined) // kept, and thrown by check()
      await this.transfer.end()
    }
    this.transfer.check()
  }

  async #getEntry(path: string, target: LocalPath, stat: FileStat): Promise<void> {
    switch (stat.kind) {
      case 'folder':
        return this.#getFolder(path, target, stat)
      case 'file':
        this.transfer.expect(stat.sizeBytes)
        if (stat.sizeBytes <= SMALL_FILE_BYTES) return this.#addSmall({ path, target, stat })
        return this.transfer.add(() => this.#getFile({ path, target, stat }))
      case 'symlink':
        return this.transfer.add(() => this.#getSymlink(target, stat))
      default:
        throw new ShoalError('unsupported', `${path} is a ${kindText(stat.kind)}; skipped`)
    }
  }

  async #getFolder(path: string, target: LocalPath, stat: FileStat): Promise<void> {
    await makeFolder(target, path === this.#source)
    // Nobody asked for the attributes of a volume's root.
    if (baseName(path) !== '') this.#folders.push({ target, stat })
    for await (const page of this.#context.client.list(path)) {
      for (const child of page) {
        await this.transfer.attempt(() =>
          this.#getEntry(joinPath(path, child.name), localChild(target, child.name), child),
        )
      }
    }
    this.transfer.tally.folders++
  }

  async #addSmall(source: Source): Promise<void> {
    this.#small.push(source)
    this.#smallBytes += source.stat.sizeBytes + PATH_WEIGHT * Buffer.byteLength(source.path)
    if (this.#small.length === SMALL_FILES_MAX || this.#smallBytes >= SMALL_BYTES_MAX)
      await this.#beginSmall()
  }

  /**
   * Two at a time: files that were put together lie together, and more would be read from as many
   * places.
   */
  async #beginSmall(): Promise<void> {
    const sources = this.#small
    if (sources.length === 0) return
    this.#small = []
    this.#smallBytes = 0
    const before = this.#gettingSmall
    this.#gettingSmall = this.transfer.attempt(() => this.#getSmall(sources))
    this.#gettingSmall.catch(() => undefined) // thrown where it is awaited
    await before
  }

  async #getSmall(sources: readonly Source[]): Promise<void> {
    const { client } = this.#context
    const wanted = new Map<string, Source>()
    for (const source of sources)
      await this.transfer.attempt(async () => {
        if (!(await this.#isThere(source))) wanted.set(source.path, source)
      })
    if (wanted.size === 0) return
    try {
      for await (const page of client.readSmallFiles([...wanted.keys()]))
        for (const file of page) {
          const source = wanted.get(file.path)
          wanted.delete(file.path)
          if (source !== undefined) await this.transfer.attempt(() => this.#putSmall(source, file))
        }
    } catch (error) {
      if (isFatal(error)) throw error
    }
    // The call failed as a whole: one of them may be at fault, or the node is too old for it.
    for (const source of wanted.values()) await this.transfer.attempt(() => this.#getFile(source))
  }

  async #putSmall(source: Source, file: SmallFile): Promise<void> {
    if ('error' in file) {
      // It has grown.
      if (file.error.code === 'EFBIG') return this.#getFile(source)
      throw file.error
    }
    const { stat, bytes } = file
    await replace(source.target, (temporary) => this.#writeSmall(temporary, bytes, stat))
    this.transfer.copied(bytes.byteLength)
    this.transfer.tally.files++
  }

  /**
   * Is it, with the same size and time? Then its mode becomes the same, too; if that cannot be, it
   * is got anew.
   */
  async #isThere({ target, stat }: Source): Promise<boolean> {
    const local = findToReplace(target)
    const isSame =
      local?.isFile() === true &&
      Number(local.size) === stat.sizeBytes &&
      sameTime(local.mtimeNs, stat.modifiedNs)
    if (!isSame) return false
    if (!this.#attributes.isSame(local, stat)) {
      try {
        await this.#setAttributes(target, stat)
      } catch {
        return false // it is got anew
      }
    }
    this.transfer.skip(stat.sizeBytes)
    return true
  }

  async #getFile(source: Source): Promise<void> {
    if (await this.#isThere(source)) return
    const { path, target } = source
    await replace(target, async (temporary) => {
      const { stat, content } = await this.#context.client.readFile(path)
      const file = await open(temporary, 'wx', 0o600)
      try {
        await writeSparse(file, grouped(this.transfer.counted(content)))
        await this.#attributes.setOn(file, stat)
        await file.utimes(Date.now() / SECOND_MS, seconds(stat.modifiedNs))
      } finally {
        await file.close()
      }
    })
    this.transfer.tally.files++
  }

  async #getSymlink(target: LocalPath, stat: FileStat): Promise<void> {
    this.transfer.tally.symlinks++
    const local = findToReplace(target)
    const points = stat.target ?? ''
    if (local?.isSymbolicLink() === true && (await localTarget(target)) === points) return
    await replace(target, async (temporary) => {
      await symlink(targetBytes(points), temporary)
      await this.#attributes.setOnLink(temporary, stat)
    })
  }

  /** Sets the attributes of an existing file or folder, never following a symlink. */
  async #setAttributes(target: LocalPath, stat: FileStat): Promise<void> {
    const file = await open(target, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      await this.#attributes.setOn(file, stat)
    } finally {
      await file.close()
    }
  }

  /** At once: to wait for each step takes longer than the steps. */
  #writeSmall(path: LocalPath, bytes: Uint8Array, stat: FileStat): void {
    const file = openSync(path, 'wx', 0o600)
    try {
      writeFileSync(file, bytes)
      this.#attributes.setOnSync(file, stat)
      futimesSync(file, Date.now() / SECOND_MS, seconds(stat.modifiedNs))
    } finally {
      closeSync(file)
    }
  }
}

/**
 * Only the folder that the user named may be reached through a symlink: what is below is as the
 * namespace has it.
 */
async function makeFolder(target: LocalPath, named: boolean): Promise<void> {
  if (named && typeof target === 'string') return makeLocalFolders(target)
  try {
    await mkdir(target, OWNER_ALL)
  } catch (error) {
    if (!(await lstat(target)).isDirectory()) throw error
  }
}

/** Make a file under another name, then let it take its place, where no folder is, in one step. */
async function replace(
  target: LocalPath,
  make: (temporary: LocalPath) => Promise<void> | void,
): Promise<void> {
  const temporary = localSibling(target, `.shoal-${crypto.randomUUID()}`)
  try {
    await make(temporary)
    renameSync(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** The same bytes in larger parts: a write of the disk costs more than a copy. */
async function* grouped(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let group: Uint8Array[] = []
  let bytes = 0
  for await (const part of parts) {
    group.push(part)
    bytes += part.byteLength
    if (bytes < WRITE_BYTES) continue
    yield Buffer.concat(group)
    group = []
    bytes = 0
  }
  if (bytes > 0) yield Buffer.concat(group)
}

/** The entry that a file would replace. throws ShoalError 'EISDIR' for a folder. */
function findToReplace(path: LocalPath): BigIntStats | undefined {
  const local = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (local?.isDirectory() !== true) return local
  throw new ShoalError(
    'EISDIR',
    `${localText(path)} is a folder here but a file in the namespace; remove one of them and try again`,
  )
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function seconds(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e9
}
