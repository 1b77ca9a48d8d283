// The tree as people see it: names resolved the same way on every node, without writing anything. A
// directory goes before files; of directories the oldest, of files the newest has the plain name;
// the others, and the losing versions of a file written twice at once, show under conflict names
// (docs/formats/tree.md). Of files that hold the same only one shows, and of equal versions. Under
// one name NAMES_SHOWN_MAX things show; what is more is hidden, and found by its id.
import { toHex } from '../bytes.ts'
import type { NodeId, ActorId } from '../ids.ts'
import { NAMES_SHOWN_MAX } from '../limits.ts'
import { dotActor, stampActor } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { allChildren, longNames, readChildren } from './children.ts'
import type { Child, Children } from './children.ts'
import { conflictName, hiddenIdOf, hiddenName, plainNameOf } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import type { ContentRef } from '../op/op.ts'
import { firstItems } from './record-set.ts'
import { isDirVisible, readDir, readInode, readLink, setKey } from './records.ts'
import type { Dir, Inode, StateStore } from './records.ts'
import type { Version } from './version-records.ts'
import { findVersion, firstLosers, versionsOf } from './versions.ts'

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

/** Names tried for a copy: who takes them on purpose has it hidden. */
const COPY_TRIES = 8

/**
 * The meaning of a name in a directory, or undefined. Finds copies that the policy keeps out of
 * listings, and what is hidden, too.
 */
export function lookupName(
  store: StateStore,
  dir: NodeId,
  name: Name,
  author: AuthorName,
): ViewEntry | undefined {
  const [plain, ...behind] = namesBehind(store, dir, name)
  for (const one of plain === undefined ? [] : readChildren(store, dir, plain).shown) {
    const entry = entryOf(store, one)
    if (entry !== undefined) return entry
  }
  for (const one of behind) {
    const found = resolve(store, dir, readChildren(store, dir, one), author)
    const entry = found.find((shown) => shown.name === name)
    if (entry !== undefined) return entry
  }
  return lookupHidden(store, dir, name)
}

/**
 * The names for which this one may stand: itself, and if it looks like a conflict name, those it
 * can be one of.
 */
export function namesBehind(store: StateStore, dir: NodeId, name: Name): Name[] {
  const hidden = hiddenIdOf(name)
  const at = hidden && (readDir(store, hidden.id) ?? readLink(store, hidden.id))
  if (at?.parent === dir) return [name, at.name]
  const behind = plainNameOf(name)
  if (behind === undefined) return [name]
  return [name, ...('name' in behind ? [behind.name] : longNames(store, dir, behind.hash))]
}

/** The name under which a directory is found in its parent. */
export function shownDirName(store: StateStore, id: NodeId, dir: Dir, author: AuthorName): Name {
  const children = readChildren(store, dir.parent, dir.name)
  if (children.count < 2) return dir.name
  const shown = resolve(store, dir.parent, children, author)
  const entry = shown.find(({ target }) => target.kind === 'dir' && target.id === id)
  return entry?.name ?? hiddenName(dir.name, id)
}

/**
 * Everything shown for the children of `dir` under one collision key; the first has the plain name.
 * cost: O(children that show), one for all but collisions, and at most NAMES_SHOWN_MAX.
 */
export function resolve(
  store: StateStore,
  dir: NodeId,
  children: Children,
  author: AuthorName,
  policy: ConflictPolicy = 'copies',
): ViewEntry[] {
  const out: ViewEntry[] = []
  const names = new Set<Name>()
  const show = (copy: Copy): void => {
    const name = out.length === 0 ? copy.name : freeName(store, dir, copy, author, names)
    if (name === undefined) return
    names.add(name)
    out.push({ name, target: copy.target })
  }
  for (const child of withoutTwins(store, children.shown)) {
    for (const copy of copiesOf(store, child, policy)) {
      if (out.length >= NAMES_SHOWN_MAX) return out
      show(copy)
    }
  }
  return out
}

/**
 * Entries under the name of `dir` that are not shown, and versions beside files that are not hidden
 * themselves: each under the name by which it is found. In memory is one.
 */
export function* hiddenUnder(
  store: StateStore,
  dir: NodeId,
  name: Name,
  author: AuthorName,
): Generator<ViewEntry, void, undefined> {
  const children = readChildren(store, dir, name)
  const shown = new Set(
    resolve(store, dir, children, author).map(({ target }) => targetKey(target)),
  )
  const kept = new Set(withoutTwins(store, children.shown).map(({ id }) => id))
  const twins = new Set(children.shown.flatMap(({ id }) => (kept.has(id) ? [] : [id])))
  for (const child of allChildren(store, dir, name)) {
    if (twins.has(child.id)) continue
    const policy = kept.has(child.id) ? 'copies' : 'lww'
    for (const { name: plain, target } of copiesOf(store, child, policy)) {
      if (shown.has(targetKey(target))) continue
      const id = target.kind === 'dir' ? target.id : target.link
      const dot = target.kind === 'dir' ? undefined : target.version
      yield { name: hiddenName(plain, hiddenId(id, dot)), target }
    }
  }
}

/** A name as hiddenUnder() gives it. */
function lookupHidden(store: StateStore, dir: NodeId, name: Name): ViewEntry | undefined {
  const asked = hiddenIdOf(name)
  if (asked === undefined) return undefined
  const { id, dot } = asked
  const at = dot === undefined ? (readDir(store, id) ?? readLink(store, id)) : readLink(store, id)
  if (at?.parent !== dir || hiddenName(at.name, hiddenId(id, dot)) !== name) return undefined
  if (!('inode' in at))
    return isDirVisible(id, at) ? { name, target: { kind: 'dir', id } } : undefined
  if (at.live.length === 0) return undefined
  const target = { kind: 'inode', id: at.inode, link: id, version: undefined } as const
  if (dot === undefined) return { name, target }
  const inode = readInode(store, at.inode)
  const version = inode === undefined ? undefined : findVersion(store, at.inode, inode, dot)
  if (version === undefined || version === inode?.newest) return undefined
  return { name, target: { ...target, version: dot } }
}

function hiddenId(id: NodeId, dot: Dot | undefined): string {
  return dot === undefined ? id : `${id}-${dot.replaceAll(':', '-')}`
}

/** Tells what shows from all else that does. */
export function targetKey(target: ViewTarget): string {
  return target.kind === 'dir' ? target.id : target.link + (target.version ?? '')
}

/** A directory, a link or a version that may show. */
interface Copy {
  /** The name that it has, or that of the file it is a version of. */
  readonly name: Name
  readonly target: ViewTarget
  readonly stamp: Stamp
  readonly author: ActorId
  /** Tells it from the others. */
  readonly unique: string
}

/** A child, and after a link the versions that lost. */
function* copiesOf(
  store: StateStore,
  { kind, id }: Child,
  policy: ConflictPolicy,
): Generator<Copy, void, undefined> {
  if (kind === 'dir') {
    const dir = readDir(store, id)
    if (dir === undefined) return
    const { name, created: stamp } = dir
    yield { name, target: { kind, id }, stamp, author: stampActor(stamp), unique: id }
    return
  }
  const link = readLink(store, id)
  if (link === undefined) return
  const { name, placed: stamp, inode: file } = link
  const target = { kind: 'inode', id: file, link: id, version: undefined } as const
  yield { name, target, stamp, author: stampActor(stamp), unique: id }
  const inode = policy === 'lww' ? undefined : readInode(store, file)
  if (inode === undefined || inode.losers.length === 0) return
  if (!showsVersions(store, file, inode, id)) return
  for (const { dot, stamp: written } of losingVersions(store, file, inode)) {
    const version = { ...target, version: dot }
    yield { name, target: version, stamp: written, author: dotActor(dot), unique: id + dot }
  }
}

/**
 * A conflict name that nothing else in `dir` has; undefined where somebody gave too many of them to
 * files.
 */
function freeName(
  store: StateStore,
  dir: NodeId,
  { name, stamp, author, unique }: Copy,
  nameOf: AuthorName,
  taken: ReadonlySet<Name>,
): Name | undefined {
  for (let tries = 0; tries < COPY_TRIES; tries++) {
    const copy = conflictName(name, stamp, nameOf(author), unique + '+'.repeat(tries))
    if (!taken.has(copy) && readChildren(store, dir, copy).count === 0) return copy
  }
  return undefined
}

function entryOf(store: StateStore, child: Child): ViewEntry | undefined {
  const [first] = copiesOf(store, child, 'lww')
  return first
}

/**
 * Do the versions of a file that lost show beside this name of it? They do beside the first of its
 * names, by id.
 */
export function showsVersions(store: StateStore, id: NodeId, inode: Inode, link: NodeId): boolean {
  return inode.links.length <= NAMES_SHOWN_MAX || versionLinks(store, id, inode).includes(link)
}

/** The names beside which the versions of a file that lost show. */
export function versionLinks(store: StateStore, id: NodeId, inode: Inode): readonly NodeId[] {
  return firstItems(store, setKey('links', id), inode.links, NAMES_SHOWN_MAX)
}

/**
 * Versions that are conflict copies, oldest first. Of the first, those that hold what the newest or
 * one before them does are left out. In memory is one.
 */
export function* losingVersions(
  store: StateStore,
  id: NodeId,
  inode: Inode,
): Generator<Version, void, undefined> {
  const { newest, losers } = inode
  if (newest === undefined || losers.length === 0) return
  const contents = new Set([contentKey(newest.content)])
  let at = 0
  for (const version of versionsOf(store, id, inode)) {
    if (version === newest) return
    if (at++ < NAMES_SHOWN_MAX) {
      const key = contentKey(version.content)
      if (contents.has(key)) continue
      contents.add(key)
    }
    yield version
  }
}

/** How many losingVersions() gives. cost: O(1) */
export function countLosing(store: StateStore, id: NodeId, inode: Inode): number {
  const { newest, losers } = inode
  if (newest === undefined || losers.length === 0) return 0
  const first = firstLosers(store, id, inode, NAMES_SHOWN_MAX)
  const contents = new Set(first.map(({ content }) => contentKey(content)))
  contents.delete(contentKey(newest.content))
  return contents.size + losers.length - first.length
}

/** Other files under the name of this one that don't show because they hold the same. */
export function twinsOf(store: StateStore, link: NodeId): NodeId[] {
  const at = readLink(store, link)
  if (at === undefined || at.live.length === 0) return []
  const { shown } = readChildren(store, at.parent, at.name)
  if (shown.length < 2 || !shown.some(({ id }) => id === link)) return []
  const own = twinKey(store, link)
  return shown.flatMap(({ kind, id }) =>
    kind === 'link' && id !== link && twinKey(store, id) === own ? [id] : [],
  )
}

/**
 * The children, in the order shown, without those that have the same content as one before them.
 */
export function withoutTwins(store: StateStore, children: readonly Child[]): readonly Child[] {
  if (children.length < 2) return children
  const known = new Set<string>()
  return children.filter(({ kind, id }) => {
    if (kind === 'dir') return true
    const key = twinKey(store, id)
    const isNew = !known.has(key)
    known.add(key)
    return isNew
  })
}

/** The same for two links if their files hold the same. */
function twinKey(store: StateStore, id: NodeId): string {
  const link = readLink(store, id)
  const inode = link === undefined ? undefined : readInode(store, link.inode)
  if (link === undefined || inode === undefined) return `link ${id}`
  const { special, target, newest } = inode
  // A file with so many names is not examined when its content changes: such files equal only each
  // other.
  if (inode.links.length > NAMES_SHOWN_MAX) return `file ${link.inode}`
  if (special !== undefined) return `special ${special.kind} ${special.rdev}`
  if (target !== undefined) return `symlink ${toHex(target)}`
  const isSettled = newest !== undefined && inode.losers.length === 0
  return isSettled ? contentKey(newest.content) : `file ${link.inode}`
}

function contentKey(content: ContentRef): string {
  return content.kind === 'inline' ? `inline ${toHex(content.bytes)}` : `chunks ${content.root.id}`
}
