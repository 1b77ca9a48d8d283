// A mounted volume with its snapshots: in each folder `.snapshots` is found by its name, and listed
// nowhere, so that programs which copy or remove whole trees do not go there. What is below it is
// read-only.
import { ShoalError } from '../../protocol/errors.ts'
import type { SpecialFile } from '../../protocol/op/op.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  FileSystem,
  FileSystemSpace,
  FolderEntry,
  HandlePosition,
  Invalidator,
  Locks,
  Maker,
  SetXattr,
} from './file-system.ts'
import type { VolumeFileSystem } from './operations.ts'
import { FIRST_OF_SNAPSHOTS } from './snapshot-folders.ts'
import type { SnapshotFolders } from './snapshot-folders.ts'

const SNAPSHOTS_NAME = '.snapshots'
/** O_WRONLY, O_RDWR and O_TRUNC. */
const CHANGING_FLAGS = 0o1003
const NAMES_MAX = 1024

export interface WithSnapshotsComponents {
  readonly inner: VolumeFileSystem
  readonly folders: SnapshotFolders
  /** Told when snapshots come and go. returns what ends that. */
  readonly onSnapshots: (listener: () => void) => () => void
}

export class WithSnapshots implements FileSystem {
  readonly #inner: VolumeFileSystem
  readonly #folders: SnapshotFolders
  readonly #onSnapshots: WithSnapshotsComponents['onSnapshots']
  /** Folders of snapshots that are open, by handle. */
  readonly #open = new Map<number, number>()
  /** Names in lists that the kernel was told of, also that there is none. */
  readonly #told = new Set<string>()
  #unlisten: (() => void) | undefined

  constructor({ inner, folders, onSnapshots }: WithSnapshotsComponents) {
    this.#inner = inner
    this.#folders = folders
    this.#onSnapshots = onSnapshots
  }

  readonly keepsName = (name: string): boolean =>
    name !== SNAPSHOTS_NAME && this.#inner.keepsName(name)

  get locks(): Locks | undefined {
    const locks = this.#inner.locks
    if (locks === undefined) return undefined
    // Files that never change need none.
    return {
      test: async (inode, request) => (isOf(inode) ? undefined : locks.test(inode, request)),
      set: async (inode, request, how) => isOf(inode) || locks.set(inode, request, how),
      closed: async (inode, owner) => (isOf(inode) ? undefined : locks.closed(inode, owner)),
    }
  }

  invalidateThrough(invalidator: Invalidator): void {
    this.#inner.invalidateThrough(invalidator)
    this.#unlisten = this.#onSnapshots(() => {
      for (const list of this.#folders.heldLists()) {
        invalidator.inode(list)
        for (const name of this.#told) invalidator.entry(list, name)
      }
      this.#told.clear()
    })
  }

  async close(): Promise<void> {
    this.#unlisten?.()
    this.#folders.closeAll()
    await this.#inner.close()
  }

  async lookup(parent: number, name: string): Promise<Attributes | undefined> {
    if (isOf(parent)) {
      if (this.#told.size < NAMES_MAX) this.#told.add(name)
      return this.#folders.lookup(parent, name)
    }
    const found = await this.#inner.lookup(parent, name)
    if (found !== undefined || name !== SNAPSHOTS_NAME) return found
    return this.#folders.list(this.#inner.dir(parent))
  }

  async getAttributes(inode: number): Promise<Attributes> {
    return isOf(inode) ? this.#folders.attributes(inode) : this.#inner.getAttributes(inode)
  }

  async setAttributes(
    inode: number,
    change: AttributeChange,
    handle: number | undefined,
  ): Promise<Attributes> {
    this.#check(inode)
    return this.#inner.setAttributes(inode, change, handle)
  }

  async readLink(inode: number): Promise<string> {
    return isOf(inode) ? this.#folders.readLink(inode) : this.#inner.readLink(inode)
  }

  async makeSymlink(
    parent: number,
    name: string,
    target: string,
    caller: Caller,
  ): Promise<Attributes> {
    this.#check(parent)
    return this.#inner.makeSymlink(parent, name, target, caller)
  }

  async makeFolder(parent: number, name: string, mode: number, maker: Maker): Promise<Attributes> {
    this.#check(parent)
    return this.#inner.makeFolder(parent, name, mode, maker)
  }

  async makeSpecial(
    parent: number,
    name: string,
    mode: number,
    special: SpecialFile,
    maker: Maker,
  ): Promise<Attributes> {
    this.#check(parent)
    return this.#inner.makeSpecial(parent, name, mode, special, maker)
  }

  async removeFolder(parent: number, name: string): Promise<void> {
    this.#check(parent)
    return this.#inner.removeFolder(parent, name)
  }

  async unlink(parent: number, name: string): Promise<void> {
    this.#check(parent)
    return this.#inner.unlink(parent, name)
  }

  async rename(
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    flags: number,
  ): Promise<void> {
    this.#check(fromParent)
    this.#check(toParent)
    return this.#inner.rename(fromParent, fromName, toParent, toName, flags)
  }

  async link(inode: number, toParent: number, toName: string): Promise<Attributes> {
    this.#check(inode)
    this.#check(toParent)
    return this.#inner.link(inode, toParent, toName)
  }

  async open(inode: number, flags: number): Promise<number> {
    if (!isOf(inode)) return this.#inner.open(inode, flags)
    if ((flags & CHANGING_FLAGS) !== 0) throw readOnly()
    return this.#folders.open(inode)
  }

  async create(
    parent: number,
    name: string,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }> {
    this.#check(parent)
    return this.#inner.create(parent, name, mode, maker)
  }

  async createUnlinked(
    parent: number,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }> {
    this.#check(parent)
    return this.#inner.createUnlinked(parent, mode, maker)
  }

  read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const from = isOf(handle) ? this.#folders : this.#inner
    return from.read(handle, position, length, signal)
  }

  async write(handle: number, position: number | 'end', bytes: Uint8Array): Promise<number> {
    this.#check(handle)
    return this.#inner.write(handle, position, bytes)
  }

  async allocate(handle: number, mode: number, position: number, length: number): Promise<void> {
    this.#check(handle)
    return this.#inner.allocate(handle, mode, position, length)
  }

  async seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number> {
    return isOf(handle)
      ? this.#folders.seek(handle, position, what)
      : this.#inner.seek(handle, position, what)
  }

  async copyRange(from: HandlePosition, to: HandlePosition, length: number): Promise<number> {
    this.#check(to.handle)
    // The kernel then reads and writes.
    if (isOf(from.handle)) throw new ShoalError('unsupported', 'not from a snapshot')
    return this.#inner.copyRange(from, to, length)
  }

  async flush(handle: number): Promise<void> {
    return isOf(handle) ? undefined : this.#inner.flush(handle)
  }

  async fsync(handle: number): Promise<void> {
    return isOf(handle) ? undefined : this.#inner.fsync(handle)
  }

  async release(handle: number): Promise<void> {
    return isOf(handle) ? this.#folders.close(handle) : this.#inner.release(handle)
  }

  async openFolder(inode: number): Promise<number> {
    if (!isOf(inode)) return this.#inner.openFolder(inode)
    const handle = await this.#folders.openFolder(inode)
    this.#open.set(handle, inode)
    return handle
  }

  async readFolder(
    handle: number,
    cookie: number,
    countMax: number,
  ): Promise<readonly FolderEntry[]> {
    const inode = this.#open.get(handle)
    return inode === undefined
      ? this.#inner.readFolder(handle, cookie, countMax)
      : this.#folders.readFolder(inode, handle, cookie, countMax)
  }

  async releaseFolder(handle: number): Promise<void> {
    if (!this.#open.delete(handle)) return this.#inner.releaseFolder(handle)
    this.#folders.close(handle)
  }

  async syncFolder(): Promise<void> {
    return this.#inner.syncFolder()
  }

  async statFileSystem(): Promise<FileSystemSpace> {
    return this.#inner.statFileSystem()
  }

  async getXattr(inode: number, name: string): Promise<Uint8Array | undefined> {
    return isOf(inode) ? this.#folders.getXattr(inode, name) : this.#inner.getXattr(inode, name)
  }

  async setXattr(inode: number, name: string, value: Uint8Array, options: SetXattr): Promise<void> {
    this.#check(inode)
    return this.#inner.setXattr(inode, name, value, options)
  }

  async listXattrs(inode: number): Promise<readonly string[]> {
    return isOf(inode) ? this.#folders.listXattrs(inode) : this.#inner.listXattrs(inode)
  }

  async removeXattr(inode: number, name: string): Promise<void> {
    this.#check(inode)
    return this.#inner.removeXattr(inode, name)
  }

  retain(inode: number): void {
    if (isOf(inode)) this.#folders.retain(inode)
    else this.#inner.retain(inode)
  }

  forget(inode: number, count: number): void {
    if (isOf(inode)) this.#folders.forget(inode, count)
    else this.#inner.forget(inode, count)
  }

  /** throws 'EROFS' for an inode or a handle of a snapshot. */
  #check(number: number): void {
    if (isOf(number)) throw readOnly()
  }
}

/** An inode, or a handle. */
function isOf(number: number): boolean {
  return number >= FIRST_OF_SNAPSHOTS
}

function readOnly(): ShoalError {
  return new ShoalError('EROFS', 'a snapshot is read-only')
}
