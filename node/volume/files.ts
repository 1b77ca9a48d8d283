// Files of one volume by path, for the command and the doors: whole files in and out, folders,
// names. A write is atomic: readers see the old version or the whole new one.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { textBytes } from '../../protocol/byte-text.ts'
import { fromByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { MIB } from '../../protocol/units.ts'
import { SYMLINK_MAX } from '../../protocol/limits.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { kindText } from '../../protocol/op/file-kind.ts'
import { ROOT, readDir } from '../../protocol/tree/records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type {
  Condition,
  FileAttributes,
  FileContent,
  FileStat,
  FolderPage,
  MoveOptions,
  NewFile,
  NewSmallFile,
  PageOptions,
  ReadRange,
  StatOptions,
} from '../control/files.ts'
import { contentSize } from '../content/content.ts'
import type { Content } from '../content/content.ts'
import { leased } from '../content/in-flight-references.ts'
import type { Namespace } from '../tree/namespace.ts'
import { contentOf } from './file-contents.ts'
import type { ContentPlace, FileContents } from './file-contents.ts'
import type { FileOwner } from '../world/world.ts'
import { pagesOf } from '../world/paging.ts'
import { extendedOf, setExtended } from './extended.ts'
import { fileStat, rangeWithin } from './file-stat.ts'
import { checkTag, tagOf } from './file-tags.ts'
import { naming, namingEach } from './naming.ts'
import { formatPath, pageEnd } from './paths.ts'
import { writeSmallFiles } from './small-writes.ts'
import type { SmallWritesParts } from './small-writes.ts'

const LIST_PAGE = 512
/** Entries of a page of a listing that goes on later. */
const PAGE_ENTRIES = 1000
/** Values of their extended attributes, which any member sets: a page ends after so much. */
const PAGE_CHARS: number = 2 * MIB
const DEFAULT_MODE = 0o644

/**
 * Makes a change, all of it or none: at once, or by consensus, for which `make` may run several
 * times.
 */
export type Change = <Result>(make: () => Result) => Promise<Result>

/** The contents of these files, one after the other. */
export interface JoinedFiles {
  readonly joined: readonly (readonly string[])[]
}

export interface FilesComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  /** The owner of what is made: the command has none of its own. */
  readonly owner: FileOwner
}

export class Files {
  readonly #c: FilesComponents

  constructor(components: FilesComponents) {
    this.#c = components
  }

  stat(path: readonly string[], options: StatOptions = {}): FileStat {
    const target = this.#c.namespace.resolvePath(path)
    return this.#tagged(path.length === 0 ? '/' : nameText(lastName(path)), target, options)
  }

  async listPage(
    path: readonly string[],
    { after, limit = PAGE_ENTRIES, extended }: PageOptions,
  ): Promise<FolderPage> {
    const from = after === undefined ? undefined : pageEnd(after)
    const entries: FileStat[] = []
    let last: ByteString | undefined
    let room = PAGE_CHARS
    for await (const { name, target, key } of this.#c.namespace.list(this.#dirAt(path), from)) {
      // Those of one key come together.
      if ((entries.length >= limit || room < 0) && key !== last)
        return { entries, next: last === undefined ? undefined : toHex(fromByteString(last)) }
      last = key
      const stat = ifThere(() => this.#tagged(nameText(name), target, { extended }))
      if (stat === undefined) continue
      entries.push(stat)
      for (const value of Object.values(stat.extended ?? {})) room -= value.length
    }
    return { entries }
  }

  list(path: readonly string[]): AsyncGenerator<readonly FileStat[]> {
    return pagesOf(this.#entries(path), LIST_PAGE)
  }

  async *#entries(path: readonly string[]): AsyncGenerator<FileStat> {
    for await (const { name, target } of this.#c.namespace.list(this.#dirAt(path))) {
      const stat = ifThere(() => this.#stat(nameText(name), target))
      if (stat !== undefined) yield stat
    }
  }

  makeFolder(
    path: readonly string[],
    { parents = false, mode = 0o755 }: { parents?: boolean | undefined; mode?: number | undefined },
  ): void {
    if (path.length === 0) {
      if (parents) return
      throw new ShoalError('EEXIST', '/: exists already')
    }
    let at = ROOT
    path.forEach((part, index) => {
      const isLast = index === path.length - 1
      const shown = this.#shown(path.slice(0, index + 1))
      const target = this.#c.namespace.lookup(at, nameFromText(part))
      if (target === undefined) {
        if (!isLast && !parents)
          throw new ShoalError(
            'ENOENT',
            `${shown}: no such folder; create it first, or use --parents`,
          )
        at = this.#c.namespace.makeDir(at, nameFromText(part), {
          mode: isLast ? mode : 0o755,
          ...this.#c.owner,
        })
        return
      }
      if (target.kind !== 'dir')
        throw new ShoalError(isLast ? 'EEXIST' : 'ENOTDIR', `${shown}: is not a folder`)
      if (isLast && !parents) throw new ShoalError('EEXIST', `${shown}: exists already`)
      at = target.id
    })
  }

  async remove(
    path: readonly string[],
    { recursive = false, ifTag }: { recursive?: boolean | undefined } & Condition,
    change: Change,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace } = this.#c
    lastName(path) // before anything below a root is removed
    const found = recursive ? namespace.resolvePath(path) : undefined
    if (found?.kind === 'dir') await this.#empty(found.id, change, signal)
    await change(() => {
      const { parent, name } = this.#place(path)
      const target = namespace.lookup(parent, name)
      if (target === undefined)
        throw new ShoalError('ENOENT', `${this.#shown(path)}: no such file or folder`)
      this.#checkTag(path, target, ifTag)
      if (target.kind === 'dir') naming(this.#shown(path), () => namespace.removeDir(parent, name))
      else namespace.unlink(parent, name)
    })
  }

  move(
    from: readonly string[],
    to: readonly string[],
    { exact = false, ifTag }: MoveOptions = {},
  ): void {
    const source = this.#place(from)
    let place = this.#place(to)
    const onto = this.#c.namespace.lookup(place.parent, place.name)
    this.#checkTag(to, onto, ifTag)
    // As mv(1): into a folder that is there, under the same name.
    if (onto?.kind === 'dir' && !exact) place = { parent: onto.id, name: source.name }
    naming(this.#shown(from), () =>
      this.#c.namespace.rename(source.parent, source.name, place.parent, place.name),
    )
  }

  /** Store content first, then name it: a failure or an abort before the end changes nothing. */
  async writeFile(
    path: readonly string[],
    content: AsyncIterable<Uint8Array> | JoinedFiles,
    attributes: NewFile & Condition,
    change: Change,
    signal: AbortSignal,
  ): Promise<void> {
    const { parent, name } = this.#place(path)
    const replaced = this.#toReplace(path, parent, name)
    // Before all of it comes in; and again when it has.
    this.#checkTag(path, this.#c.namespace.lookup(parent, name), attributes.ifTag)
    const lease = this.#c.contents.begin()
    try {
      const stored = await this.#store(content, { folder: parent, replaced }, signal)
      if (attributes.sizeBytes !== undefined && attributes.sizeBytes !== contentSize(stored)) {
        throw new ShoalError(
          'malformed',
          `${this.#shown(path)}: ${contentSize(stored)} bytes were received, ` +
            `but ${attributes.sizeBytes} were announced; put it again`,
        )
      }
      signal.throwIfAborted()
      await change(() => this.#nameContent(path, stored, attributes))
    } finally {
      lease.end()
    }
  }

  #store(
    content: AsyncIterable<Uint8Array> | JoinedFiles,
    at: ContentPlace,
    signal: AbortSignal,
  ): Promise<Content> {
    const { namespace, contents } = this.#c
    if (!('joined' in content)) return contents.write(content, at, signal)
    const sources = content.joined.map((path) => {
      const target = namespace.resolvePath(path)
      return { inode: target.id, version: contents.version(target) }
    })
    return contents.join(sources, at, signal)
  }

  /**
   * The same for many small files below a folder. returns the failures by index, in order. throws
   * what `signal` says.
   */
  writeSmallFiles(
    folder: readonly string[],
    files: readonly NewSmallFile[],
    change: Change,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<number, ShoalError>> {
    const { namespace, contents } = this.#c
    const findPlace = (path: readonly string[]): ContentPlace => {
      const { parent, name } = this.#place(path)
      return { folder: parent, replaced: this.#toReplace(path, parent, name) }
    }
    const name: SmallWritesParts['name'] = (...named) => this.#nameContent(...named)
    const parts = { contents, volume: namespace.volume, findPlace, name }
    return writeSmallFiles(parts, { folder, files, change }, signal)
  }

  makeSymlink(path: readonly string[], target: string): void {
    const points = fromByteString(textBytes(target))
    if (points.length > SYMLINK_MAX)
      throw new ShoalError('ENAMETOOLONG', `the target is longer than ${SYMLINK_MAX} bytes`)
    const { parent, name } = this.#place(path)
    this.#toReplace(path, parent, name)
    this.#c.namespace.volume.atomically(() => {
      if (this.#c.namespace.lookup(parent, name) !== undefined)
        this.#c.namespace.unlink(parent, name)
      this.#c.namespace.create(parent, name, { mode: 0o777, ...this.#c.owner }, points)
    })
  }

  readFile(path: readonly string[], range: ReadRange, signal: AbortSignal): FileContent {
    const target = this.#c.namespace.resolvePath(path)
    const stat = this.#tagged(path.at(-1) ?? '/', target)
    if (stat.kind === 'folder') throw new ShoalError('EISDIR', `${this.#shown(path)}: is a folder`)
    if (stat.kind !== 'file')
      throw new ShoalError('EINVAL', `${this.#shown(path)}: is a ${kindText(stat.kind)}`)
    const version = this.#c.contents.version(target)
    const reader = this.#c.contents.reader(version)
    const { offset, lengthBytes } = rangeWithin(reader.size, range)
    return {
      stat,
      lengthBytes,
      content: leased(
        () => this.#c.contents.hold(target.id, contentOf(version)),
        namingEach(this.#shown(path), reader.stream(offset, lengthBytes, { signal })),
      ),
    }
  }

  setAttributes(path: readonly string[], attributes: FileAttributes): void {
    const { namespace } = this.#c
    const { mode, modifiedNs, extended } = attributes
    const target = namespace.resolvePath(path)
    namespace.volume.atomically(() => {
      if (mode !== undefined || modifiedNs !== undefined)
        namespace.setAttributes(target, {
          ...(mode === undefined ? {} : { mode }),
          ...(modifiedNs === undefined ? {} : { modifiedNs }),
        })
      if (extended !== undefined) setExtended(namespace.xattrs, target, extended)
    })
  }

  #nameContent(
    path: readonly string[],
    content: Content,
    { mode, modifiedNs, extended = {}, ifTag, isNew = false }: NewFile & Condition,
  ): void {
    const { namespace, contents } = this.#c
    // Looked up again: the tree may have changed while the content came in.
    const { parent, name } = this.#place(path)
    const modified = modifiedNs ?? namespace.nowNs()
    namespace.volume.atomically(() => {
      const old = namespace.lookup(parent, name)
      if (old?.kind === 'dir') throw new ShoalError('EISDIR', `${this.#shown(path)}: is a folder`)
      this.#checkTag(path, old, ifTag)
      if (old !== undefined && !isNew && namespace.attributes(old).kind === 'file') {
        contents.putVersion(old.id, content, contents.version(old).base, modified)
        if (mode !== undefined) namespace.setAttributes(old, { mode })
        setExtended(namespace.xattrs, old, extended)
        return
      }
      if (old !== undefined) namespace.unlink(parent, name)
      const made = namespace.create(parent, name, { mode: mode ?? DEFAULT_MODE, ...this.#c.owner })
      contents.putVersion(made.id, content, [], modified)
      setExtended(namespace.xattrs, made, extended)
    })
  }

  async #empty(dir: NodeId, change: Change, signal: AbortSignal): Promise<void> {
    const { namespace } = this.#c
    // With fewer others beside it, more is shown now.
    const isEmpty = (): boolean => readDir(namespace.volume.view, dir)?.visibleChildren === 0
    for (let removed = 1; removed > 0 && !isEmpty();) {
      removed = 0
      for await (const { name, target } of namespace.list(dir)) {
        signal.throwIfAborted()
        if (target.kind === 'dir') {
          await this.#empty(target.id, change, signal)
          await change(() => namespace.removeDir(dir, name))
        } else {
          await change(() => namespace.unlink(dir, name))
        }
        removed++
        await namespace.volume.makeRoom()
      }
    }
  }

  /** The file or symlink that a new file replaces. throws 'EISDIR' for a folder. */
  #toReplace(path: readonly string[], parent: NodeId, name: Name): NodeId | undefined {
    const target = this.#c.namespace.lookup(parent, name)
    if (target?.kind === 'dir') throw new ShoalError('EISDIR', `${this.#shown(path)}: is a folder`)
    return target?.id
  }

  #shown(path: readonly string[]): string {
    return this.#c.namespace.shownPath(formatPath(path))
  }

  #dirAt(path: readonly string[]): NodeId {
    const target = this.#c.namespace.resolvePath(path)
    if (target.kind !== 'dir')
      throw new ShoalError('ENOTDIR', `${this.#shown(path)}: is not a folder`)
    return target.id
  }

  #place(path: readonly string[]): { parent: NodeId; name: Name } {
    const name = lastName(path)
    return { parent: this.#dirAt(path.slice(0, -1)), name }
  }

  #stat(name: string, target: ViewTarget): FileStat {
    const { namespace } = this.#c
    return fileStat(name, namespace.attributes(target), () => namespace.symlinkTarget(target.id))
  }

  #checkTag(
    path: readonly string[],
    target: ViewTarget | undefined,
    ifTag: string | undefined,
  ): void {
    if (ifTag !== undefined) checkTag(this.#c.contents, target, { ifTag, shown: this.#shown(path) })
  }

  #tagged(name: string, target: ViewTarget, { extended = false }: StatOptions = {}): FileStat {
    const { namespace, contents } = this.#c
    const stat = this.#stat(name, target)
    return {
      ...stat,
      ...(stat.kind === 'file' && { tag: tagOf(contents, target) }),
      ...(extended && { extended: extendedOf(namespace.xattrs, target) }),
    }
  }
}

/** Undefined for what was removed between listing and looking. */
function ifThere<Result>(look: () => Result): Result | undefined {
  try {
    return look()
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESTALE')) return undefined
    throw error
  }
}

function lastName(path: readonly string[]): Name {
  const last = path.at(-1)
  if (last === undefined)
    throw new ShoalError('EBUSY', '/: the root of a volume cannot be moved or removed')
  return nameFromText(last)
}
