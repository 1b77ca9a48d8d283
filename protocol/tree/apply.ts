// The replicated tree: applying ops. Replicas that have applied the same ops, each after its causal past, hold equal
// records, in whatever order concurrent ops came:
//   positions of links     last writer wins by stamp
//   positions of dirs      all moves in stamp order, a move that would close a cycle at its place is void
//                          (Kleppmann, Mulligan, Gomes, Beresford: "A highly-available move operation for replicated
//                          trees", IEEE TPDS 2022), by undo and redo in moves.ts
//   presence               observed-remove: a delete covers the dots it saw, anything concurrent keeps the object alive;
//                          causal delivery makes "remove the dots from the live set" enough
//   contents               multi-value: a version replaces the versions in its base
//   attributes             each last writer wins by stamp
// A directory shows while it is alive or has a child that shows, so deletes never orphan a concurrent child.
import { assertNever } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { STAMP_ZERO } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import type { MoveLog } from './moves.ts'
import type { Name } from './names.ts'
import type { TreeOp } from './op.ts'
import {
  ROOT,
  addChild,
  mergeAttributes,
  readDir,
  readInode,
  readLink,
  removeChild,
  setVersions,
  writeDir,
  writeInode,
  writeLink,
} from './records.ts'
import type { Dir, Link, StateStore } from './records.ts'

/** When and by whom an op was made. */
export interface OpContext {
  readonly dot: Dot
  readonly stamp: Stamp
}

/** What an op changed, for caches and watchers: ids whose attributes or content, and dirs whose names changed. */
export interface ChangeSet {
  readonly dirs: Set<NodeId>
  readonly inodes: Set<NodeId>
  /** Names that now mean something else, as [dir, name]. */
  readonly names: [NodeId, Name][]
}

export function emptyChanges(): ChangeSet {
  return { dirs: new Set(), inodes: new Set(), names: [] }
}

/** Make the root, which no op creates. Idempotent. */
export function ensureRoot(store: StateStore): void {
  if (readDir(store, ROOT) !== undefined) return
  writeDir(store, ROOT, newDir(ROOT, '' as Name, STAMP_ZERO))
}

/** Apply one op after its causal past. Ops that name what this replica never had are skipped. */
export function applyOp(
  store: StateStore,
  moves: MoveLog,
  op: TreeOp,
  { dot, stamp }: OpContext,
  changes: ChangeSet,
): void {
  switch (op.kind) {
    case 'mkdir':
      return applyMkdir(store, moves, op, { dot, stamp }, changes)
    case 'create':
      return applyCreate(store, op, dot, stamp, changes)
    case 'link':
      if (readInode(store, op.inode) === undefined || readLink(store, op.link) !== undefined) return
      return addLink(store, op, dot, stamp, changes)
    case 'move':
      return applyMove(store, op, dot, stamp, changes)
    case 'move-dir': {
      const dir = readDir(store, op.id)
      if (dir === undefined || op.id === ROOT || readDir(store, op.parent) === undefined) return
      setDirLive(store, op.id, [...without(dir.live, op.saw), dot], changes)
      touchDir(store, op.from, stamp, changes)
      touchDir(store, op.parent, stamp, changes)
      return moves.apply(store, { stamp, dir: op.id, parent: op.parent, name: op.name }, changes)
    }
    case 'unlink':
      return applyUnlink(store, op, stamp, changes)
    case 'rmdir':
      return applyRmdir(store, op, stamp, changes)
    case 'attributes':
      return applyAttributes(store, op, stamp, changes)
    case 'version':
      return applyVersion(store, op, dot, stamp, changes)
    case 'drop-version': {
      const inode = readInode(store, op.inode)
      if (inode === undefined) return
      const kept = inode.versions.filter((version) => !op.saw.includes(version.dot))
      setVersions(store, inode, kept)
      writeInode(store, op.inode, inode)
      changes.inodes.add(op.inode)
      return
    }
    case 'policy':
      return
    default:
      return assertNever(op)
  }
}

function applyCreate(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'create' }>,
  dot: Dot,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  if (readInode(store, op.inode) !== undefined || readLink(store, op.link) !== undefined) return
  const inode = {
    target: op.target,
    attributes: {},
    versions: [],
    links: [],
    created: stamp,
    changed: stamp,
  }
  mergeAttributes(inode.attributes, op.attributes, stamp)
  writeInode(store, op.inode, inode)
  return addLink(store, op, dot, stamp, changes)
}

function applyUnlink(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'unlink' }>,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  const link = readLink(store, op.link)
  if (link === undefined) return
  setLinkLive(store, op.link, link, without(link.live, op.saw), changes)
  touchInode(store, link.inode, stamp, changes)
  return touchDir(store, op.from, stamp, changes)
}

function applyRmdir(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'rmdir' }>,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  const dir = readDir(store, op.id)
  if (dir === undefined || op.id === ROOT) return
  setDirLive(store, op.id, without(dir.live, op.saw), changes)
  return touchDir(store, op.from, stamp, changes)
}

function applyMkdir(
  store: StateStore,
  moves: MoveLog,
  op: Extract<TreeOp, { kind: 'mkdir' }>,
  { dot, stamp }: OpContext,
  changes: ChangeSet,
): void {
  if (readDir(store, op.parent) === undefined) return
  const known = readDir(store, op.id)
  // Made at once under two spellings of one name: that of the oldest mkdir is where all moves begin.
  if (known !== undefined && stamp < known.created) moves.respell(store, op.id, op.name, changes)
  const dir = readDir(store, op.id) ?? newDir(op.parent, op.name, stamp)
  if (stamp < dir.created) dir.created = stamp
  if (stamp > dir.changed) dir.changed = stamp
  mergeAttributes(dir.attributes, op.attributes, stamp)
  writeDir(store, op.id, dir)
  setDirLive(store, op.id, [...dir.live, dot], changes)
  touchDir(store, op.parent, stamp, changes)
}

function applyMove(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'move' }>,
  dot: Dot,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  const link = readLink(store, op.link)
  if (link === undefined || readDir(store, op.parent) === undefined) return
  setLinkLive(store, op.link, link, [...without(link.live, op.saw), dot], changes)
  if (link.placed < stamp) {
    hideLink(store, op.link, link, changes)
    link.parent = op.parent
    link.name = op.name
    link.placed = stamp
    writeLink(store, op.link, link)
    showLink(store, op.link, link, changes)
  }
  touchInode(store, link.inode, stamp, changes)
  touchDir(store, op.from, stamp, changes)
  touchDir(store, op.parent, stamp, changes)
}

function applyAttributes(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'attributes' }>,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  const inode = readInode(store, op.id)
  if (inode !== undefined) {
    mergeAttributes(inode.attributes, op.attributes, stamp)
    if (inode.changed < stamp) inode.changed = stamp
    writeInode(store, op.id, inode)
    changes.inodes.add(op.id)
    return
  }
  const dir = readDir(store, op.id)
  if (dir === undefined) return
  mergeAttributes(dir.attributes, op.attributes, stamp)
  writeDir(store, op.id, dir)
  changes.dirs.add(op.id)
}

function applyVersion(
  store: StateStore,
  op: Extract<TreeOp, { kind: 'version' }>,
  dot: Dot,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  const inode = readInode(store, op.inode)
  if (inode === undefined) return
  setVersions(store, inode, [
    ...inode.versions.filter((known) => !op.base.includes(known.dot)),
    { dot, stamp, size: op.size, content: op.content, modifiedNs: op.modifiedNs },
  ])
  mergeAttributes(inode.attributes, { modifiedNs: op.modifiedNs }, stamp)
  if (inode.changed < stamp) inode.changed = stamp
  writeInode(store, op.inode, inode)
  changes.inodes.add(op.inode)
  for (const { link: id, saw } of op.touch) {
    const link = readLink(store, id)
    if (link === undefined || link.inode !== op.inode) continue
    setLinkLive(store, id, link, [...without(link.live, saw), dot], changes)
    // A conflict copy may begin or cease to show beside it.
    changes.names.push([link.parent, link.name])
  }
}

/** Presence that a writer who saw `saw` leaves standing. */
function without(live: readonly Dot[], saw: readonly Dot[]): Dot[] {
  return live.filter((known) => !saw.includes(known))
}

function newDir(parent: NodeId, name: Name, stamp: Stamp): Dir {
  return {
    parent,
    name,
    created: stamp,
    live: [],
    visibleChildren: 0,
    visibleDirs: 0,
    attributes: {},
    changed: stamp,
  }
}

/** True if the directory shows. */
export function isDirVisible(id: NodeId, dir: Dir): boolean {
  return id === ROOT || dir.live.length > 0 || dir.visibleChildren > 0
}

function addLink(
  store: StateStore,
  op: {
    readonly link: NodeId
    readonly inode: NodeId
    readonly parent: NodeId
    readonly name: Name
  },
  dot: Dot,
  stamp: Stamp,
  changes: ChangeSet,
): void {
  if (readDir(store, op.parent) === undefined) return
  const link: Link = { parent: op.parent, name: op.name, placed: stamp, live: [], inode: op.inode }
  setLinkLive(store, op.link, link, [dot], changes)
  touchInode(store, op.inode, stamp, changes)
  touchDir(store, op.parent, stamp, changes)
}

/** Set the presence dots of a link; it begins or ceases to show when they begin or cease to be. Mutates `link`. */
function setLinkLive(
  store: StateStore,
  id: NodeId,
  link: Link,
  live: Dot[],
  changes: ChangeSet,
): void {
  const wasVisible = link.live.length > 0
  const visible = live.length > 0
  link.live = live
  writeLink(store, id, link)
  if (visible === wasVisible) return
  if (visible) showLink(store, id, link, changes)
  else hideLink(store, id, link, changes)
  const inode = readInode(store, link.inode)
  if (inode === undefined) return
  inode.links = inode.links.filter((known) => known !== id)
  if (visible) inode.links = [...inode.links, id].sort()
  writeInode(store, link.inode, inode)
  changes.inodes.add(link.inode)
}

function showLink(store: StateStore, id: NodeId, link: Link, changes: ChangeSet): void {
  addChild(store, link.parent, link.name, { kind: 'link', id })
  changes.names.push([link.parent, link.name])
  countChild(store, link.parent, 1, 0, changes)
}

function hideLink(store: StateStore, id: NodeId, link: Link, changes: ChangeSet): void {
  removeChild(store, link.parent, link.name, id)
  changes.names.push([link.parent, link.name])
  countChild(store, link.parent, -1, 0, changes)
}

function setDirLive(store: StateStore, id: NodeId, live: Dot[], changes: ChangeSet): void {
  const dir = readDir(store, id)
  if (dir === undefined) return
  const wasVisible = isDirVisible(id, dir)
  dir.live = live
  writeDir(store, id, dir)
  changes.dirs.add(id)
  showDir(store, id, dir, wasVisible, changes)
}

/** A directory may have begun or ceased to show: keep its parent's names and count true. */
function showDir(
  store: StateStore,
  id: NodeId,
  dir: Dir,
  wasVisible: boolean,
  changes: ChangeSet,
): void {
  const visible = isDirVisible(id, dir)
  if (visible === wasVisible) return
  changes.names.push([dir.parent, dir.name])
  if (visible) addChild(store, dir.parent, dir.name, { kind: 'dir', id })
  else removeChild(store, dir.parent, dir.name, id)
  countChild(store, dir.parent, visible ? 1 : -1, visible ? 1 : -1, changes)
}

/** Adjust the count of visible children of a directory, and of its ancestors where that changes whether they show. */
export function countChild(
  store: StateStore,
  id: NodeId,
  children: number,
  dirs: number,
  changes: ChangeSet,
): void {
  const dir = readDir(store, id)
  if (dir === undefined) return
  const wasVisible = isDirVisible(id, dir)
  dir.visibleChildren += children
  dir.visibleDirs += dirs
  writeDir(store, id, dir)
  changes.dirs.add(id)
  showDir(store, id, dir, wasVisible, changes)
}

/** The names of a directory changed at `stamp`. Ops name the directories, so that all replicas touch the same. */
function touchDir(store: StateStore, id: NodeId, stamp: Stamp, changes: ChangeSet): void {
  const dir = readDir(store, id)
  changes.dirs.add(id)
  if (dir === undefined || dir.changed >= stamp) return
  dir.changed = stamp
  writeDir(store, id, dir)
}

function touchInode(store: StateStore, id: NodeId, stamp: Stamp, changes: ChangeSet): void {
  const inode = readInode(store, id)
  changes.inodes.add(id)
  if (inode === undefined || inode.changed >= stamp) return
  inode.changed = stamp
  writeInode(store, id, inode)
}
