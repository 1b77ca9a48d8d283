// The difference of two states of a volume whose trees are here. What the trees share is not looked
// at. cost: O(difference)
import { equalBytes, fromByteString, toHex } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import { SHORT_ID_BYTES } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { LINKS_SEEN_MAX } from '../../protocol/limits.ts'
import { nameText } from '../../protocol/op/names.ts'
import { isSameContent } from '../../protocol/op/same-content.ts'
import { dirAttributes, inodeAttributes } from '../../protocol/tree/attributes.ts'
import type { NodeAttributes } from '../../protocol/tree/attributes.ts'
import { TREE_PREFIXES } from '../../protocol/tree/key-prefixes.ts'
import { ROOT, linksOf, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import type { Inode } from '../../protocol/tree/records.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import type { AuthorName } from '../../protocol/tree/view.ts'
import type { SnapshotChange, SnapshotChangeKind } from '../control/snapshots.ts'
import { treesOf } from '../log/volume-trees.ts'
import type { Volume } from '../log/volume.ts'
import type { SnapshotView } from '../state/snapshot-view.ts'
import { prefixEnd } from '../state/state-view.ts'
import { folderPaths } from './tree-paths.ts'
import { formatPath } from './paths.ts'
import { isPathWithin } from '../../protocol/path-within.ts'

const NO_TARGET = new Uint8Array()
/** Records looked at before others have their turn: each may be in a leaf of its own. */
const RECORDS_AT_ONCE = 16

export interface Difference extends SnapshotChange {
  /** The directory or the link. */
  readonly id: NodeId
}

/** A difference, with what there is at its path. */
interface Found extends Difference {
  readonly place: Place
}

/** A name in one of the states. */
interface Place {
  readonly path: readonly string[]
  readonly parent: NodeId
  readonly name: string
  readonly attributes: NodeAttributes
  /** Undefined: it is a folder. */
  readonly inode: Inode | undefined
}

type PlaceOf = (id: NodeId) => Place | undefined

interface DiffOptions {
  readonly folder?: NodeId
  /** Lets others have their turn, and throws where it is to end. */
  readonly pause: () => Promise<void>
}

/**
 * From one state to another, in order of path. folder: a directory or a link; only what was or is
 * in it, and below, by the path that it has in either.
 */
export async function differences(
  volume: Volume,
  [before, after]: readonly [SnapshotView, SnapshotView],
  { folder = ROOT, pause }: DiffOptions,
): Promise<readonly Difference[]> {
  const { authorName } = volume
  const sides = [placesIn(before, authorName), placesIn(after, authorName)] as const
  const found: Found[] = []
  const changed = (table: Table): Promise<ReadonlySet<NodeId>> =>
    changedIds(volume, [before, after], table, pause)
  const dirs = await changed('directory')
  for (const id of [...dirs, ...(await changed('link'))]) {
    const [was, is] = [sides[0](id), sides[1](id)]
    const one = was === undefined ? added(id, is) : is === undefined ? removed(id, was) : undefined
    if (one !== undefined) found.push(one)
    else if (was !== undefined && is !== undefined && isMoved(was, is))
      found.push(moved(id, was, is))
  }
  const touched = new Set<NodeId>()
  for (const table of ['inode', 'xattr', 'version'] as const)
    for (const id of await changed(table)) touched.add(id)
  for (const id of touched) found.push(...changesOf(id, [before, after], sides))
  for (const id of dirs) {
    const [was, is] = [sides[0](id), sides[1](id)]
    if (was !== undefined && is !== undefined && !sameAttributes(was.attributes, is.attributes))
      found.push(of('changed', id, is))
  }
  return arranged(found, [pathIn(before, folder, authorName), pathIn(after, folder, authorName)])
}

/** Names of a file that is in both, where its content, or what else people see of it, differs. */
function* changesOf(
  id: NodeId,
  [before, after]: readonly [SnapshotView, SnapshotView],
  [was, is]: readonly [PlaceOf, PlaceOf],
): Generator<Found> {
  if (readDir(after, id) !== undefined) {
    const [old, now] = [was(id), is(id)]
    if (old !== undefined && now !== undefined) yield of('changed', id, now)
    return
  }
  const [old, now] = [readInode(before, id), readInode(after, id)]
  if (old === undefined || now === undefined) return
  if (sameFile(old, now)) return
  for (const link of linksOf(after, id, now).take(LINKS_SEEN_MAX)) {
    const place = is(link)
    if (place !== undefined && was(link) !== undefined) yield of('changed', link, place)
  }
}

/**
 * Each name is told of once: a file that was made in place of another, as by a program that saves
 * by renaming, is changed, or not even that.
 */
function arranged(
  found: readonly Found[],
  folders: readonly (string | undefined)[],
): readonly Difference[] {
  const isWithin = (path: string | undefined): boolean =>
    folders.some(
      (folder) => path !== undefined && folder !== undefined && isPathWithin(path, folder),
    )
  const byPath = new Map<string, Found>()
  for (const one of found) {
    if (!isWithin(one.path) && !isWithin(one.from)) continue
    const key = one.path + (one.kind === 'renamed' ? '\0' : '')
    const other = byPath.get(key)
    const isReplaced = other !== undefined && other.kind !== one.kind
    if (!isReplaced) byPath.set(key, one)
    else if (isSame(one.place, other.place)) byPath.delete(key)
    else byPath.set(key, { ...(one.kind === 'added' ? one : other), kind: 'changed' })
  }
  return [...byPath.values()]
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
    .map((one) => ({ id: one.id, ...changeOf(one) }))
}

/** The part of it that is told. */
export function changeOf({ kind, path, from, fileKind, sizeBytes }: Difference): SnapshotChange {
  return { kind, path, ...(from !== undefined && { from }), fileKind, sizeBytes }
}

function sameVersion(a: Version | undefined, b: Version | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.dot === b.dot || isSameContent(a, b)
}

function isSame(a: Place, b: Place): boolean {
  if (a.inode !== undefined && b.inode !== undefined) return sameFile(a.inode, b.inode)
  return a.inode === b.inode && sameAttributes(a.attributes, b.attributes)
}

function sameFile(a: Inode, b: Inode): boolean {
  return (
    sameVersion(a.newest, b.newest) &&
    sameAttributes(inodeAttributes(a, a.newest), inodeAttributes(b, b.newest)) &&
    a.losers.length === b.losers.length &&
    equalBytes(a.target ?? NO_TARGET, b.target ?? NO_TARGET)
  )
}

type Table = 'directory' | 'link' | 'inode' | 'version' | 'xattr'

/** Ids that begin the keys of records that are not the same in both. */
async function changedIds(
  volume: Volume,
  [before, after]: readonly [SnapshotView, SnapshotView],
  table: Table,
  pause: () => Promise<void>,
): Promise<ReadonlySet<NodeId>> {
  const { sealed } = treesOf(volume)
  const prefix = TREE_PREFIXES[table]
  const range = { from: prefix, to: prefixEnd(prefix) }
  const ids = new Set<NodeId>()
  let count = 0
  for (const [old, now] of [[before, after] as const, [after, before] as const]) {
    for (const [key] of sealed.newRecords(old.root, now.root, range)) {
      ids.add(idIn(key, prefix))
      if (++count % RECORDS_AT_ONCE === 0) await pause()
    }
  }
  return ids
}

function idIn(key: ByteString, { length }: ByteString): NodeId {
  return toHex(fromByteString(key.slice(length, length + SHORT_ID_BYTES))) as NodeId
}

function placesIn(view: SnapshotView, author: AuthorName): PlaceOf {
  const pathOf = folderPaths(view, author)
  return (id) => {
    const dir = readDir(view, id)
    if (dir !== undefined) {
      const path = pathOf(id)
      if (path === undefined || id === ROOT) return undefined
      const { parent, name } = dir
      return {
        path,
        parent,
        name: nameText(name),
        attributes: dirAttributes(id, dir),
        inode: undefined,
      }
    }
    const link = readLink(view, id)
    const inode = link === undefined ? undefined : readInode(view, link.inode)
    if (link === undefined || inode === undefined || link.live.length === 0) return undefined
    const folder = pathOf(link.parent)
    if (folder === undefined) return undefined
    const name = nameText(link.name)
    const attributes = inodeAttributes(inode, inode.newest)
    return { path: [...folder, name], parent: link.parent, name, attributes, inode }
  }
}

function pathIn(view: SnapshotView, folder: NodeId, author: AuthorName): string | undefined {
  const pathOf = folderPaths(view, author)
  const path = readDir(view, folder) === undefined ? undefined : pathOf(folder)
  if (path !== undefined) return formatPath(path)
  const file = placesIn(view, author)(folder)
  return file && formatPath(file.path)
}

function isMoved(was: Place, is: Place): boolean {
  return was.parent !== is.parent || was.name !== is.name
}

/** Compares what people set. The times of a folder change with what is in it. */
function sameAttributes(a: NodeAttributes, b: NodeAttributes): boolean {
  const isSame = a.mode === b.mode && a.uid === b.uid && a.gid === b.gid
  return isSame && (a.kind === 'folder' || a.modifiedNs === b.modifiedNs)
}

function added(id: NodeId, is: Place | undefined): Found | undefined {
  return is && of('added', id, is)
}

function removed(id: NodeId, was: Place): Found {
  return of('removed', id, was)
}

function moved(id: NodeId, was: Place, is: Place): Found {
  return { ...of('renamed', id, is), from: formatPath(was.path) }
}

function of(kind: SnapshotChangeKind, id: NodeId, place: Place): Found {
  const { path, attributes } = place
  const { kind: fileKind, sizeBytes } = attributes
  const size = fileKind === 'file' ? sizeBytes : 0
  return { kind, id, path: formatPath(path), fileKind, sizeBytes: size, place }
}
