// A file system in memory: the least that is honest. An inode lives as long as it has a name, is
// open, or the kernel holds it; `held` counts what the kernel holds, as a driver must keep it
// balanced.
import { ShoalError } from '../../protocol/errors.ts'
import type { ErrorCode } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { attributesOf, resize, touch } from './memory-inode.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { SpecialFile } from '../../protocol/op/op.ts'
import type {
  AttributeChange,
  Attributes,
  Caller,
  FileSystem,
  FileSystemSpace,
  FolderEntry,
  Maker,
} from '../../node/mount/file-system.ts'
import type { Inode } from './memory-inode.ts'

const ROOT = 1
const NOREPLACE = 1
const EXCHANGE = 2
const O_TRUNC = 0o1000

interface Handle {
  readonly inode: Inode
  /** Entries of a folder as they were when reading it began. */
  entries: readonly [string, Inode][]
}

export class MemoryFileSystem implements FileSystem {
  readonly inodes: Map<number, Inode> = new Map<number, Inode>()
  readonly handles: Map<number, Handle> = new Map<number, Handle>()
  /** Called before each operation with its name; may throw, or delay it. */
  before: (operation: string, signal?: AbortSignal) => void | Promise<void> = () => undefined
  keepsName: (name: string) => boolean = () => true
  readonly #root: Inode
  #lastInode = 0
  #lastHandle = 0

  constructor() {
    this.#root = this.#make('folder', 0o755, { uid: 0, gid: 0 })
  }

  async lookup(parent: number, name: string): Promise<Attributes | undefined> {
    await this.before('lookup')
    const child = this.#folder(parent).names.get(name)
    return child === undefined ? undefined : this.#give(child)
  }

  async getAttributes(inode: number): Promise<Attributes> {
    await this.before('getAttributes')
    return attributesOf(this.#inode(inode))
  }

  async setAttributes(inode: number, change: AttributeChange): Promise<Attributes> {
    await this.before('setAttributes')
    const node = this.#inode(inode)
    const { sizeBytes, ...rest } = change
    if (sizeBytes !== undefined) resize(node, sizeBytes)
    Object.assign(node, rest)
    return attributesOf(node)
  }

  async readLink(inode: number): Promise<string> {
    await this.before('readLink')
    return this.#inode(inode).target
  }

  async makeSymlink(
    parent: number,
    name: string,
    target: string,
    caller: Caller,
  ): Promise<Attributes> {
    await this.before('makeSymlink')
    const made = this.#add(parent, name, 'symlink', 0o777, { ...caller, umask: 0 })
    made.target = target
    made.size = target.length
    return this.#give(made)
  }

  async makeFolder(parent: number, name: string, mode: number, maker: Maker): Promise<Attributes> {
    await this.before('makeFolder')
    return this.#give(this.#add(parent, name, 'folder', mode, maker))
  }

  async makeSpecial(
    parent: number,
    name: string,
    mode: number,
    { kind, rdev }: SpecialFile,
    maker: Maker,
  ): Promise<Attributes> {
    await this.before('makeSpecial')
    const made = this.#add(parent, name, kind, mode, maker)
    made.rdev = rdev
    return this.#give(made)
  }

  async removeFolder(parent: number, name: string): Promise<void> {
    await this.before('removeFolder')
    const child = this.#child(parent, name)
    if (child.names.size > 0) throw new ShoalError('ENOTEMPTY', name)
    this.#remove(parent, name)
  }

  async unlink(parent: number, name: string): Promise<void> {
    await this.before('unlink')
    this.#remove(parent, name)
  }

  async rename(
    fromParent: number,
    fromName: string,
    toParent: number,
    toName: string,
    flags: number,
  ): Promise<void> {
    await this.before('rename')
    const moved = this.#child(fromParent, fromName)
    const old = this.#folder(toParent).names.get(toName)
    if (flags === NOREPLACE && old !== undefined) throw new ShoalError('EEXIST', toName)
    if (flags === EXCHANGE) {
      this.#folder(fromParent).names.set(fromName, this.#child(toParent, toName))
    } else {
      if (old === moved) return
      if (old !== undefined && old.names.size > 0) throw new ShoalError('ENOTEMPTY', toName)
      if (old !== undefined) this.#remove(toParent, toName)
      this.#folder(fromParent).names.delete(fromName)
    }
    this.#folder(toParent).names.set(toName, moved)
  }

  async link(inode: number, toParent: number, toName: string): Promise<Attributes> {
    await this.before('link')
    const node = this.#inode(inode)
    this.#folder(toParent).names.set(toName, node)
    node.links++
    return this.#give(node)
  }

  async open(inode: number, flags: number): Promise<number> {
    await this.before('open')
    const node = this.#inode(inode)
    if ((flags & O_TRUNC) !== 0) resize(node, 0)
    return this.#open(node)
  }

  async create(
    parent: number,
    name: string,
    mode: number,
    maker: Maker,
  ): Promise<{ attributes: Attributes; handle: number }> {
    await this.before('create')
    const made = this.#add(parent, name, 'file', mode, maker)
    return { attributes: this.#give(made), handle: this.#open(made) }
  }

  async read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    await this.before('read', signal)
    const { inode } = this.#handle(handle)
    const parts: Uint8Array[] = []
    const end = Math.min(position + length, inode.size)
    for (let at = position; at < end;) {
      const [block, from, count] = [
        Math.floor(at / MIB),
        at % MIB,
        Math.min(MIB - (at % MIB), end - at),
      ]
      parts.push((inode.blocks[block] ?? Buffer.alloc(MIB)).subarray(from, from + count))
      at += count
    }
    return parts
  }

  async write(handle: number, position: number | 'end', bytes: Uint8Array): Promise<number> {
    await this.before('write')
    const { inode } = this.#handle(handle)
    const start = position === 'end' ? inode.size : position
    for (let done = 0; done < bytes.byteLength;) {
      const [block, to] = [Math.floor((start + done) / MIB), (start + done) % MIB]
      const part = bytes.subarray(done, done + MIB - to)
      const kept = (inode.blocks[block] ??=
        part.byteLength === MIB ? Buffer.allocUnsafeSlow(MIB) : Buffer.alloc(MIB))
      kept.set(part, to)
      done += part.byteLength
    }
    inode.size = Math.max(inode.size, start + bytes.byteLength)
    touch(inode)
    return bytes.byteLength
  }

  async createUnlinked(): Promise<never> {
    return fail('unsupported', 'files have names')
  }

  async allocate(): Promise<never> {
    return fail('unsupported', 'files are as long as they were written')
  }

  async seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number> {
    const { size } = this.#handle(handle).inode
    if (position >= size) return fail('ENXIO', 'past the end')
    return what === 'data' ? position : size
  }

  async copyRange(): Promise<never> {
    return fail('unsupported', 'the kernel can read and write')
  }

  async flush(): Promise<void> {
    await this.before('flush')
  }

  async fsync(): Promise<void> {
    await this.before('fsync')
  }

  async release(handle: number): Promise<void> {
    const { inode } = this.#handle(handle)
    this.handles.delete(handle)
    inode.opens--
    this.#reap(inode)
  }

  async openFolder(inode: number): Promise<number> {
    await this.before('openFolder')
    return this.#open(this.#folder(inode))
  }

  async readFolder(
    handle: number,
    cookie: number,
    countMax: number,
  ): Promise<readonly FolderEntry[]> {
    await this.before('readFolder')
    const reading = this.#handle(handle)
    if (cookie === 0) reading.entries = [...reading.inode.names]
    const page = reading.entries.slice(cookie, cookie + countMax)
    return page.map(([name, inode], index) => ({
      name,
      cookie: cookie + index + 1,
      attributes: attributesOf(inode),
    }))
  }

  async releaseFolder(handle: number): Promise<void> {
    await this.release(handle)
  }

  async syncFolder(): Promise<void> {
    await this.before('syncFolder')
  }

  async statFileSystem(): Promise<FileSystemSpace> {
    await this.before('statFileSystem')
    return { blockBytes: 4096, blocks: 1000, blocksFree: 400 }
  }

  async getXattr(inode: number, name: string): Promise<Uint8Array | undefined> {
    await this.before('getXattr')
    return this.#inode(inode).xattrs.get(name)
  }

  async setXattr(inode: number, name: string, value: Uint8Array): Promise<void> {
    await this.before('setXattr')
    this.#inode(inode).xattrs.set(name, value)
  }

  async listXattrs(inode: number): Promise<readonly string[]> {
    await this.before('listXattrs')
    return [...this.#inode(inode).xattrs.keys()]
  }

  async removeXattr(inode: number, name: string): Promise<void> {
    await this.before('removeXattr')
    if (!this.#inode(inode).xattrs.delete(name)) throw new ShoalError('ENODATA', name)
  }

  retain(inode: number): void {
    this.#inode(inode).held++
  }

  forget(inode: number, count: number): void {
    const node = this.#inode(inode)
    node.held -= count
    this.#reap(node)
  }

  /**
   * Make or change a file of the root as somebody else would: the kernel is not told. returns its
   * inode.
   */
  putFile(name: string, content: string): number {
    const node =
      this.#root.names.get(name) ??
      this.#add(ROOT, name, 'file', 0o644, { uid: 0, gid: 0, umask: 0 })
    const bytes = Buffer.from(content)
    node.blocks =
      content === '' ? [] : [Buffer.concat([bytes, Buffer.alloc(MIB - bytes.byteLength)])]
    node.size = bytes.byteLength
    touch(node)
    return node.inode
  }

  /** The names of the root. */
  get names(): readonly string[] {
    return [...this.#root.names.keys()]
  }

  #make(kind: FileKind, mode: number, { uid, gid }: Caller): Inode {
    const made: Inode = {
      inode: ++this.#lastInode,
      kind,
      names: new Map(),
      xattrs: new Map(),
      rdev: 0,
      blocks: [],
      target: '',
      mode,
      uid,
      gid,
      links: 1,
      size: 0,
      accessedNs: 0n,
      modifiedNs: 0n,
      held: 0,
      opens: 0,
    }
    touch(made)
    this.inodes.set(made.inode, made)
    return made
  }

  #add(parent: number, name: string, kind: FileKind, mode: number, maker: Maker): Inode {
    const { names } = this.#folder(parent)
    if (names.has(name)) throw new ShoalError('EEXIST', name)
    const made = this.#make(kind, mode & ~maker.umask, maker)
    names.set(name, made)
    return made
  }

  #remove(parent: number, name: string): void {
    const child = this.#child(parent, name)
    this.#folder(parent).names.delete(name)
    child.links--
    this.#reap(child)
  }

  #give(inode: Inode): Attributes {
    inode.held++
    return attributesOf(inode)
  }

  #open(inode: Inode): number {
    inode.opens++
    this.handles.set(++this.#lastHandle, { inode, entries: [] })
    return this.#lastHandle
  }

  #reap(inode: Inode): void {
    const isIdle = inode.links === 0 && inode.opens === 0 && inode.held === 0
    if (isIdle) this.inodes.delete(inode.inode)
  }

  #inode(inode: number): Inode {
    return this.inodes.get(inode) ?? fail('ESTALE', `inode ${inode}`)
  }

  #folder(inode: number): Inode {
    const node = this.#inode(inode)
    return node.kind === 'folder' ? node : fail('ENOTDIR', `inode ${inode}`)
  }

  #child(parent: number, name: string): Inode {
    return this.#folder(parent).names.get(name) ?? fail('ENOENT', name)
  }

  #handle(handle: number): Handle {
    return this.handles.get(handle) ?? fail('EINVAL', `handle ${handle}`)
  }
}

function fail(code: ErrorCode, message: string): never {
  throw new ShoalError(code, message)
}
