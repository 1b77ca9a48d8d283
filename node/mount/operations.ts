// A volume as a file system for a mount driver: POSIX calls become namespace ops and content edits. What a close
// could not log shows to nobody when it has failed, and its handles, which hold on to it, do no more.
import { fromByteString, toByteString } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SYMLINK_MAX } from '../../protocol/limits.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { parseName } from '../../protocol/tree/names.ts'
import type { AttributeValues } from '../../protocol/tree/op.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import type { FileContents } from '../files/contents.ts'
import type { Change } from '../files/files.ts'
import type { Namespace } from '../namespace/namespace.ts'
import type { Disk } from '../world/world.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  FileSystem,
  FileSystemSpace,
  FolderEntry,
  Invalidator,
} from './file-system.ts'
import { FolderListing } from './folder-listing.ts'
import { InodeTable } from './inode-table.ts'
import { KernelCache } from './kernel-cache.ts'
import { OpenFiles } from './open-files.ts'
import type { OpenFile } from './open-files.ts'

const O_TRUNC = 0o1000
const O_APPEND = 0o2000
const BLOCK_BYTES = 4096

interface Handle {
  readonly file: OpenFile
  readonly append: boolean
}

export interface VolumeFileSystemComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly disk: Disk
  /** How changes are made, until the signal aborts. */
  readonly changing: (signal: AbortSignal) => Change
}

export class VolumeFileSystem implements FileSystem {
  readonly #c: VolumeFileSystemComponents
  readonly #inodes = new InodeTable()
  readonly #cache: KernelCache
  readonly #change: Change
  readonly #files: OpenFiles
  readonly #handles = new Map<number, Handle>()
  readonly #folders = new Map<number, FolderListing>()
  readonly #stop = new AbortController()
  #nextHandle = 1

  constructor(components: VolumeFileSystemComponents) {
    this.#c = components
    this.#cache = new KernelCache({ namespace: components.namespace, inodes: this.#inodes })
    this.#change = components.changing(this.#stop.signal)
    this.#files = new OpenFiles({ contents: components.contents, change: this.#change })
  }

  /** Take back what the kernel caches when changes come from elsewhere. */
  invalidateThrough(invalidator: Invalidator): void {
    this.#cache.listen(invalidator)
  }

  /** Log what was written and not closed, and stop listening. The kernel is gone. */
  async close(): Promise<void> {
    this.#cache.unlisten()
    for (const file of this.#files.all()) {
      await this.#files.inOrder(file, () => this.#files.commit(file, this.#stop.signal))
    }
    await this.#c.namespace.volume.commit()
    this.#stop.abort(new ShoalError('stopped', 'the mount has ended'))
  }

  async lookup(parent: number, name: string): Promise<Attributes | undefined> {
    const target = this.#c.namespace.lookup(this.#dir(parent), parseName(name))
    return target === undefined ? undefined : this.#hand(target)
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
    const { sizeBytes, ...rest } = change
    if (sizeBytes !== undefined) await this.#truncate(target, sizeBytes, handle)
    const open = this.#files.get(target)
    if (rest.modifiedNs !== undefined && open?.editor !== undefined)
      open.modifiedNs = rest.modifiedNs
    const values: AttributeValues = rest
    if (Object.keys(values).length > 0)
      await this.#ops(() => this.#c.namespace.setAttributes(target, values))
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
    const made = await this.#ops(() =>
      this.#c.namespace.create(this.#dir(parent), parseName(name), owned(0o777, caller), bytes),
    )
    return this.#hand(made)
  }

  async makeFolder(
    parent: number,
    name: string,
    mode: number,
    caller: Caller,
  ): Promise<Attributes> {
    const id = await this.#ops(() =>
      this.#c.namespace.makeDir(this.#dir(parent), parseName(name), owned(mode, caller)),
    )
    return this.#hand({ kind: 'dir', id })
  }

  async removeFolder(parent: number, name: string): Promise<void> {
    await this.#ops(() => this.#c.namespace.removeDir(this.#dir(parent), parseName(name)))
    await this.#c.namespace.volume.makeRoom()
  }

  async unlink(parent: number, name: string): Promise<void> {
    await this.#ops(() => this.#c.namespace.unlink(this.#dir(parent), parseName(name)))
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
    await this.#ops(() =>
      namespace.rename(
        this.#dir(fromParent),
        parseName(fromName),
        this.#dir(toParent),
        parseName(toName),
        flags,
      ),
    )
    await namespace.volume.makeRoom()
  }

  async link(inode: number, toParent: number, toName: string): Promise<Attributes> {
    const target = this.#inodes.target(inode)
    await this.#ops(() => this.#c.namespace.link(target, this.#dir(toParent), parseName(toName)))
    return this.#hand(target)
  }

  async open(inode: number, flags: number): Promise<number> {
    const target = this.#inodes.target(inode)
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const handle = this.#openHandle(target, flags)
    if ((flags & O_TRUNC) !== 0) await this.#truncate(target, 0, handle)
    return handle
  }

  async create(
    parent: number,
    name: string,
    mode: number,
    flags: number,
    caller: Caller,
  ): Promise<{ attributes: Attributes; handle: number }> {
    const made = await this.#ops(() =>
      this.#c.namespace.create(this.#dir(parent), parseName(name), owned(mode, caller)),
    )
    await this.#c.namespace.volume.makeRoom()
    const attributes = this.#hand(made)
    return { attributes, handle: this.#openHandle(made, flags) }
  }

  async read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    const { file } = this.#handle(handle)
    if (file.editor === undefined)
      return this.#files.reader(file).read(position, length, { signal })
    return this.#files.inOrder(file, () =>
      (file.editor ?? this.#files.reader(file)).read(position, length, { signal }),
    )
  }

  async write(handle: number, position: number, bytes: Uint8Array): Promise<number> {
    const { file, append } = this.#handle(handle)
    await this.#files.inOrder(file, async () => {
      const editor = this.#files.editor(file)
      await editor.write(append ? editor.size : position, bytes, { signal: this.#stop.signal })
      file.modifiedNs = this.#c.namespace.nowNs()
    })
    return bytes.byteLength
  }

  async flush(handle: number): Promise<void> {
    const { file } = this.#handle(handle)
    this.#files.checkAccepted(file)
    if (file.editor === undefined) return
    await this.#commitLast(file)
    await this.#c.namespace.volume.commit()
  }

  async syncFolder(): Promise<void> {
    await this.#c.namespace.volume.commit()
  }

  async fsync(handle: number): Promise<void> {
    await this.#commitFile(this.#handle(handle).file)
    await this.#c.namespace.volume.commit()
  }

  async release(handle: number): Promise<void> {
    const { file } = this.#handle(handle)
    try {
      await this.#commitLast(file)
    } finally {
      this.#handles.delete(handle)
      this.#files.close(file)
    }
  }

  async openFolder(inode: number): Promise<number> {
    const handle = this.#nextHandle++
    this.#folders.set(handle, new FolderListing(this.#c.namespace, this.#dir(inode)))
    return handle
  }

  async readFolder(
    handle: number,
    cookie: number,
    countMax: number,
  ): Promise<readonly FolderEntry[]> {
    const listing = this.#folders.get(handle)
    if (listing === undefined) throw new ShoalError('EINVAL', 'the folder is not open')
    const entries: FolderEntry[] = []
    for (const entry of await listing.read(cookie, countMax)) {
      const attributes = this.#attributes(this.#inodes.list(entry.target), entry.target)
      entries.push({ name: entry.name, cookie: entry.cookie, attributes })
    }
    return entries
  }

  retain(inode: number): void {
    this.#inodes.retain(inode)
  }

  async releaseFolder(handle: number): Promise<void> {
    this.#folders.delete(handle)
  }

  async statFileSystem(): Promise<FileSystemSpace> {
    const { freeBytes, totalBytes } = await this.#c.disk.space()
    return {
      blockBytes: BLOCK_BYTES,
      blocks: Math.floor(totalBytes / BLOCK_BYTES),
      blocksFree: Math.floor(freeBytes / BLOCK_BYTES),
    }
  }

  forget(inode: number, count: number): void {
    this.#inodes.forget(inode, count)
  }

  async #commitFile(file: OpenFile): Promise<void> {
    this.#files.checkAccepted(file)
    if (file.editor === undefined) return
    await this.#files.inOrder(file, () => this.#files.commit(file, this.#stop.signal))
  }

  /** The same for who will not try again: what is refused now is gone. */
  async #commitLast(file: OpenFile): Promise<void> {
    if (file.editor === undefined) return
    const { signal } = this.#stop
    try {
      await this.#files.inOrder(file, () =>
        this.#files.commit(file, signal).catch((error: unknown) => {
          this.#files.refuse(file, error)
          throw error
        }),
      )
    } catch (error) {
      await this.#cache.forget(file.target)
      throw error
    }
  }

  async #truncate(
    target: ViewTarget,
    sizeBytes: number,
    handle: number | undefined,
  ): Promise<void> {
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const borrowed = handle === undefined ? this.#openHandle(target, 0) : undefined
    const { file } = this.#handle(handle ?? borrowed ?? 0)
    await this.#files.inOrder(file, async () => {
      await this.#files.editor(file).truncate(sizeBytes, { signal: this.#stop.signal })
      file.modifiedNs = this.#c.namespace.nowNs()
    })
    // truncate(2) has no close that would log it.
    if (borrowed !== undefined) await this.release(borrowed)
  }

  #openHandle(target: Extract<ViewTarget, { kind: 'inode' }>, flags: number): number {
    const handle = this.#nextHandle++
    this.#handles.set(handle, { file: this.#files.open(target), append: (flags & O_APPEND) !== 0 })
    return handle
  }

  #handle(handle: number): Handle {
    const known = this.#handles.get(handle)
    if (known === undefined) throw new ShoalError('ESTALE', `file handle ${handle} is not open`)
    return known
  }

  #dir(inode: number): NodeId {
    const target = this.#inodes.target(inode)
    if (target.kind !== 'dir') throw new ShoalError('ENOTDIR', 'not a folder')
    return target.id
  }

  /** Attributes of a target that the kernel will hold once more. */
  #hand(target: ViewTarget): Attributes {
    return this.#attributes(this.#inodes.hold(target), target)
  }

  #attributes(inode: number, target: ViewTarget): Attributes {
    const attributes = { ...this.#c.namespace.attributes(target), inode }
    const open = this.#files.get(target)
    if (open?.editor === undefined) return attributes
    const modifiedNs = open.modifiedNs ?? attributes.modifiedNs
    return { ...attributes, sizeBytes: open.editor.size, modifiedNs }
  }

  /** Make ops that the kernel knows of, as it asked for them. */
  #ops<Result>(make: () => Result): Promise<Result> {
    return this.#change(() => this.#cache.making(make))
  }
}

function owned(mode: number, caller: Caller): AttributeValues {
  return { mode: mode & 0o7777, uid: caller.uid, gid: caller.gid }
}
