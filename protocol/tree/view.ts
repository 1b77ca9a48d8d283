// What people see of the tree: names resolved the same way on every node, without writing anything. A directory goes
// before files; of directories the oldest, of files the newest has the plain name; the others, and the losing
// versions of a file written twice at once, show under conflict names (DESIGN §5).
import type { NodeId, ActorId } from '../ids.ts'
import { dotActor, stampActor } from '../log/dot.ts'
import type { Dot } from '../log/dot.ts'
import { conflictName, plainNameOf } from './names.ts'
import type { Name } from './names.ts'
import { namesBehindCut, readChildren, readDir, readInode, readLink } from './records.ts'
import type { Child, StateStore } from './records.ts'

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

/** The name of the member behind an actor, for conflict names. */
export type AuthorName = (actor: ActorId) => string

/** What a name of a directory means, or undefined. */
export function lookupName(
  store: StateStore,
  dir: NodeId,
  name: Name,
  author: AuthorName,
): ViewEntry | undefined {
  const children = readChildren(store, dir, name)
  const plain = resolve(store, children, author)[0]
  if (plain !== undefined) return plain
  const behind = plainNameOf(name)
  if (behind === undefined) return undefined
  for (const other of [behind, ...namesBehindCut(store, dir, name)]) {
    const shown = resolve(store, readChildren(store, dir, other), author)
    const found = shown.find((entry) => entry.name === name)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * Everything shown for the children under one collision key; the first has the plain name.
 * cost: O(children under the key), one for all but collisions.
 */
export function resolve(
  store: StateStore,
  children: readonly Child[],
  author: AuthorName,
): ViewEntry[] {
  const out: ViewEntry[] = []
  for (const { id, name } of sortedDirs(store, children)) {
    const stamp = readDir(store, id)?.created
    const shown =
      out.length === 0 || stamp === undefined
        ? name
        : conflictName(name, stamp, author(stampActor(stamp)), id)
    out.push({ name: shown, target: { kind: 'dir', id } })
  }
  for (const { id, name, inode, stamp } of sortedLinks(store, children)) {
    const shown = out.length === 0 ? name : conflictName(name, stamp, author(stampActor(stamp)), id)
    out.push({ name: shown, target: { kind: 'inode', id: inode, link: id, version: undefined } })
    for (const version of readInode(store, inode)?.versions.slice(0, -1) ?? []) {
      const copy = conflictName(
        name,
        version.stamp,
        author(dotActor(version.dot)),
        id + version.dot,
      )
      out.push({ name: copy, target: { kind: 'inode', id: inode, link: id, version: version.dot } })
    }
  }
  return out
}

function sortedDirs(store: StateStore, children: readonly Child[]): { id: NodeId; name: Name }[] {
  const dirs = children.flatMap(({ kind, id }) => {
    const dir = kind === 'dir' ? readDir(store, id) : undefined
    return dir === undefined ? [] : [{ id, name: dir.name, created: dir.created }]
  })
  return dirs.length < 2
    ? dirs
    : dirs.sort((a, b) => (a.created + a.id < b.created + b.id ? -1 : 1))
}

function sortedLinks(
  store: StateStore,
  children: readonly Child[],
): { id: NodeId; name: Name; inode: NodeId; stamp: Stamp }[] {
  const links = children.flatMap(({ kind, id }) => {
    const link = kind === 'link' ? readLink(store, id) : undefined
    return link === undefined
      ? []
      : [{ id, name: link.name, inode: link.inode, stamp: link.placed }]
  })
  return links.length < 2 ? links : links.sort((a, b) => (a.stamp > b.stamp ? -1 : 1))
}

type Stamp = Parameters<typeof conflictName>[1]
