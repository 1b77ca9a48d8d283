// The folders `.snapshots` of a mount, and what is below, under inode numbers above those of all
// else: snapshots by name, listed, and by `@` and a time what stood then. Nothing there changes.
import { LRUCache } from 'lru-cache'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { momentOf } from '../../protocol/moment.ts'
import type { Name, XattrName } from '../../protocol/op/names.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { readXattrNames } from '../../protocol/tree/xattrs.ts'
import type { ContentReader } from '../content/read-pipeline.ts'
import type { Lease } from '../content/in-flight-references.ts'
import type { Namespace } from '../tree/namespace.ts'
import { stampAfter } from '../tree/past.ts'
import { fileVersionOf, symlinkTargetIn } from '../tree/tree-reading.ts'
import { contentOf } from '../volume/file-contents.ts'
import type { FileContents } from '../volume/file-contents.ts'
import type { NamedSnapshot, SnapshotFiles } from '../volume/snapshot-files.ts'
import { getXattr } from './extended-attributes.ts'
import { seekIn } from './file-handles.ts'
import type { Attributes, FolderEntry } from './file-system.ts'
import { MomentTree, SnapshotTree } from './shown-tree.ts'
import type { ShownTree } from './shown-tree.ts'
import { OpenFolders } from './open-folders.ts'
import { shownAs } from './shown-owner.ts'
import type { ShownOwner } from './shown-owner.ts'

/** Numbers of inodes and handles from here on are of snapshots. */
export const FIRST_OF_SNAPSHOTS: number = 2 ** 48
const LISTED_MAX = 16_384
const TREES_MAX = 64
const NUMBER_BYTES = 6
/** The list of the snapshots that have a folder, or an object in one. */
type Shown =
  | { readonly kind: 'list'; readonly dir: NodeId }
  | { readonly kind: 'object'; readonly tree: ShownTree; readonly target: ViewTarget }

interface Known {
  readonly shown: Shown
  lookups: number
}

type Handle =
  | { readonly kind: 'file'; readonly reader: ContentReader; readonly lease: Lease }
  | { readonly kind: 'list'; readonly entries: readonly FolderEntry[] }
  | { readonly kind: 'folder'; readonly folders: OpenFolders; readonly handle: number }

export interface SnapshotFoldersComponents {
  readonly namespace: Namespace
  readonly contents: FileContents
  readonly snapshots: SnapshotFiles
  readonly owner?: ShownOwner | undefined
}

export class SnapshotFolders {
  readonly #c: SnapshotFoldersComponents
  readonly #byNumber = new Map<number, Known>()
  /** Entries of listings that the kernel may come to hold. */
  readonly #listed = new LRUCache<number, Shown>({ max: LISTED_MAX })
  /** By key: they keep what they have read. */
  readonly #trees = new LRUCache<string, ShownTree>({ max: TREES_MAX })
  readonly #handles = new Map<number, Handle>()
  #nextHandle: number = FIRST_OF_SNAPSHOTS

  constructor(components: SnapshotFoldersComponents) {
    this.#c = components
  }

  /** The list in a folder. */
  list(dir: NodeId): Attributes {
    return this.#hand({ kind: 'list', dir })
  }

  async lookup(parent: number, name: string): Promise<Attributes | undefined> {
    const shown = this.#shown(parent)
    if (shown.kind === 'list') {
      const tree = this.#moment(name) ?? (await this.#snapshots()).get(name)
      const target = { kind: 'dir', id: shown.dir } as const
      return tree?.has(shown.dir) ? this.#hand({ kind: 'object', tree, target }) : undefined
    }
    const { tree, target } = shown
    if (target.kind !== 'dir') throw new ShoalError('ENOTDIR', 'not a folder')
    const found = await tree.lookup(target.id, name as Name)
    return found && this.#hand({ ...shown, target: found })
  }

  attributes(inode: number): Attributes {
    return this.#attributes(inode, this.#shown(inode))
  }

  readLink(inode: number): string {
    const { tree, target } = this.#object(inode)
    return toByteString(symlinkTargetIn(tree.view, target.id))
  }

  open(inode: number): number {
    const { tree, target } = this.#object(inode)
    if (target.kind === 'dir') throw new ShoalError('EISDIR', 'is a folder')
    const version = fileVersionOf(this.#c.namespace.volume, tree.version(target))
    const lease = this.#c.contents.hold(target.id, contentOf(version))
    return this.#keep({ kind: 'file', reader: this.#c.contents.reader(version), lease })
  }

  read(
    handle: number,
    position: number,
    length: number,
    signal: AbortSignal,
  ): Promise<readonly Uint8Array[]> {
    return this.#file(handle).read(position, length, { signal })
  }

  async seek(handle: number, position: number, what: 'data' | 'hole'): Promise<number> {
    return seekIn(this.#file(handle), position, what, new AbortController().signal)
  }

  async openFolder(inode: number): Promise<number> {
    const shown = this.#shown(inode)
    if (shown.kind === 'object') {
      const { target } = shown
      if (target.kind !== 'dir') throw new ShoalError('ENOTDIR', 'not a folder')
      const folders = new OpenFolders(shown.tree)
      return this.#keep({ kind: 'folder', folders, handle: folders.open(target.id) })
    }
    const having = [...(await this.#snapshots())].filter(([, tree]) => tree.has(shown.dir))
    const entries = having.map(([name, tree], index) => {
      const one = { kind: 'object', tree, target: { kind: 'dir', id: shown.dir } } as const
      return { name, cookie: index + 1, attributes: this.#attributes(this.#noted(one), one) }
    })
    return this.#keep({ kind: 'list', entries })
  }

  async readFolder(
    inode: number,
    handle: number,
    cookie: number,
    countMax: number,
  ): Promise<readonly FolderEntry[]> {
    const open = this.#handles.get(handle)
    if (open?.kind === 'list') return open.entries.slice(cookie, cookie + countMax)
    const shown = this.#shown(inode)
    if (open?.kind !== 'folder' || shown.kind === 'list')
      throw new ShoalError('EINVAL', 'the folder is not open')
    const entries = await open.folders.read(open.handle, cookie, countMax)
    return entries.map((entry) => {
      const one = { ...shown, target: entry.target }
      const attributes = this.#attributes(this.#noted(one), one)
      return { name: entry.name, cookie: entry.cookie, attributes }
    })
  }

  close(handle: number): void {
    const open = this.#handles.get(handle)
    this.#handles.delete(handle)
    if (open?.kind === 'file') open.lease.end()
    if (open?.kind === 'folder') open.folders.close(open.handle)
  }

  closeAll(): void {
    for (const handle of this.#handles.keys()) this.close(handle)
  }

  getXattr(inode: number, name: string): Uint8Array | undefined {
    const shown = this.#shown(inode)
    if (shown.kind === 'list') return undefined
    const { tree, target } = shown
    const mode = (): number => tree.attributes(target).mode
    return getXattr(tree.view, target, { name: name as XattrName, mode })
  }

  listXattrs(inode: number): readonly string[] {
    const shown = this.#shown(inode)
    if (shown.kind === 'list') return []
    return readXattrNames(shown.tree.view, shown.target.id)
  }

  retain(inode: number): void {
    const shown = this.#byNumber.get(inode)?.shown ?? this.#listed.get(inode)
    if (shown !== undefined) this.#hold(shown)
  }

  forget(inode: number, count: number): void {
    const known = this.#byNumber.get(inode)
    if (known === undefined) return
    known.lookups -= count
    if (known.lookups <= 0) this.#byNumber.delete(inode)
  }

  /** The lists that the kernel holds. */
  *heldLists(): Generator<number> {
    for (const [number, { shown }] of this.#byNumber) if (shown.kind === 'list') yield number
  }

  /** The trees of snapshots that are here, by name. */
  async #snapshots(): Promise<ReadonlyMap<string, ShownTree>> {
    const { namespace, snapshots } = this.#c
    const here = (await snapshots.all()).filter(({ tree }) => tree !== undefined)
    const open = (one: NamedSnapshot): ShownTree =>
      this.#kept(new SnapshotTree(namespace, snapshots, one))
    return new Map(here.map((one) => [nameOf(one), open(one)] as const))
  }

  /** The tree of a moment that has passed: "@2026-11-20T10:00". */
  #moment(name: string): ShownTree | undefined {
    const { namespace } = this.#c
    const atMs = name.startsWith('@') ? momentOf(name.slice(1)) : undefined
    if (atMs === undefined || atMs > namespace.volume.time.now()) return undefined
    return this.#kept(new MomentTree(namespace, stampAfter(atMs)))
  }

  /** The same tree as it was opened before, if it was. */
  #kept(tree: ShownTree): ShownTree {
    const known = this.#trees.get(tree.key) ?? tree
    this.#trees.set(tree.key, known)
    return known
  }

  #attributes(inode: number, shown: Shown): Attributes {
    const { namespace, owner = {} } = this.#c
    if (shown.kind === 'object') {
      return { ...shownAs(shown.tree.attributes(shown.target), owner), inode }
    }
    const folder = namespace.attributes({ kind: 'dir', id: shown.dir })
    return { ...shownAs({ ...folder, mode: 0o555, linkCount: 2 }, owner), inode }
  }

  /** Attributes of what the kernel will hold once more. */
  #hand(shown: Shown): Attributes {
    const attributes = this.#attributes(this.#numberOf(shown), shown)
    this.#hold(shown)
    return attributes
  }

  #hold(shown: Shown): void {
    const number = this.#numberOf(shown)
    const known = this.#byNumber.get(number)
    if (known === undefined) this.#byNumber.set(number, { shown, lookups: 1 })
    else known.lookups++
  }

  /** The number of an entry of a listing, which the kernel may or may not come to hold. */
  #noted(shown: Shown): number {
    const number = this.#numberOf(shown)
    if (!this.#byNumber.has(number)) this.#listed.set(number, shown)
    return number
  }

  #numberOf(shown: Shown): number {
    const key = keyOf(shown)
    const hash = Buffer.from(blake3(utf8(key)))
    let number = FIRST_OF_SNAPSHOTS + hash.readUIntBE(0, NUMBER_BYTES)
    for (let known = this.#byNumber.get(number); ; known = this.#byNumber.get(++number))
      if (known === undefined || keyOf(known.shown) === key) return number
  }

  /** throws 'ESTALE' for what the kernel does not hold. */
  #shown(inode: number): Shown {
    const known = this.#byNumber.get(inode)
    if (known === undefined)
      throw new ShoalError('ESTALE', `inode ${inode} is not known to this mount`)
    return known.shown
  }

  #object(inode: number): Shown & { readonly kind: 'object' } {
    const shown = this.#shown(inode)
    if (shown.kind === 'list') throw new ShoalError('EISDIR', 'is a folder')
    return shown
  }

  #file(handle: number): ContentReader {
    const open = this.#handles.get(handle)
    if (open?.kind !== 'file') throw new ShoalError('EINVAL', 'the file is not open')
    return open.reader
  }

  #keep(handle: Handle): number {
    const number = this.#nextHandle++
    this.#handles.set(number, handle)
    return number
  }
}

function nameOf({ shown }: NamedSnapshot): string {
  return toByteString(utf8(shown))
}

/** The same for all names of a file. */
function keyOf(shown: Shown): string {
  if (shown.kind === 'list') return `list ${shown.dir}`
  const { tree, target } = shown
  const version = target.kind === 'dir' ? '' : (target.version ?? '')
  return `${tree.key} ${target.id} ${version}`
}
