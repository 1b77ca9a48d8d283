// A volume as a file system for a mount driver: POSIX calls become ops and content edits. Data that
// a failed close could not log is visible to nobody, and the handles that hold it do no more.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SYMLINK_MAX } from '../../protocol/limits.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import { parseName } from '../../protocol/op/names.ts'
import type { AttributeValues, SpecialFile } from '../../protocol/op/op.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { FileLocks } from '../volume/file-locks.ts'
import type { Change } from '../volume/files.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { Store } from '../store/store.ts'
import { ownerOf, shownAs, withoutShownOwner } from './shown-owner.ts'
import type { ShownOwner } from './shown-owner.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  FileSystem,
  FileSystemSpace,
  FolderEntry,
  HandlePosition,
  Invalidator,
  Maker,
  SetXattr,
} from './file-system.ts'
import {
  keptName,
  makeInheriting,
  readXattr,
  removeXattr,
  setXattr,
} from './extended-attributes.ts'
import { FileHandles } from './file-handles.ts'
import { InodeTable } from './inode-table.ts'
import { RemoteChanges, keepsName } from './remote-changes.ts'
import { MountLocks } from './mount-locks.ts'
import { UnlinkedInodes } from './unlinked-inodes.ts'
import { OpenFiles } from './open-files.ts'
import { OpenFolders } from './open-folders.ts'

const BLOCK_BYTES = 4096

export interface VolumeFileSystemComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  /** The store whose space is that of the file system. */
  readonly store: Pick<Store, 'space'>
  /** How changes are made, until the signal aborts. */
  readonly changing: (signal: AbortSignal) => Change
  /** The object shown as the root; the volume's root if undefined. */
  readonly root?: ViewTarget | undefined
  readonly owner?: ShownOwner | undefined
  /** close(2) waits for the disk; false without. */
  readonly isSynced?: boolean | undefined
  /** Those of all nodes, where the volume has such. */
  readonly locks?: FileLocks | undefined
}

export class VolumeFileSystem implements FileSystem {
  readonly locks: MountLocks | undefined
  readonly keepsName: (name: string) => boolean = keepsName
  readonly #c: VolumeFileSystemComponents
  readonly #inodes: InodeTable
  readonly #cache: RemoteChanges
  readonly #change: Change
  readonly #files: OpenFiles
  readonly #handles: FileHandles
  readonly #unlinked: UnlinkedInodes
  readonly #folders: OpenFolders
  readonly #owner: ShownOwner
  readonly #stop = new AbortController()

  constructor(components: VolumeFileSystemComponents) {
    const { namespace, contents, locks, store, isSynced = false } = components
    const { signal } = this.#stop
    this.#c = components
    this.#owner = components.owner ?? {}
    this.#change = components.changing(signal)
    const inodes = (this.#inodes = new InodeTable(components.root))
    const cache = (this.#cache = new RemoteChanges({ namespace, inodes }))
    const files = new OpenFiles({ contents, change: this.#change, cache, inodes, locks })
    const parts = { namespace, inodes, cache, files, signal }
    this.#files = files
    this.#folders = new OpenFolders(namespace)
    this.#unlinked = new UnlinkedInodes(parts)
    this.#handles = new FileHandles({ ...parts, store, isSynced })
    this.locks = locks && new MountLocks({ ...parts, locks })
  }

  /** Take back what the kernel caches when changes come from elsewhere. */
  invalidateThrough(invalidator: Invalidator): void {
    this.#cache.listen(invalidator)
  }

  /** Logs what was written and not closed, once the kernel is gone. Tries all. throws a failure. */
  async close(): Promise<void> {
    this.#cache.unlisten()
    const ends = await Promise.allSettled(this.#files.commitAll(this.#stop.signal))
    ends.push(...(await Promise.allSettled([this.#c.namespace.volume.commit()])))
    ends.push(...(await Promise.allSettled([this.locks?.end()])))
    this.#files.endAll()
    this.#stop.abort(new ShoalError('stopped', 'the mount has ended'))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async lookup(parent: number, name: string): Promise<Attributes | undefined> {
    const target = this.#c.namespace.lookup(this.dir(parent), parseName(name))
    return target && this.#hand(this.#unlinked.found(target))
  }

  async getAttributes(inode: number): Promise<Attributes> {
    return this.#attributes(inode, this.#inodes.target(inode))
  }

  async setAttributes(
    inode: number,
    change: AttributeChange,
    handle: number | undefined,
  ): Promise<Attributes> {
    const target = this.#inodes.target(inode)
    const stored = this.#unlinked.attributes(target)
    const { sizeBytes, ...rest } = withoutShownOwner(change, this.#owner, stored)
    if (sizeBytes !== undefined) await this.#handles.truncate(target, sizeBytes, handle)
    const open = this.#files.get(target)
    if (rest.modifiedNs !== undefined && open?.editor !== undefined)
      open.modifiedNs = rest.modifiedNs
    if (Object.keys(rest).length > 0 && !this.#unlinked.change(target, rest))
      await this.#ops(() => this.#c.namespace.setAttributes(target, rest))
    return this.#attributes(inode, target)
  }

  async readLink(inode: number): Promise<string> {
    const target = this.#inodes.target(inode)
    return toByteString(this.#c.namespace.symlinkTarget(target.id))
  }

  async makeSymlink(
    parent: number,
    name: string,
    target: string,
    caller: Caller,
  ): Promise<Attributes> {
    if (target.length > SYMLINK_MAX)
      throw new ShoalError('ENAMETOOLONG', 'the target of a symlink is too long')
    const bytes = fromByteString(target)
    const maker = { ...caller, umask: 0 }
    const made = await this.#ops(() =>
      this.#make(parent, { kind: 'symlink', mode: 0o777, maker }, (dir, attributes) =>
        this.#c.namespace.create(dir, parseName(name), attributes, bytes),
      ),
    )
    return this.#hand(made)
  }

  async makeFolder(parent: number, name: string, mode: number, maker: Maker): Promise<Attributes> {
    const made = await this.#ops(() =>
      this.#make(parent, { kind: 'folder', mode, maker }, (dir, attributes) => {
        const id = this.#c.namespace.makeDir(dir, parseName(name), attributes)
        return { kind: 'dir', id } as const
      }),
    )
    return this.#hand(made)
  }

  async makeSpecial(
    parent: number,
    name: string,
    mode: number,
    special: SpecialFile,
    maker: Maker,
  ): Promise<Attributes> {
    const made = await this.#ops(() =>
      this.#make(parent, { kind: special.kind, mode, maker }, (dir, attributes) =>
        this.#c.namespace.makeSpecial(dir, parseName(name), attributes, special),
      ),
    )
    return this.#hand(made)
  }

  async removeFolder(parent: number, name: string): Promise<void> {
    await this.#ops(() => this.#c.namespace.removeDir(this.dir(parent), parseName(name)))
    await this.#c.namespace.volume.makeRoom()
  }

  async unlink(parent: number, name: string): Promise<void> {
    const { namespace } = this.#c
    const removed = await this.#ops(() => namespace.unlink(this.dir(parent), parseName(name)))
    this.#unlinked.removed(removed)
    await this.#c.namespace.volume.makeRoom()
  }

  async rename(
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    flags: number,
  ): Promise<void> {
    const { namespace } = this.#c
    const replaced = await this.#ops(() =>
      namespace.rename(
        this.dir(fromParent),
        parseName(fromName),
        this.dir(toParent),
        parseName(toName),
        flags,
      ),
    )
    this.#unlinked.removed(replaced)
    await namespace.volume.makeRoom()
  }

  async link(inode: number, toParent: number, toName: string): Promise<Attributes> {
    const target = this.#inodes.target(inode)
    const { namespace } = this.#c
    const name = parseName(toName)
    const isNamed = await this.#unlinked.name(
      target,
      ({ mode, maker, changed }) =>
        this.#make(toParent, { kind: 'file', mode, maker }, (dir, attributes) =>
          namespace.createAs(target.id, dir, name, { ...attributes, ...changed }),
        ),
      this.#stop.signal,
    )
    if (!isNamed) await this.#ops(() => namespace.link(target, this.dir(toParent), name))
    return this.#hand(target)
  }

  async open(inode: number, flags: number): Promise<number> {
    return this.#handles.open(this.#inodes.target(inode), flags)
  }

  async create(
    parent: number,
    name: string,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }> {
    const made = await this.#ops(() =>
      this.#make(parent, { kind: 'file', mode, maker }, (dir, attributes) =>
        this.#c.namespace.create(dir, parseName(name), attributes),
      ),
    )
    await this.#c.namespace.volume.makeRoom()
    const handle = this.#handles.openNew(made)
    return { attributes: this.#hand(made), handle }
  }

  async createUnlinked(
    parent: number,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }> {
    this.dir(parent)
    const target = this.#unlinked.make(mode, maker)
    const handle = this.#handles.openNew(target, { isUnlinked: true })
    return { attributes: this.#hand(target), handle }
  }

  read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    return this.#handles.read(handle, position, length, signal)
  }

  write(handle: number, position: number | 'end', bytes: Uint8Array): Promise<number> {
    return this.#handles.write(handle, position, bytes)
  }

  allocate(handle: number, mode: number, position: number, length: number): Promise<void> {
    return this.#handles.allocate(handle, mode, position, length)
  }

  seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number> {
    return this.#handles.seek(handle, position, what)
  }

  copyRange(from: HandlePosition, to: HandlePosition, length: number): Promise<number> {
    return this.#handles.copyRange(from, to, length)
  }

  flush(handle: number): Promise<void> {
    return this.#handles.flush(handle)
  }

  fsync(handle: number): Promise<void> {
    return this.#handles.fsync(handle)
  }

  async release(handle: number): Promise<void> {
    await this.#handles.release(handle).finally(() => this.locks?.released(handle))
  }

  async syncFolder(): Promise<void> {
    await this.#c.namespace.volume.keep({ sync: true })
  }

  async openFolder(inode: number): Promise<number> {
    return this.#folders.open(this.dir(inode))
  }

  async readFolder(
    handle: number,
    cookie: number,
    countMax: number,
  ): Promise<readonly FolderEntry[]> {
    const entries: FolderEntry[] = []
    for (const entry of await this.#folders.read(handle, cookie, countMax)) {
      const attributes = this.#attributes(this.#inodes.list(entry.target), entry.target)
      entries.push({ name: entry.name, cookie: entry.cookie, attributes })
    }
    return entries
  }

  retain(inode: number): void {
    this.#inodes.retain(inode)
  }

  async releaseFolder(handle: number): Promise<void> {
    this.#folders.close(handle)
  }

  async statFileSystem(): Promise<FileSystemSpace> {
    const { freeBytes, totalBytes } = await this.#c.store.space()
    return {
      blockBytes: BLOCK_BYTES,
      blocks: Math.floor(totalBytes / BLOCK_BYTES),
      blocksFree: Math.floor(freeBytes / BLOCK_BYTES),
    }
  }

  async getXattr(inode: number, name: string): Promise<Uint8Array | undefined> {
    const target = this.#inodes.target(inode)
    const mode = (): number => this.#attributes(inode, target).mode
    return readXattr(this.#c, target, name, { mode, signal: this.#stop.signal })
  }

  async setXattr(inode: number, name: string, value: Uint8Array, options: SetXattr): Promise<void> {
    const target = this.#inodes.target(inode)
    const kept = { name: keptName(name), value }
    if (this.#unlinked.get(target)?.made !== undefined)
      throw new ShoalError('unsupported', 'a file without a name has no extended attributes')
    await this.#ops(() => setXattr(this.#c.namespace, target, kept, options))
    await this.#c.namespace.volume.makeRoom()
  }

  async listXattrs(inode: number): Promise<readonly string[]> {
    return this.#c.namespace.xattrs.list(this.#inodes.target(inode))
  }

  async removeXattr(inode: number, name: string): Promise<void> {
    const target = this.#inodes.target(inode)
    await this.#ops(() => removeXattr(this.#c.namespace, target, keptName(name)))
  }

  forget(inode: number, count: number): void {
    const target = this.#inodes.forget(inode, count)
    if (target !== undefined) this.#unlinked.forget(target)
  }

  dir(inode: number): NodeId {
    const target = this.#inodes.target(inode)
    if (target.kind !== 'dir') throw new ShoalError('ENOTDIR', 'not a folder')
    return target.id
  }

  /** Attributes of a target that the kernel will hold once more. */
  #hand(target: ViewTarget): Attributes {
    return this.#attributes(this.#inodes.hold(target), target)
  }

  #attributes(inode: number, target: ViewTarget): Attributes {
    const shown = shownAs(this.#unlinked.attributes(target), this.#owner)
    return this.#files.attributes(target, { ...shown, inode })
  }

  /** Make something in a folder, with what it inherits there. */
  #make<Made extends ViewTarget>(
    parent: number,
    asked: { kind: FileKind; mode: number; maker: Maker },
    make: (dir: NodeId, attributes: AttributeValues) => Made,
  ): Made {
    const dir = this.dir(parent)
    return makeInheriting(this.#c.namespace, dir, asked, (attributes) =>
      make(dir, { ...attributes, ...ownerOf(this.#owner) }),
    )
  }

  /** Make ops that the kernel knows of, as it asked for them. */
  #ops<Result>(make: () => Result): Promise<Result> {
    return this.#change(() => this.#cache.making(make))
  }
}
