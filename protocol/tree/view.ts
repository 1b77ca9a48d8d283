// What people see of the tree: names resolved the same way on every node, without writing anything. A directory goes
// before files; of directories the oldest, of files the newest has the plain name; the others, and the losing
// versions of a file written twice at once, show under conflict names (DESIGN §5). Of files that hold the same only one
// shows, and of equal versions.
import { equalBytes } from '../bytes.ts'
import type { NodeId, ActorId } from '../ids.ts'
import { dotActor, stampActor } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import { namesBehindCut, readChildren } from './children.ts'
import type { Child } from './children.ts'
import { conflictName, plainNameOf } from './names.ts'
import type { Name } from './names.ts'
import type { ContentRef } from './op.ts'
import { readDir, readInode, readLink } from './records.ts'
import type { Dir, Inode, StateStore, Version } from './records.ts'

export type ViewTarget =
  | { readonly kind: 'dir'; readonly id: NodeId }
  | {
      readonly kind: 'inode'
      readonly id: NodeId
      readonly link: NodeId
      /** A losing version of a conflict; undefined for the newest. */
      readonly version: Dot | undefined
    }

export interface ViewEntry {
  readonly name: Name
  readonly target: ViewTarget
}

/** Whether the losing versions of a file written twice at once show. */
export type ConflictPolicy = 'copies' | 'lww'

/** The name of the member behind an actor, for conflict names. */
export type AuthorName = (actor: ActorId) => string

/** What a name of a directory means, or undefined. Finds copies that the policy keeps out of listings, too. */
export function lookupName(
  store: StateStore,
  dir: NodeId,
  name: Name,
  author: AuthorName,
): ViewEntry | undefined {
  for (const behind of namesBehind(store, dir, name)) {
    const shown = resolve(store, dir, readChildren(store, dir, behind), author)
    const found = behind === name ? shown[0] : shown.find((entry) => entry.name === name)
    if (found !== undefined) return found
  }
  return undefined
}

/** The names for which this one may stand: itself, and if it looks like a conflict name, those it can be one of. */
export function namesBehind(store: StateStore, dir: NodeId, name: Name): Name[] {
  const behind = plainNameOf(name)
  return behind === undefined ? [name] : [name, behind, ...namesBehindCut(store, dir, name)]
}

/** The name under which a directory shows in its parent. */
export function shownDirName(store: StateStore, id: NodeId, dir: Dir, author: AuthorName): Name {
  const children = readChildren(store, dir.parent, dir.name)
  if (children.length < 2) return dir.name
  const shown = resolve(store, dir.parent, children, author)
  return shown.find(({ target }) => target.kind === 'dir' && target.id === id)?.name ?? dir.name
}

/**
 * Everything shown for the children of `dir` under one collision key; the first has the plain name.
 * cost: O(children under the key), one for all but collisions.
 */
export function resolve(
  store: StateStore,
  dir: NodeId,
  children: readonly Child[],
  author: AuthorName,
  policy: ConflictPolicy = 'copies',
): ViewEntry[] {
  const out: ViewEntry[] = []
  const copyOf = (name: Name, stamp: Stamp, actor: ActorId, unique: string): Name => {
    const copy = conflictName(name, stamp, author(actor), unique)
    // Somebody may have given that very name to a file.
    return readChildren(store, dir, copy).length === 0
      ? copy
      : copyOf(name, stamp, actor, `${unique}+`)
  }
  const shownAs = (name: Name, stamp: Stamp, id: NodeId): Name =>
    out.length === 0 ? name : copyOf(name, stamp, stampActor(stamp), id)
  for (const { id, name, created } of sortedDirs(store, children))
    out.push({ name: shownAs(name, created, id), target: { kind: 'dir', id } })
  for (const { id, name, inode, placed } of sortedLinks(store, children)) {
    const target = { kind: 'inode', id: inode, link: id } as const
    out.push({ name: shownAs(name, placed, id), target: { ...target, version: undefined } })
    if (policy === 'lww') continue
    for (const { dot, stamp } of losingVersions(readInode(store, inode)?.versions ?? [])) {
      const copy = copyOf(name, stamp, dotActor(dot), id + dot)
      out.push({ name: copy, target: { ...target, version: dot } })
    }
  }
  return out
}

/** Versions that show as conflict copies, oldest first. */
export function losingVersions(versions: readonly Version[]): readonly Version[] {
  const newest = versions.at(-1)
  if (versions.length < 2 || newest === undefined) return []
  const shown = [newest]
  for (const version of versions.slice(0, -1)) {
    const isKnown = shown.some(({ content }) => isSameContent(content, version.content))
    if (!isKnown) shown.push(version)
  }
  return shown.slice(1)
}

/** Other files under the name of this one that don't show because they hold the same. */
export function twinsOf(store: StateStore, link: NodeId): NodeId[] {
  const at = readLink(store, link)
  if (at === undefined || at.live.length === 0) return []
  const children = readChildren(store, at.parent, at.name)
  if (children.length < 2) return []
  return children.flatMap(({ kind, id }) => {
    const other = kind === 'link' && id !== link ? readLink(store, id) : undefined
    return other !== undefined && areTwins(store, at.inode, other.inode) ? [id] : []
  })
}

function areTwins(store: StateStore, one: NodeId, another: NodeId): boolean {
  if (one === another) return true
  const [a, b] = [readInode(store, one), readInode(store, another)]
  return a !== undefined && b !== undefined && holdSame(a, b)
}

function holdSame(a: Inode, b: Inode): boolean {
  if (a.special !== undefined || b.special !== undefined)
    return a.special?.kind === b.special?.kind && a.special?.rdev === b.special?.rdev
  if (a.target !== undefined || b.target !== undefined)
    return a.target !== undefined && b.target !== undefined && equalBytes(a.target, b.target)
  const [one, another] = [a.versions[0], b.versions[0]]
  if (a.versions.length !== 1 || b.versions.length !== 1) return false
  return one !== undefined && another !== undefined && isSameContent(one.content, another.content)
}

function isSameContent(a: ContentRef, b: ContentRef): boolean {
  if (a.kind === 'inline') return b.kind === 'inline' && equalBytes(a.bytes, b.bytes)
  return b.kind === 'chunks' && a.root.id === b.root.id
}

function sortedDirs(
  store: StateStore,
  children: readonly Child[],
): { id: NodeId; name: Name; created: Stamp }[] {
  const dirs = children.flatMap(({ kind, id }) => {
    const dir = kind === 'dir' ? readDir(store, id) : undefined
    return dir === undefined ? [] : [{ id, name: dir.name, created: dir.created }]
  })
  return dirs.length < 2
    ? dirs
    : dirs.sort((a, b) => (a.created + a.id < b.created + b.id ? -1 : 1))
}

/** Links as they show, without twins. */
export function sortedLinks(
  store: StateStore,
  children: readonly Child[],
): { id: NodeId; name: Name; inode: NodeId; placed: Stamp }[] {
  const links = children.flatMap(({ kind, id }) => {
    const link = kind === 'link' ? readLink(store, id) : undefined
    if (link === undefined) return []
    return [{ id, name: link.name, inode: link.inode, placed: link.placed }]
  })
  if (links.length < 2) return links
  links.sort((a, b) => (a.placed > b.placed ? -1 : 1))
  return links.filter(
    ({ inode }, index) =>
      !links.slice(0, index).some((newer) => areTwins(store, newer.inode, inode)),
  )
}
