// What shows: links while they are alive, directories while they are alive or something shows in them. Indexes and counts
// follow at once: the names of a directory, how many children it shows, the names of an inode, what is dead.
import type { NodeId } from '../ids.ts'
import type { Dot } from '../log/dot.ts'
import { addChild, removeChild } from './children.ts'
import type { Edit } from './edit.ts'
import type { Name } from './names.ts'
import { isDirVisible } from './records.ts'
import type { Dir, Inode, Link } from './records.ts'

/** Presence that a writer who saw `saw` leaves standing. */
export function without(live: readonly Dot[], saw: readonly Dot[]): readonly Dot[] {
  return saw.length === 0 ? live : live.filter((known) => !saw.includes(known))
}

/** Set the presence dots of a link; it begins or ceases to show when they begin or cease to be. Mutates `link`. */
export function setLinkLive(edit: Edit, id: NodeId, link: Link, live: readonly Dot[]): void {
  const wasVisible = link.live.length > 0
  const visible = live.length > 0
  link.live = live
  edit.putLink(id, link)
  if (visible === wasVisible) return
  const inode = edit.inode(link.inode)
  if (visible) {
    edit.revived('link', id)
    if (inode?.links.length === 0) edit.revived('inode', link.inode)
    if (inode !== undefined) inode.links = [...inode.links, id].sort()
    showLink(edit, id, link)
  } else {
    edit.died('link', id)
    if (inode !== undefined) inode.links = inode.links.filter((known) => known !== id)
    if (inode?.links.length === 0) edit.died('inode', link.inode, id)
    const shown = removeChild(edit.store, link.parent, link.name, id)
    named(edit, link.parent, link.name, shown, inode)
    countChild(edit, link.parent, -1, 0)
  }
  if (inode === undefined) return
  edit.putInode(link.inode, inode)
  edit.changes.inodes.add(link.inode)
}

/** A link that is alive shows from now on. */
export function showLink(edit: Edit, id: NodeId, { parent, name, inode }: Link): void {
  const shown = addChild(edit.store, parent, name, { kind: 'link', id })
  named(edit, parent, name, shown, edit.inode(inode))
  countChild(edit, parent, 1, 0)
}

/** Put a link somewhere else. Mutates `link`. */
export function placeLink(edit: Edit, id: NodeId, link: Link, parent: NodeId, name: Name): void {
  const { parent: from, name: oldName } = link
  link.parent = parent
  link.name = name
  edit.putLink(id, link)
  if (link.live.length === 0) return
  const inode = edit.inode(link.inode)
  named(edit, from, oldName, removeChild(edit.store, from, oldName, id), inode)
  named(edit, parent, name, addChild(edit.store, parent, name, { kind: 'link', id }), inode)
  if (from === parent) return
  countChild(edit, parent, 1, 0)
  countChild(edit, from, -1, 0)
}

/** Put a directory somewhere else. Mutates `dir`. */
export function placeDir(edit: Edit, id: NodeId, dir: Dir, parent: NodeId, name: Name): void {
  const { parent: from, name: oldName } = dir
  dir.parent = parent
  dir.name = name
  edit.putDir(id, dir)
  edit.changes.dirs.add(id)
  if (!isDirVisible(id, dir)) return
  named(edit, from, oldName, removeChild(edit.store, from, oldName, id))
  named(edit, parent, name, addChild(edit.store, parent, name, { kind: 'dir', id }))
  if (from === parent) return
  countChild(edit, parent, 1, 1)
  countChild(edit, from, -1, -1)
}

/** Set the presence dots of a directory that was there before. Mutates `dir`. */
export function setDirLive(edit: Edit, id: NodeId, dir: Dir, live: readonly Dot[]): void {
  const wasVisible = isDirVisible(id, dir)
  dir.live = live
  edit.putDir(id, dir)
  edit.changes.dirs.add(id)
  followVisibility(edit, id, dir, wasVisible)
}

/** A directory that is alive shows from now on. */
export function showDir(edit: Edit, id: NodeId, { parent, name }: Dir): void {
  named(edit, parent, name, addChild(edit.store, parent, name, { kind: 'dir', id }))
  countChild(edit, parent, 1, 1)
}

/** An op that shows nothing in a directory named it: if it is dead, it is so from now on, with those above it. */
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
    return showDir(edit, id, dir)
  }
  edit.died('dir', id)
  named(edit, dir.parent, dir.name, removeChild(edit.store, dir.parent, dir.name, id))
  countChild(edit, dir.parent, -1, -1)
}

/** Adjust the count of visible children of a directory, and of its ancestors where that changes whether they show. */
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

/** A name means something else. `shown`: children under it, before or after. `inode`: of the link that came or went. */
function named(edit: Edit, dir: NodeId, name: Name, shown: number, inode?: Inode): void {
  edit.changes.names.push([dir, name])
  if (shown > 1 || (inode !== undefined && inode.versions.length > 1)) edit.recount(dir, name)
}
