// The snapshots of one volume by name, and what lies in them: folders and files as they were, under
// the names that they had. Two that were made at once under one name are told apart.
import { ShoalError } from '../../protocol/errors.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { nameFromText, nameText } from '../../protocol/op/names.ts'
import { ROOT, readInode, readLink } from '../../protocol/tree/records.ts'
import { lookupName } from '../../protocol/tree/view.ts'
import type { ViewTarget } from '../../protocol/tree/view.ts'
import { shownVersion } from '../../protocol/tree/attributes.ts'
import type { FileStat } from '../control/files.ts'
import { viewOf } from '../log/volume-trees.ts'
import { readMissingTrees, readSnapshotTrees } from '../state/snapshot-trees.ts'
import type { SnapshotTree } from '../state/snapshot-trees.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { snapshotAt, snapshotsIn } from '../state/snapshots.ts'
import type { Snapshot } from '../state/snapshots.ts'
import type { Namespace } from '../tree/namespace.ts'
import type { PastState } from '../tree/past.ts'
import { attributesIn, entriesIn, symlinkTargetIn } from '../tree/tree-reading.ts'
import { pagesOf } from '../world/paging.ts'
import { fileStat } from './file-stat.ts'
import { formatPath } from './paths.ts'
import { folderPaths } from './tree-paths.ts'

/** Characters of the id that tell one from another of its name. */
const TOLD_APART = 8
const LIST_PAGE = 512

export interface NamedSnapshot extends Snapshot {
  /** Its name, if no other has it. */
  readonly shown: string
}

/** A snapshot, with the facts about its tree when it was listed; none while that is not here. */
export interface ListedSnapshot extends NamedSnapshot {
  readonly tree: SnapshotTree | undefined
  readonly isLost: boolean
}

/** A place in a snapshot. */
export interface SnapshotPlace {
  readonly snapshot: NamedSnapshot
  readonly view: SnapshotView
  readonly target: ViewTarget
}

export class SnapshotFiles {
  readonly #namespace: Namespace

  constructor(namespace: Namespace) {
    this.#namespace = namespace
  }

  /** All that there are, the newest first. */
  async all(): Promise<readonly ListedSnapshot[]> {
    const { view } = this.#namespace.volume
    const all = await snapshotsIn(view)
    const [trees, missing] = [readSnapshotTrees(view), readMissingTrees(view)]
    const taken = new Set<string>()
    // Whoever had a name first keeps it.
    return all
      .toSorted((a, b) => (a.stamp < b.stamp ? -1 : 1))
      .map((snapshot) => {
        const { name, id } = snapshot
        let shown = name
        for (let chars = TOLD_APART; taken.has(shown); chars++)
          shown = `${name}+${id.slice(0, chars)}`
        taken.add(shown)
        const { key } = snapshot
        const isLost = missing.get(key)?.isLost === true
        return { ...snapshot, shown, tree: trees.get(key), isLost }
      })
      .sort((a, b) => (a.hlc > b.hlc ? -1 : 1))
  }

  /** throws 'ENOENT'. */
  async named(name: string): Promise<ListedSnapshot> {
    const found = (await this.all()).find(({ shown }) => shown === name)
    if (found !== undefined) return found
    const how = '"shoal snapshot ls" lists those that there are'
    throw new ShoalError('ENOENT', `there is no snapshot "${name}"; ${how}`)
  }

  /** The facts about its tree; undefined while that is not here. */
  treeOf({ key }: Snapshot): SnapshotTree | undefined {
    return readSnapshotTrees(this.#namespace.volume.view).get(key)
  }

  isThere({ key }: Snapshot): boolean {
    return snapshotAt(this.#namespace.volume.view, key) !== undefined
  }

  /** throws 'chunk-unavailable' while its tree is not here. */
  open(snapshot: Snapshot): SnapshotView {
    const tree = this.treeOf(snapshot)
    if (tree !== undefined) return this.viewIn(tree)
    const how = 'it comes from its maker, or another member that has it'
    const message = `the snapshot ${snapshot.name} is not on this node yet; ${how}`
    throw new ShoalError('chunk-unavailable', message)
  }

  viewIn({ root }: SnapshotTree): SnapshotView {
    return viewOf(this.#namespace.volume, root)
  }

  /** Finds what was at a path. throws 'ENOENT', 'ENOTDIR', as open(). */
  async at(path: readonly string[], name: string): Promise<SnapshotPlace> {
    const snapshot = await this.named(name)
    const view = this.open(snapshot)
    const { authorName } = this.#namespace.volume
    let target: ViewTarget = { kind: 'dir', id: ROOT }
    let isInside = snapshot.folder === ROOT
    for (const part of path) {
      if (target.kind !== 'dir') throw this.#notThere('ENOTDIR', path, snapshot)
      const found = lookupName(view, target.id, nameFromText(part), authorName)
      const next: ViewTarget | undefined = found?.target
      if (next === undefined) throw this.#notThere('ENOENT', path, snapshot)
      isInside ||= next.kind === 'dir' && next.id === snapshot.folder
      target = next
    }
    if (!isInside) throw this.#notThere('ENOENT', path, snapshot)
    return { snapshot, view, target }
  }

  /** The state of a file at a path. throws as at(), and 'EISDIR'. */
  async stateAt(path: readonly string[], name: string): Promise<PastState> {
    const { view, target } = await this.at(path, name)
    if (target.kind === 'inode') return stateOf(view, target)
    const how = 'give a file in it, or bring it back with "shoal restore"'
    throw new ShoalError('EISDIR', `${this.#shown(path)}: is a folder in ${name}; ${how}`)
  }

  /** throws as at(). */
  async stat(path: readonly string[], name: string): Promise<FileStat> {
    const { view, target } = await this.at(path, name)
    return statIn(view, path.at(-1) ?? '/', target)
  }

  /** The entries of a folder, in pages. throws as at(). */
  async *list(path: readonly string[], name: string): AsyncGenerator<readonly FileStat[]> {
    const { view, target } = await this.at(path, name)
    if (target.kind !== 'dir')
      throw new ShoalError('ENOTDIR', `${this.#shown(path)}: is not a folder in ${name}`)
    const entries = entriesIn(this.#namespace.volume, view, target.id)
    for await (const page of pagesOf(entries, LIST_PAGE))
      yield page.map((entry) => statIn(view, nameText(entry.name), entry.target))
  }

  /** The path in a snapshot of the directory that it is of. */
  pathOfFolder(view: SnapshotView, folder: NodeId): string {
    const path = folderPaths(view, this.#namespace.volume.authorName)(folder)
    return formatPath(path ?? [])
  }

  #notThere(
    code: 'ENOENT' | 'ENOTDIR',
    path: readonly string[],
    snapshot: NamedSnapshot,
  ): ShoalError {
    return new ShoalError(code, `${this.#shown(path)}: is not in the snapshot ${snapshot.shown}`)
  }

  #shown(path: readonly string[]): string {
    return this.#namespace.shownPath(formatPath(path))
  }
}

function statIn(view: SnapshotView, name: string, target: ViewTarget): FileStat {
  return fileStat(name, attributesIn(view, target), () => symlinkTargetIn(view, target.id))
}

/** The file at a place, as a state of it. */
export function stateOf(
  view: ReplicaView,
  target: ViewTarget & { readonly kind: 'inode' },
): PastState {
  const inode = readInode(view, target.id)
  const version = inode && shownVersion(view, target.id, inode, target.version)
  const began = version?.stamp ?? readLink(view, target.link)?.made
  if (inode === undefined || began === undefined)
    throw new ShoalError('corrupt', 'the record of a file is missing')
  const { id, link } = target
  return { link, inode: id, version, began, ended: undefined, end: 'current', view }
}
