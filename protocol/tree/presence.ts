// Keeps the visibility of nodes: links while they are alive, directories while they are alive or
// something shows in them. Indexes and counts follow at once: the names of a directory, how many
// children it shows, the names of an inode, what is dead.
import type { ByteString } from '../bytes.ts'
import type { NodeId } from '../ids.ts'
import { NAMES_SHOWN_MAX } from '../limits.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { addChild, removeChild } from './children.ts'
import type { PlacedChild } from './children.ts'
import type { Edit } from './edit.ts'
import type { Name } from '../op/names.ts'
import { addItem, removeItem } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { isDirVisible, setKey } from './records.ts'
import type { Dir, Inode, Link } from './records.ts'
import { listGone, dropGone } from './removals.ts'
import { versionLinks } from './view.ts'

/** The owner of presence dots: a directory or a link. */
type Owner = 'dir' | 'link'

/** Presence that a writer who saw `saw` leaves standing. */
export function without(
  { store }: Edit,
  owner: Owner,
  id: NodeId,
  live: ItemSet<Dot>,
  saw: readonly Dot[],
): ItemSet<Dot> {
  const key = setKey(owner, id)
  return saw.reduce((left, dot) => removeItem(store, key, left, dot), live)
}

/** Presence with the dot of an op that makes, moves or writes. */
export function withDot(
  { store }: Edit,
  owner: Owner,
  id: NodeId,
  live: ItemSet<Dot>,
  dot: Dot,
): ItemSet<Dot> {
  return addItem(store, setKey(owner, id), live, dot)
}

/**
 * Set the presence dots of a link; it begins or ceases to show when they begin or cease to be.
 * Mutates `link`.
 */
export function setLinkLive(edit: Edit, id: NodeId, link: Link, live: ItemSet<Dot>): void {
  const wasVisible = link.live.length > 0
  const visible = live.length > 0
  link.live = live
  edit.putLink(id, link)
  if (visible === wasVisible) return
  const inode = edit.inode(link.inode)
  if (visible) {
    edit.revived('link', id)
    dropGone(edit.store, link.parent, link.name, { kind: 'link', id })
    if (inode?.links.length === 0) edit.revived('inode', link.inode)
    if (inode !== undefined)
      setLinks(edit, link.inode, inode, (links, key) => addItem(edit.store, key, links, id))
    showLink(edit, id, link)
  } else {
    edit.died('link', id)
    listGone(edit.store, link.parent, link.name, { kind: 'link', id })
    if (inode !== undefined)
      setLinks(edit, link.inode, inode, (links, key) => removeItem(edit.store, key, links, id))
    if (inode?.links.length === 0) edit.died('inode', link.inode, id)
    const shown = removeChild(edit, link.parent, link.name, linkAt(id, link))
    named(edit, link.parent, link.name, shown, inode)
    countChild(edit, link.parent, -1, 0)
  }
  if (inode === undefined) return
  edit.putInode(link.inode, inode)
  edit.changes.inodes.add(link.inode)
}

/**
 * Change which names an inode has: the versions of it that lost may show beside others then, and
 * where it comes to have more than are looked at, or no longer has, it may be the twin of no other,
 * or of some again. Mutates `inode`.
 */
function setLinks(
  edit: Edit,
  id: NodeId,
  inode: Inode,
  change: (links: ItemSet<NodeId>, key: ByteString) => ItemSet<NodeId>,
): void {
  const key = setKey('links', id)
  const count = inode.links.length
  if (count < NAMES_SHOWN_MAX || (inode.losers.length === 0 && count > NAMES_SHOWN_MAX + 1)) {
    inode.links = change(inode.links, key)
    return
  }
  const before = new Set(versionLinks(edit.store, id, inode))
  inode.links = change(inode.links, key)
  const after = new Set(versionLinks(edit.store, id, inode))
  const isOther = count > NAMES_SHOWN_MAX !== inode.links.length > NAMES_SHOWN_MAX
  for (const other of isOther ? before.union(after) : before.symmetricDifference(after)) {
    const link = edit.link(other)
    if (link !== undefined) edit.recount(link.parent, link.name)
  }
}

/** An older op turns out to have made a link, of this inode. Mutates `link`. */
export function relink(edit: Edit, id: NodeId, link: Link, inode: NodeId): void {
  const { live } = link
  if (link.inode !== inode) setLinkLive(edit, id, link, [])
  link.inode = inode
  setLinkLive(edit, id, link, live)
}

/** A link that is alive shows from now on. */
export function showLink(edit: Edit, id: NodeId, link: Link): void {
  const { parent, name, inode } = link
  const shown = addChild(edit, parent, name, linkAt(id, link))
  named(edit, parent, name, shown, edit.inode(inode))
  countChild(edit, parent, 1, 0)
}

/** Put a link somewhere else by the op of the edit. Mutates `link`. */
export function placeLink(edit: Edit, id: NodeId, link: Link, parent: NodeId, name: Name): void {
  const { parent: from, name: oldName } = link
  const old = linkAt(id, link)
  link.placed = edit.stamp
  link.parent = parent
  link.name = name
  edit.putLink(id, link)
  if (link.live.length === 0) {
    dropGone(edit.store, from, oldName, { kind: 'link', id })
    return listGone(edit.store, parent, name, { kind: 'link', id })
  }
  const inode = edit.inode(link.inode)
  named(edit, from, oldName, removeChild(edit, from, oldName, old), inode)
  named(edit, parent, name, addChild(edit, parent, name, linkAt(id, link)), inode)
  if (from === parent) return
  countChild(edit, parent, 1, 0)
  countChild(edit, from, -1, 0)
}

/** An older op turns out to have made a directory. Mutates `dir`. */
export function backdateDir(edit: Edit, id: NodeId, dir: Dir, created: Stamp): void {
  const { parent, name } = dir
  const old = dirAt(id, dir)
  dir.created = created
  edit.putDir(id, dir)
  if (!isDirVisible(id, dir)) return
  removeChild(edit, parent, name, old)
  named(edit, parent, name, addChild(edit, parent, name, dirAt(id, dir)))
}

function linkAt(id: NodeId, { placed }: Link): PlacedChild {
  return { kind: 'link', id, stamp: placed }
}

function dirAt(id: NodeId, { created }: Dir): PlacedChild {
  return { kind: 'dir', id, stamp: created }
}

/** Put a directory somewhere else. Mutates `dir`. */
export function placeDir(edit: Edit, id: NodeId, dir: Dir, parent: NodeId, name: Name): void {
  const { parent: from, name: oldName } = dir
  dir.parent = parent
  dir.name = name
  edit.putDir(id, dir)
  edit.changes.dirs.add(id)
  if (!isDirVisible(id, dir)) {
    dropGone(edit.store, from, oldName, { kind: 'dir', id })
    return listGone(edit.store, parent, name, { kind: 'dir', id })
  }
  named(edit, from, oldName, removeChild(edit, from, oldName, dirAt(id, dir)))
  named(edit, parent, name, addChild(edit, parent, name, dirAt(id, dir)))
  if (from === parent) return
  countChild(edit, parent, 1, 1)
  countChild(edit, from, -1, -1)
}

/** Set the presence dots of a directory that was there before. Mutates `dir`. */
export function setDirLive(edit: Edit, id: NodeId, dir: Dir, live: ItemSet<Dot>): void {
  const wasVisible = isDirVisible(id, dir)
  dir.live = live
  edit.putDir(id, dir)
  edit.changes.dirs.add(id)
  followVisibility(edit, id, dir, wasVisible)
}

/** A directory that is alive shows from now on. */
export function showDir(edit: Edit, id: NodeId, dir: Dir): void {
  const { parent, name } = dir
  named(edit, parent, name, addChild(edit, parent, name, dirAt(id, dir)))
  countChild(edit, parent, 1, 1)
}

/**
 * An op that shows nothing in a directory named it: if it is dead, it is so from now on, with those
 * above it.
 */
export function namedInVain(edit: Edit, id: NodeId): void {
  for (let at = id; ;) {
    const dir = edit.dir(at)
    if (dir === undefined || isDirVisible(at, dir)) return
    edit.died('dir', at)
    at = dir.parent
  }
}

/** A directory may have begun or ceased to show: keep its parent's names and count true. */
function followVisibility(edit: Edit, id: NodeId, dir: Dir, wasVisible: boolean): void {
  const visible = isDirVisible(id, dir)
  if (visible === wasVisible) return
  if (visible) {
    edit.revived('dir', id)
    dropGone(edit.store, dir.parent, dir.name, { kind: 'dir', id })
    return showDir(edit, id, dir)
  }
  edit.died('dir', id)
  listGone(edit.store, dir.parent, dir.name, { kind: 'dir', id })
  named(edit, dir.parent, dir.name, removeChild(edit, dir.parent, dir.name, dirAt(id, dir)))
  countChild(edit, dir.parent, -1, -1)
}

/**
 * Adjust the count of visible children of a directory, and of its ancestors where that changes
 * whether they show.
 */
function countChild(edit: Edit, id: NodeId, children: number, dirs: number): void {
  const dir = edit.dir(id)
  if (dir === undefined) return
  const wasVisible = isDirVisible(id, dir)
  dir.visibleChildren += children
  dir.visibleDirs += dirs
  edit.putDir(id, dir)
  edit.changes.dirs.add(id)
  followVisibility(edit, id, dir, wasVisible)
}

/**
 * A name means something else. `shown`: children under it, before or after. `inode`: of the link
 * that came or went.
 */
function named(edit: Edit, dir: NodeId, name: Name, shown: number, inode?: Inode): void {
  edit.changes.names.push([dir, name])
  if (shown > 1 || (inode !== undefined && inode.losers.length > 0)) edit.recount(dir, name)
}
