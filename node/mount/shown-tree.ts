// States of a volume as a mount shows them below `.snapshots`: by the name of a snapshot, or by a
// time, as far as what stood then is kept. What is in them never changes, but may go.
import { keptVersion } from '../../protocol/tree/superseded.ts'
import { LRUCache } from 'lru-cache'
import { ShoalError } from '../../protocol/errors.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { collisionKey } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { inodeAttributes } from '../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { ROOT, isDirVisible, readDir } from '../../protocol/tree/records.ts'
import type { StateStore } from '../../protocol/tree/records.ts'
import { isWithin } from '../../protocol/tree/moves.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { lookupName, namesBehind } from '../../protocol/tree/view.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import type { Namespace } from '../tree/namespace.ts'
import { entriesAt, entriesOfKey, removedSince, stateBefore, statesOf } from '../tree/past.ts'
import type { RemovedSince, Placed } from '../tree/past.ts'
import { attributesIn, entriesIn, inodeIn, versionIn } from '../tree/tree-reading.ts'
import type { ListedEntry } from '../tree/tree-reading.ts'
import type { NamedSnapshot, SnapshotFiles } from '../volume/snapshot-files.ts'

/** Folders of one moment whose removed entries are known. */
const FOLDERS_MAX = 16

/** All methods throw 'ESTALE' for what is kept no longer. */
export interface ShownTree {
  /** Tells it from all others of the volume. */
  readonly key: string
  /** The store of its records, but for former versions. */
  readonly view: StateStore
  /** Whether it has a directory, which is found by its id, also where it was renamed since. */
  has(dir: NodeId): boolean
  lookup(dir: NodeId, name: Name): Promise<ViewTarget | undefined>
  /** The entries of a directory from after a key on, as Namespace.list(). */
  list(dir: NodeId, after?: ListedEntry['key']): AsyncGenerator<ListedEntry>
  attributes(target: ViewTarget): NodeAttributes
  /** Undefined for what nobody wrote to. */
  version(target: ViewTarget): Version | undefined
}

/** The tree of a snapshot. */
export class SnapshotTree implements ShownTree {
  readonly key: string
  readonly #namespace: Namespace
  readonly #snapshots: SnapshotFiles
  readonly #snapshot: NamedSnapshot
  /** Opened once, since it keeps the nodes that it has read. */
  #view: SnapshotView | undefined

  constructor(namespace: Namespace, snapshots: SnapshotFiles, snapshot: NamedSnapshot) {
    this.key = `${snapshot.peer} ${snapshot.id}`
    this.#namespace = namespace
    this.#snapshots = snapshots
    this.#snapshot = snapshot
  }

  get view(): SnapshotView {
    if (!this.#snapshots.isThere(this.#snapshot)) throw gone('the snapshot was removed')
    this.#view ??= this.#snapshots.open(this.#snapshot)
    return this.#view
  }

  has(dir: NodeId): boolean {
    const { view } = this
    const record = readDir(view, dir)
    const isShown = record !== undefined && isDirVisible(dir, record)
    return isShown && isWithin(view, dir, this.#snapshot.folder)
  }

  async lookup(dir: NodeId, name: Name): Promise<ViewTarget | undefined> {
    const { authorName } = this.#namespace.volume
    return lookupName(this.view, dir, name, authorName)?.target
  }

  list(dir: NodeId, after?: ListedEntry['key']): AsyncGenerator<ListedEntry> {
    return entriesIn(this.#namespace.volume, this.view, dir, after)
  }

  attributes(target: ViewTarget): NodeAttributes {
    return attributesIn(this.view, target)
  }

  version(target: ViewTarget): Version | undefined {
    return target.kind === 'dir' ? undefined : versionIn(this.view, target)
  }
}

/** The kept states that stood just before a stamp; where none is kept of then, the nearest. */
export class MomentTree implements ShownTree {
  readonly key: string
  readonly #namespace: Namespace
  readonly #at: Stamp
  readonly #gone = new LRUCache<NodeId, RemovedSince>({ max: FOLDERS_MAX })

  constructor(namespace: Namespace, at: Stamp) {
    this.key = `@${at}`
    this.#namespace = namespace
    this.#at = at
  }

  get view(): Namespace['volume']['view'] {
    return this.#namespace.volume.view
  }

  has(dir: NodeId): boolean {
    const record = readDir(this.view, dir)
    return dir === ROOT || (record !== undefined && record.created < this.#at)
  }

  async lookup(dir: NodeId, name: Name): Promise<ViewTarget | undefined> {
    const { authorName: author } = this.#namespace.volume
    const gone = await this.#goneFrom(dir)
    for (const plain of namesBehind(this.view, dir, name)) {
      const how = { gone, author, key: collisionKey(plain) }
      for (const found of entriesOfKey(this.view, dir, this.#at, how))
        if (found.name === name) return this.#targetOf(found.object)
    }
    return undefined
  }

  async *list(dir: NodeId, after?: ListedEntry['key']): AsyncGenerator<ListedEntry> {
    const { authorName: author } = this.#namespace.volume
    const gone = await this.#goneFrom(dir)
    for await (const found of entriesAt(this.view, dir, this.#at, { gone, author, after })) {
      const target = await this.#targetOf(found.object)
      if (target !== undefined) yield { key: found.key, name: found.name, target }
    }
  }

  attributes(target: ViewTarget): NodeAttributes {
    if (target.kind === 'dir') return { ...attributesIn(this.view, target), linkCount: 2 }
    const version = this.version(target)
    const shown = inodeAttributes(inodeIn(this.view, target.id), version)
    const time = version === undefined ? {} : { modifiedNs: version.modifiedNs }
    return { ...shown, ...time, linkCount: Math.max(1, shown.linkCount) }
  }

  version(target: ViewTarget): Version | undefined {
    if (target.kind === 'dir' || target.version === undefined) return undefined
    const found = keptVersion(this.view, target.id, target.version)
    if (found === undefined) throw gone('the version is kept no longer')
    return found
  }

  async #targetOf(object: Placed): Promise<ViewTarget | undefined> {
    if (object.kind === 'dir') return { kind: 'dir', id: object.id }
    const state = stateBefore(await statesOf(this.view, object), this.#at)?.state
    if (state === undefined) return undefined
    return { kind: 'inode', id: state.inode, link: state.link, version: state.version?.dot }
  }

  async #goneFrom(dir: NodeId): Promise<RemovedSince> {
    const known = this.#gone.get(dir)
    if (known !== undefined) return known
    const gone = await removedSince(this.view, dir, this.#at)
    this.#gone.set(dir, gone)
    return gone
  }
}

function gone(why: string): ShoalError {
  return new ShoalError('ESTALE', why)
}
