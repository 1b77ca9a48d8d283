// Extended attributes, access control lists, hard links and special files of a backup, as they come
// onto this machine. What this user or file system may not have is counted and told at the end.
import { chmod, link, lutimes, stat as statOf } from 'node:fs/promises'
import { fromByteString } from '../../protocol/bytes.ts'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import { kindText } from '../../protocol/op/file-kind.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { NativeFiles } from '../../node/world/native-files.ts'
import type { RestoredStat } from '../../node/backup/restored-tree.ts'
import { replace } from '../local-files.ts'
import { localPath } from '../local-path.ts'
import type { LocalAttributes } from '../local-attributes.ts'
import type { TreeExtras } from './tree-extras.ts'

const OWNER_WRITES = 0o200
/** Types of files in the mode that mknod(2) takes. */
const TYPES: Partial<Readonly<Record<FileKind, number>>> = {
  fifo: 0o010000,
  'character-device': 0o020000,
  'block-device': 0o060000,
  socket: 0o140000,
}

export class RestoredExtras implements TreeExtras {
  readonly #native: NativeFiles | undefined
  /** The first name of each file that has several, once it is there. */
  readonly #first = new Map<string, Promise<string | undefined>>()
  /** Attributes that could not be set, and the first of them. */
  failed = 0
  firstFailure: string | undefined

  constructor(native: NativeFiles | undefined) {
    this.#native = native
  }

  isLinked(stat: FileStat): boolean {
    return extrasOf(stat).link !== undefined
  }

  async link(
    target: string,
    stat: FileStat,
    copy: () => Promise<void>,
  ): Promise<'copied' | 'linked'> {
    const { link: id = '' } = extrasOf(stat)
    const known = this.#first.get(id)
    if (known === undefined) {
      const copying = copy()
      // There are no links to a first one that failed.
      this.#first.set(
        id,
        copying.then(
          () => target,
          () => undefined,
        ),
      )
      await copying
      return 'copied'
    }
    const first = await known
    if (first === undefined) return copy().then(() => 'copied')
    try {
      await replace(target, (temporary) => link(localPath(first), localPath(temporary)))
      return 'linked'
    } catch (error) {
      this.#fail(target, 'as a link', error)
      await copy()
      return 'copied'
    }
  }

  async makeSpecial(path: string, stat: FileStat, attributes: LocalAttributes): Promise<void> {
    const { kind, rdev = 0 } = stat
    const type = TYPES[kind]
    if (type === undefined || this.#native === undefined)
      throw new ShoalError('unsupported', `a ${kindText(kind)} cannot be made here; skipped`)
    this.#native.makeNode(Buffer.from(localPath(path)), type | attributes.mode(stat), rdev)
    await attributes.setOnLink(path, stat)
    await chmod(localPath(path), attributes.mode(stat))
    await setTime(path, stat)
    await this.setOn(path, stat)
  }

  async setOn(path: string, stat: FileStat): Promise<void> {
    const { xattrs } = extrasOf(stat)
    if (stat.kind === 'symlink') await setTime(path, stat)
    if (xattrs.length === 0) return
    const local = Buffer.from(localPath(path))
    const set = (): void => {
      for (const [name, value] of xattrs)
        this.#native?.setXattr(local, Buffer.from(fromByteString(name)), value)
    }
    try {
      if (this.#native === undefined)
        throw new ShoalError('unsupported', 'this system has no way to set them')
      const { mode } = await statOf(local)
      const isOwn = process.geteuid?.() === 0 || (mode & OWNER_WRITES) !== 0
      if (isOwn) return set()
      // Only who may write to a file may set one.
      await chmod(local, mode | OWNER_WRITES)
      set()
      await chmod(local, mode)
    } catch (error) {
      this.#fail(path, 'with its extended attributes', error, xattrs.length)
    }
  }

  #fail(path: string, how: string, error: unknown, count = 1): void {
    this.failed += count
    this.firstFailure ??= `${path} ${how}: ${asShoalError(error).message}`
  }
}

/** Sets the time of a symlink itself. */
function setTime(path: string, { modifiedNs }: FileStat): Promise<void> {
  return lutimes(localPath(path), Date.now() / SECOND_MS, Number(modifiedNs) / 1e9)
}

function extrasOf(stat: FileStat): Pick<RestoredStat, 'xattrs' | 'link'> {
  return 'xattrs' in stat ? (stat as RestoredStat) : { xattrs: [] }
}
