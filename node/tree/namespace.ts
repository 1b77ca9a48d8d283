// The tree of one volume as programs use it: names in, ops out. POSIX errors are decided here, at
// the origin, against what this node sees now; an op once made is never refused elsewhere. Calls
// are synchronous but for listings, and durable after volume.commit().
import type { ByteString } from '../../protocol/bytes.ts'
import { ShoalError, assert } from '../../protocol/errors.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import type { Dot } from '../../protocol/clock/dot.ts'
import {
  clampTime,
  clampTimes,
  dirAttributes,
  inodeAttributes,
  shownVersion,
} from '../../protocol/tree/attributes.ts'
import { freshFileId } from '../../protocol/tree/file-ids.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { freshDirId } from '../../protocol/tree/dir-ids.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import type { AttributeValues, SpecialFile, TreeOp } from '../../protocol/op/op.ts'
import { ROOT, isDirVisible, readDir, readInode } from '../../protocol/tree/records.ts'
import type { Dir, Inode } from '../../protocol/tree/records.ts'
import { lookupName, shownDirName } from '../../protocol/tree/view.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { Random } from '../world/world.ts'
import { findConflict, keepOps, listConflicts } from './conflict-listing.ts'
import type { NameConflict } from './conflict-listing.ts'
import { namesOf } from './all-inodes.ts'
import { SeparateFiles, setAside } from './set-aside.ts'
import { checkNotCopy, checkSameKind, moveOps, removeOps, versionOps } from './target-ops.ts'
import type { NewVersion } from './target-ops.ts'
import type { Volume } from '../log/volume.ts'
import { Xattrs } from './xattrs.ts'
import { entriesIn, fileVersionOf } from './tree-reading.ts'
import type { FileVersion, ListedEntry } from './tree-reading.ts'

type InodeTarget = Extract<ViewTarget, { kind: 'inode' }>
type OpOf<Kind extends TreeOp['kind']> = Extract<TreeOp, { kind: Kind }>

type NamespaceComponents = Pick<Namespace, 'volume'> &
  Partial<Pick<Namespace, 'shownPath'>> & { readonly random: Random }

export class Namespace {
  readonly volume: Volume
  readonly xattrs: Xattrs
  /** A path as messages have it. */
  readonly shownPath: (path: string) => string
  readonly #random: Random
  readonly #separate = new SeparateFiles()

  constructor({ volume, random, shownPath = (path) => path }: NamespaceComponents) {
    this.volume = volume
    this.xattrs = new Xattrs(volume)
    this.#random = random
    this.shownPath = shownPath
  }

  lookup(dir: NodeId, name: Name): ViewTarget | undefined {
    this.#dir(dir)
    return lookupName(this.volume.view, dir, name, this.volume.authorName)?.target
  }

  /** Resolves a path, not following symlinks; names are UTF-8 text. throws 'ENOENT', 'ENOTDIR'. */
  resolvePath(path: readonly string[]): ViewTarget {
    let at: ViewTarget = { kind: 'dir', id: ROOT }
    path.forEach((part, index) => {
      const shown = (): string => this.shownPath(`/${path.slice(0, index + 1).join('/')}`)
      if (at.kind !== 'dir')
        throw new ShoalError('ENOTDIR', `${shown()}: "${path[index - 1] ?? ''}" is not a folder`)
      const next = this.lookup(at.id, nameFromText(part))
      if (next === undefined) throw new ShoalError('ENOENT', `${shown()}: no such file or folder`)
      at = next
    })
    return at
  }

  /** The attributes of an object, also of one removed (no links). throws 'ENOENT', 'ESTALE'. */
  attributes(target: ViewTarget): NodeAttributes {
    if (target.kind === 'dir') return dirAttributes(target.id, this.#known(target.id))
    const inode = this.#inode(target.id)
    const version = shownVersion(this.volume.view, target.id, inode, target.version)
    return inodeAttributes(inode, version)
  }

  /** Target bytes of a symlink. throws 'EINVAL'. */
  symlinkTarget(inode: NodeId): Uint8Array {
    const { target } = this.#inode(inode)
    if (target === undefined) throw new ShoalError('EINVAL', 'not a symlink')
    return target
  }

  /** The version a reader sees now. throws 'EISDIR' for a folder, 'ESTALE' for what is gone. */
  fileVersion(target: ViewTarget): FileVersion {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const inode = this.#inode(target.id)
    const version = shownVersion(this.volume.view, target.id, inode, target.version)
    if (version === undefined && target.version !== undefined)
      throw new ShoalError('ESTALE', 'the conflict copy is gone')
    return fileVersionOf(this.volume, version)
  }

  /** Entries of a directory by collision key, from after `after`. cost: O(entries read). */
  async *list(dir: NodeId, after?: ByteString): AsyncGenerator<ListedEntry> {
    this.#dir(dir)
    yield* entriesIn(this.volume, this.volume.view, dir, after)
  }

  /** The names of the volume with more than one visible target, by key, from after `after`. */
  conflicts(after?: ByteString): AsyncGenerator<NameConflict> {
    return listConflicts(this.volume, after)
  }

  /** The conflict of which a side shows under this name, or undefined. */
  conflictAt(dir: NodeId, name: Name): Omit<NameConflict, 'key'> | undefined {
    this.#dir(dir)
    return findConflict(this.volume, dir, name)
  }

  /**
   * Ends a conflict: of its visible sides only the one of this name stays, under the plain name.
   * throws 'ENOENT' where there is no conflict, 'EISDIR' where a side is a directory.
   */
  keepConflict(dir: NodeId, name: Name): void {
    const conflict = this.conflictAt(dir, name)
    const side = conflict?.sides.find((known) => known.name === name)
    if (conflict === undefined || side === undefined)
      throw new ShoalError('ENOENT', `"${nameText(name)}" is not in conflict`)
    this.#submit(keepOps(this.volume, conflict, side.target))
  }

  /** The path of a directory, from the root down. */
  pathOf(dir: NodeId): Name[] {
    const path: Name[] = []
    for (let at = dir; at !== ROOT;) {
      const record = this.#dir(at)
      path.unshift(shownDirName(this.volume.view, at, record, this.volume.authorName))
      at = record.parent
    }
    return path
  }

  makeDir(parent: NodeId, name: Name, attributes: AttributeValues): NodeId {
    this.#checkFree(parent, name)
    const id = freshDirId(this.volume.view, parent, name)
    this.volume.submit({ kind: 'mkdir', id, parent, name, attributes: this.#withTimes(attributes) })
    return id
  }

  /** A new file or, with a target, symlink. */
  create(
    parent: NodeId,
    name: Name,
    attributes: AttributeValues,
    target?: Uint8Array,
  ): InodeTarget {
    return this.#create(parent, name, { attributes, target })
  }

  /** The same with an id from freshId(). */
  createAs(inode: NodeId, parent: NodeId, name: Name, attributes: AttributeValues): InodeTarget {
    return this.#create(parent, name, { attributes, target: undefined }, inode)
  }

  /** A new fifo, socket or device. */
  makeSpecial(
    parent: NodeId,
    name: Name,
    attributes: AttributeValues,
    special: SpecialFile,
  ): InodeTarget {
    return this.#create(parent, name, { attributes, target: undefined, special })
  }

  /** Another name for a file. throws 'EPERM' for a directory, 'EXDEV' for a conflict copy. */
  link(target: ViewTarget, parent: NodeId, name: Name): void {
    if (target.kind === 'dir') throw new ShoalError('EPERM', 'a folder cannot have a second name')
    checkNotCopy(target, name)
    this.#checkFree(parent, name)
    this.volume.submit({ kind: 'link', link: this.freshId(), inode: target.id, parent, name })
  }

  /** Removes a name of no folder; of a conflict copy, that version. throws 'ENOENT', 'EISDIR'. */
  unlink(parent: NodeId, name: Name): InodeTarget {
    const target = this.#present(parent, name)
    if (target.kind === 'dir') throw new ShoalError('EISDIR', `"${nameText(name)}" is a folder`)
    this.#remove(target)
    return target
  }

  /** throws 'ENOENT', 'ENOTDIR', 'ENOTEMPTY'. */
  removeDir(parent: NodeId, name: Name): void {
    const target = this.#present(parent, name)
    if (target.kind !== 'dir')
      throw new ShoalError('ENOTDIR', `"${nameText(name)}" is not a folder`)
    this.#checkEmpty(target.id, name)
    this.#remove(target)
  }

  /**
   * As rename(2); flags: NOREPLACE 1, EXCHANGE 2. returns what was replaced, if anything. throws
   * 'ENOENT', 'EEXIST', 'EINVAL' (into itself), 'ENOTEMPTY', 'EISDIR', 'ENOTDIR', 'EXDEV' (a copy).
   */
  rename(
    from: NodeId,
    fromName: Name,
    to: NodeId,
    toName: Name,
    flags = 0,
  ): ViewTarget | undefined {
    const { view } = this.volume
    const moved = this.#present(from, fromName)
    this.#dir(to)
    if (moved.kind === 'dir' && isWithin(view, to, moved.id)) {
      throw new ShoalError('EINVAL', `"${nameText(fromName)}" cannot be moved into itself`)
    }
    checkNotCopy(moved, fromName)
    const replaced = this.lookup(to, toName)
    if ((flags & 1) !== 0 && replaced !== undefined) {
      throw new ShoalError('EEXIST', `"${nameText(toName)}" exists already`)
    }
    // An op that moved it to where it is would win over a concurrent removal.
    if (from === to && fromName === toName) return undefined
    if ((flags & 2) !== 0) {
      if (replaced === undefined)
        throw new ShoalError('ENOENT', `"${nameText(toName)}": no such file or folder`)
      checkNotCopy(replaced, toName)
      if (replaced.kind === 'dir' && isWithin(view, from, replaced.id)) {
        throw new ShoalError('EINVAL', `"${nameText(toName)}" cannot be moved into itself`)
      }
      const back = moveOps(view, replaced, from, fromName)
      this.#takeNames([moved, replaced], [...moveOps(view, moved, to, toName), ...back])
      return undefined
    }
    if (replaced?.id === moved.id) {
      // Two names of one inode: POSIX does nothing. One in another case or form: take the new name.
      const same =
        moved.kind === 'dir' || (replaced.kind === 'inode' && replaced.link === moved.link)
      if (same) this.#submit(moveOps(view, moved, to, toName))
      return undefined
    }
    checkSameKind(moved, replaced, toName)
    if (replaced?.kind === 'dir') this.#checkEmpty(replaced.id, toName)
    const gone = replaced === undefined ? [] : [replaced]
    this.#takeNames(
      [moved, ...gone],
      [...gone.flatMap((target) => removeOps(view, target)), ...moveOps(view, moved, to, toName)],
    )
    return replaced
  }

  setAttributes(target: ViewTarget, attributes: AttributeValues): void {
    if (target.kind === 'dir') this.#known(target.id)
    else this.#inode(target.id)
    this.volume.submit({ kind: 'attributes', id: target.id, attributes: clampTimes(attributes) })
  }

  /**
   * Replaces the versions in `base`. returns the new dot, the next base. What is written to a
   * conflict copy that became a file here meanwhile is written to that. throws 'ESTALE'.
   */
  putVersion(inode: NodeId, version: NewVersion): Dot {
    const { view, actors, identity } = this.volume
    const isSelf = (actor: ActorId): boolean => actors.get(actor)?.peer === identity.peer
    return this.#separate.write(inode, version, (file, over) => {
      this.#inode(file)
      const dot = this.#submit(versionOps(view, file, over, isSelf))
      assert(dot !== undefined, 'writing is at least one op')
      return dot
    })
  }

  /** Gives a file that was just made its first content, before anybody else sees it. */
  fill(inode: NodeId, version: Omit<NewVersion, 'base' | 'goesOn'>): void {
    const modifiedNs = clampTime(version.modifiedNs)
    this.volume.submit({ kind: 'version', inode, ...version, modifiedNs, base: [], touch: [] })
  }

  /** Parent of a directory; the root is its own. */
  parentOf(dir: NodeId): NodeId {
    return this.#dir(dir).parent
  }

  /** Places of a directory or file: directories and its name there. None if it is gone. */
  placesOf(target: ViewTarget): [dir: NodeId, name: Name][] {
    const { view } = this.volume
    if (target.kind === 'dir') {
      const dir = readDir(view, target.id)
      return dir === undefined ? [] : [[dir.parent, dir.name]]
    }
    return namesOf(view, target.id)
  }

  /** One that nothing has. */
  freshId(): NodeId {
    return freshFileId(this.#random, this.volume.time.wall())
  }

  nowNs(): bigint {
    return BigInt(Math.floor(this.volume.time.wall())) * 1_000_000n
  }

  #create(
    parent: NodeId,
    name: Name,
    { attributes, ...rest }: Pick<OpOf<'create'>, 'attributes' | 'target' | 'special'>,
    inode: NodeId = this.freshId(),
  ): InodeTarget {
    this.#checkFree(parent, name)
    const link = this.freshId()
    const withTimes = this.#withTimes(attributes)
    this.volume.submit({
      kind: 'create',
      inode,
      link,
      parent,
      name,
      attributes: withTimes,
      ...rest,
    })
    return { kind: 'inode', id: inode, link, version: undefined }
  }

  /** Ops that others see together. returns the dot of the last. */
  #submit(ops: readonly TreeOp[]): Dot | undefined {
    return this.volume.atomically(() => ops.map((op) => this.volume.submit(op)).at(-1))
  }

  #remove(target: ViewTarget): void {
    this.#takeNames([target], removeOps(this.volume.view, target))
  }

  /** Takes names away by these ops; what shows beside them in conflict names stays. */
  #takeNames(targets: readonly ViewTarget[], ops: readonly TreeOp[]): void {
    const aside = setAside(this.volume, targets, () => this.freshId())
    this.#submit([...aside.ops, ...ops])
    this.#separate.made(this.volume.view, aside.versions)
  }

  #checkEmpty(dir: NodeId, name: Name): void {
    if (this.#dir(dir).visibleChildren > 0)
      throw new ShoalError('ENOTEMPTY', `"${nameText(name)}" is not empty`)
  }

  #checkFree(parent: NodeId, name: Name): void {
    if (this.lookup(parent, name) !== undefined)
      throw new ShoalError('EEXIST', `"${nameText(name)}" exists already`)
  }

  #present(parent: NodeId, name: Name): ViewTarget {
    const target = this.lookup(parent, name)
    if (target === undefined)
      throw new ShoalError('ENOENT', `"${nameText(name)}": no such file or folder`)
    return target
  }

  #dir(id: NodeId): Dir {
    const dir = this.#known(id)
    if (!isDirVisible(id, dir)) throw new ShoalError('ENOENT', 'the folder is gone')
    return dir
  }

  #known(id: NodeId): Dir {
    const dir = readDir(this.volume.view, id)
    if (dir === undefined) throw new ShoalError('ENOENT', 'the folder is gone')
    return dir
  }

  #inode(id: NodeId): Inode {
    const inode = readInode(this.volume.view, id)
    if (inode === undefined) throw new ShoalError('ESTALE', 'the file is gone')
    return inode
  }

  #withTimes(attributes: AttributeValues): AttributeValues {
    const now = this.nowNs()
    return clampTimes({ accessedNs: now, modifiedNs: now, ...attributes })
  }
}
