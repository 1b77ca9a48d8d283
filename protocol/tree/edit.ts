// The records that one op reads and changes: each is read once, changed in memory, and written
// once, by `flush`. What follows from them for the index of conflicts is counted then, too, or at
// the end of a batch of ops.
import type { NodeId } from '../ids.ts'
import type { Stamp } from '../clock/dot.ts'
import type { ChangeSet } from './apply.ts'
import { recountCopies } from './conflict-counts.ts'
import { forgetDead, markDead } from './dead.ts'
import type { DeadKind } from './dead.ts'
import { collisionKey } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import { readDir, readInode, readLink, writeDir, writeInode, writeLink } from './records.ts'
import type { Dir, Inode, Link, StateStore } from './records.ts'
import { addFile } from './file-totals.ts'
import type { FileTotals } from './file-totals.ts'

export class Edit {
  readonly store: StateStore
  /** The stamp of the op. */
  readonly stamp: Stamp
  readonly changes: ChangeSet
  readonly #dirs: Drafts<Dir>
  readonly #links: Drafts<Link>
  readonly #inodes: Drafts<Inode>
  readonly #isBatch: boolean
  readonly #growth: FileTotals = { files: 0, bytes: 0n }
  /** Undefined before the first. */
  #recounts: Recounts | undefined

  /** recounts: of a batch of ops, to be run at its end; undefined: of this op alone. */
  constructor(store: StateStore, stamp: Stamp, changes: ChangeSet, recounts?: Recounts) {
    this.store = store
    this.stamp = stamp
    this.changes = changes
    this.#recounts = recounts
    this.#isBatch = recounts !== undefined
    this.#dirs = new Drafts(store, readDir)
    this.#links = new Drafts(store, readLink)
    this.#inodes = new Drafts(store, readInode, (inode) => addFile(this.#growth, inode, -1))
  }

  /** As it is now. Whoever changes it puts it. */
  dir(id: NodeId): Dir | undefined {
    return this.#dirs.get(id)
  }

  link(id: NodeId): Link | undefined {
    return this.#links.get(id)
  }

  inode(id: NodeId): Inode | undefined {
    return this.#inodes.get(id)
  }

  putDir(id: NodeId, dir: Dir): void {
    this.#dirs.put(id, dir)
  }

  putLink(id: NodeId, link: Link): void {
    this.#links.put(id, link)
  }

  putInode(id: NodeId, inode: Inode): void {
    this.#inodes.put(id, inode)
  }

  /** It shows no more. lastName: of an inode the link that went. */
  died(kind: DeadKind, id: NodeId, lastName?: NodeId): void {
    markDead(this.store, { kind, id }, this.stamp, lastName)
    const newest = kind === 'inode' ? this.inode(id)?.newest : undefined
    if (newest !== undefined)
      this.changes.lost.push({ inode: id, began: newest.stamp, ended: this.stamp })
  }

  /** It shows again. */
  revived(kind: DeadKind, id: NodeId): void {
    forgetDead(this.store, kind, id)
  }

  /** Counts the conflicts under this name, or of its contents, again. */
  recount(dir: NodeId, name: Name): void {
    this.#recounts ??= new Recounts()
    this.#recounts.add(dir, name)
  }

  /** returns by how much the files that show became more. */
  flush(): Readonly<FileTotals> {
    this.#inodes.each((inode) => addFile(this.#growth, inode, 1))
    this.#dirs.flush(writeDir)
    this.#links.flush(writeLink)
    this.#inodes.flush(writeInode)
    if (!this.#isBatch) this.#recounts?.run(this.store)
    return this.#growth
  }
}

/**
 * Names whose conflict copies may be others now: they are counted once, however many ops came to
 * them.
 */
export class Recounts {
  readonly #names = new Map<string, readonly [NodeId, Name]>()

  add(dir: NodeId, name: Name): void {
    this.#names.set(dir + collisionKey(name), [dir, name])
  }

  run(store: StateStore): void {
    for (const [dir, name] of this.#names.values()) recountCopies(store, dir, name)
  }
}

/**
 * Records of one kind: those that were read, and which of them were put since. Most ops have one or
 * two.
 */
class Drafts<Item> {
  readonly #store: StateStore
  readonly #read: (store: StateStore, id: NodeId) => Item | undefined
  readonly #onRead: ((item: Item) => void) | undefined
  #drafts: Map<NodeId, { item: Item; isPut: boolean }> | undefined

  /** onRead: told of each record once, as it is before anything changes it. */
  constructor(
    store: StateStore,
    read: (store: StateStore, id: NodeId) => Item | undefined,
    onRead?: (item: Item) => void,
  ) {
    this.#store = store
    this.#read = read
    this.#onRead = onRead
  }

  get(id: NodeId): Item | undefined {
    const known = this.#drafts?.get(id)
    if (known !== undefined) return known.item
    const item = this.#read(this.#store, id)
    if (item !== undefined) this.#onRead?.(item)
    if (item !== undefined) (this.#drafts ??= new Map()).set(id, { item, isPut: false })
    return item
  }

  put(id: NodeId, item: Item): void {
    const known = this.#drafts?.get(id)
    if (known === undefined) {
      ;(this.#drafts ??= new Map()).set(id, { item, isPut: true })
    } else {
      known.item = item
      known.isPut = true
    }
  }

  /** All that were read or put, as they are now. */
  each(visit: (item: Item) => void): void {
    for (const { item } of this.#drafts?.values() ?? []) visit(item)
  }

  flush(write: (store: StateStore, id: NodeId, item: Item) => void): void {
    if (this.#drafts === undefined) return
    for (const [id, { item, isPut }] of this.#drafts) if (isPut) write(this.#store, id, item)
  }
}
