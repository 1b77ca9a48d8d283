// The stored state of the tree: one record per directory, link, inode and name, each a small DAG-CBOR value under its
// own key, so that an op touches O(1) records whatever the size of a directory.
import { fromByteString, fromHex, toByteString } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { decodeCbor, encodeCbor } from '../cbor.ts'
import { ShoalError } from '../errors.ts'
import type { NodeId } from '../ids.ts'
import { hexId } from '../ids.ts'
import { decodeDot, encodeDot } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import { collisionKey, longNamePrefix } from './names.ts'
import type { Name } from './names.ts'
import type { AttributeValues, ContentRef } from './op.ts'
import { decodeContent, encodeContent } from './op-codec.ts'

/** Where records live: a synchronous ordered store, or an overlay of one. */
export interface StateStore {
  get(key: ByteString): Uint8Array | undefined
  put(key: ByteString, value: Uint8Array): void
  delete(key: ByteString): void
}

/** An attribute with the stamp of the op that set it: the highest stamp wins. */
export type Stamped<Value> = readonly [value: Value, stamp: Stamp]

export interface StampedAttributes {
  mode?: Stamped<number>
  uid?: Stamped<number>
  gid?: Stamped<number>
  accessedNs?: Stamped<bigint>
  modifiedNs?: Stamped<bigint>
}

/** A directory. The root's parent is itself. */
export interface Dir {
  parent: NodeId
  name: Name
  /** Earliest mkdir: two made at once with one name are one directory. */
  created: Stamp
  /** Presence dots no delete has covered: alive while there is one. */
  live: Dot[]
  /** Children that show. A deleted directory with some shows again. */
  visibleChildren: number
  /** Of these, directories (for the link count). */
  visibleDirs: number
  attributes: StampedAttributes
  /** Latest op on its names: its mtime and ctime. */
  changed: Stamp
}

/** A name of an inode. */
export interface Link {
  parent: NodeId
  name: Name
  placed: Stamp
  live: Dot[]
  inode: NodeId
}

export interface Version {
  readonly dot: Dot
  readonly stamp: Stamp
  readonly size: number
  readonly content: ContentRef
  readonly modifiedNs: bigint
}

/** A file or symlink. */
export interface Inode {
  /** Bytes a symlink points to; undefined for a file. */
  target: Uint8Array | undefined
  attributes: StampedAttributes
  /** Live versions: more than one is a conflict. Sorted by stamp, newest last. */
  versions: Version[]
  /** Names that show. */
  links: NodeId[]
  created: Stamp
  changed: Stamp
}

/** A child of a directory under one collision key. */
export interface Child {
  readonly kind: 'dir' | 'link'
  readonly id: NodeId
}

export const ROOT: NodeId = '0'.repeat(32) as NodeId

const dirKey = (id: NodeId): ByteString => `d${toByteString(fromHex(id))}`
const linkKey = (id: NodeId): ByteString => `l${toByteString(fromHex(id))}`
const inodeKey = (id: NodeId): ByteString => `i${toByteString(fromHex(id))}`
const longNameKey = (dir: NodeId, prefix: ByteString): ByteString =>
  `x${toByteString(fromHex(dir))}${prefix}`

/** Prefix of the keys of a directory's names; what follows is the collision key. */
export function childPrefix(dir: NodeId): ByteString {
  return `c${toByteString(fromHex(dir))}`
}

export function readDir(store: StateStore, id: NodeId): Dir | undefined {
  const bytes = store.get(dirKey(id))
  if (bytes === undefined) return undefined
  const [parent, name, created, live, visibleChildren, visibleDirs, attributes, changed] = fields(
    bytes,
    8,
  )
  return {
    parent: nodeId(parent),
    name: text(name) as Name,
    created: text(created) as Stamp,
    live: dots(live),
    visibleChildren: visibleChildren as number,
    visibleDirs: visibleDirs as number,
    attributes: decodeStamped(attributes),
    changed: text(changed) as Stamp,
  }
}

export function writeDir(store: StateStore, id: NodeId, dir: Dir): void {
  const value = [
    fromHex(dir.parent),
    fromByteString(dir.name),
    fromByteString(dir.created),
    dir.live.toSorted().map(encodeDot),
    dir.visibleChildren,
    dir.visibleDirs,
    encodeStamped(dir.attributes),
    fromByteString(dir.changed),
  ]
  store.put(dirKey(id), encodeCbor(value))
}

export function readLink(store: StateStore, id: NodeId): Link | undefined {
  const bytes = store.get(linkKey(id))
  if (bytes === undefined) return undefined
  const [parent, name, placed, live, inode] = fields(bytes, 5)
  return {
    parent: nodeId(parent),
    name: text(name) as Name,
    placed: text(placed) as Stamp,
    live: dots(live),
    inode: nodeId(inode),
  }
}

export function writeLink(store: StateStore, id: NodeId, link: Link): void {
  const value = [
    fromHex(link.parent),
    fromByteString(link.name),
    fromByteString(link.placed),
    link.live.toSorted().map(encodeDot),
    fromHex(link.inode),
  ]
  store.put(linkKey(id), encodeCbor(value))
}

export function readInode(store: StateStore, id: NodeId): Inode | undefined {
  const bytes = store.get(inodeKey(id))
  if (bytes === undefined) return undefined
  const [target, attributes, versions, links, created, changed] = fields(bytes, 6)
  return {
    target: target === null ? undefined : (target as Uint8Array),
    attributes: decodeStamped(attributes),
    versions: (versions as readonly unknown[]).map(decodeVersion),
    links: (links as readonly unknown[]).map(nodeId),
    created: text(created) as Stamp,
    changed: text(changed) as Stamp,
  }
}

export function writeInode(store: StateStore, id: NodeId, inode: Inode): void {
  const value = [
    inode.target ?? null,
    encodeStamped(inode.attributes),
    inode.versions.map((v) => [
      encodeDot(v.dot),
      fromByteString(v.stamp),
      v.size,
      encodeContent(v.content),
      v.modifiedNs,
    ]),
    inode.links.map(fromHex),
    fromByteString(inode.created),
    fromByteString(inode.changed),
  ]
  store.put(inodeKey(id), encodeCbor(value))
}

/** What shows under a collision key of a directory, in id order. More than one is a collision, resolved in the view. */
export function readChildren(store: StateStore, dir: NodeId, name: Name): Child[] {
  const bytes = store.get(childPrefix(dir) + collisionKey(name))
  return bytes === undefined ? [] : decodeChildren(bytes)
}

/** The value under a child key. */
export function decodeChildren(bytes: Uint8Array): Child[] {
  return fields(bytes, 0).map((item) => {
    const [kind, id] = item as readonly unknown[]
    return { kind: kind === 0 ? 'dir' : 'link', id: nodeId(id) }
  })
}

export function addChild(store: StateStore, dir: NodeId, name: Name, child: Child): void {
  const children = readChildren(store, dir, name)
  if (children.some((known) => known.id === child.id)) return
  writeChildren(store, dir, name, [...children, child])
  indexLongName(store, dir, name, (known) => [...known, [child.id, name]])
}

export function removeChild(store: StateStore, dir: NodeId, name: Name, id: NodeId): void {
  writeChildren(
    store,
    dir,
    name,
    readChildren(store, dir, name).filter((child) => child.id !== id),
  )
  indexLongName(store, dir, name, (known) => known.filter(([other]) => other !== id))
}

type LongNames = readonly (readonly [child: NodeId, name: Name])[]

/**
 * The names in `dir` that a conflict name like this may have been cut from: a conflict name says what name it stands
 * for only if that is short, so those of long names are kept under what both begin with.
 */
export function namesBehindCut(store: StateStore, dir: NodeId, name: Name): Name[] {
  return [...new Set(readLongNames(store, dir, name).map(([, long]) => long))]
}

function readLongNames(store: StateStore, dir: NodeId, name: Name): LongNames {
  const prefix = longNamePrefix(name)
  const bytes = prefix === undefined ? undefined : store.get(longNameKey(dir, prefix))
  if (bytes === undefined) return []
  return fields(bytes, 0).map((item) => {
    const [id, long] = item as readonly unknown[]
    return [nodeId(id), text(long) as Name]
  })
}

function indexLongName(
  store: StateStore,
  dir: NodeId,
  name: Name,
  change: (known: LongNames) => LongNames,
): void {
  const prefix = longNamePrefix(name)
  if (prefix === undefined) return
  const names = change(readLongNames(store, dir, name))
  const key = longNameKey(dir, prefix)
  if (names.length === 0) return store.delete(key)
  const sorted = names.toSorted(([a], [b]) => (a < b ? -1 : 1))
  store.put(key, encodeCbor(sorted.map(([id, long]) => [fromHex(id), fromByteString(long)])))
}

const CONFLICTS: ByteString = 'wconflicts'

/** Conflict copies in view: names that collide, and contents written at once. */
export function readConflictCount(store: StateStore): number {
  const bytes = store.get(CONFLICTS)
  return bytes === undefined ? 0 : (decodeCbor(bytes, 'conflict count') as number)
}

function countConflicts(store: StateStore, before: number, after: number): void {
  const by = Math.max(0, after - 1) - Math.max(0, before - 1)
  if (by === 0) return
  const count = readConflictCount(store) + by
  // Equal trees have equal records: none for none.
  if (count === 0) store.delete(CONFLICTS)
  else store.put(CONFLICTS, encodeCbor(count))
}

/** Replace the live versions of an inode. Mutates `inode`; the caller writes it. */
export function setVersions(store: StateStore, inode: Inode, versions: Version[]): void {
  countConflicts(store, inode.versions.length, versions.length)
  inode.versions = versions.sort((a, b) => (a.stamp < b.stamp ? -1 : 1))
}

function writeChildren(store: StateStore, dir: NodeId, name: Name, children: Child[]): void {
  const key = childPrefix(dir) + collisionKey(name)
  countConflicts(store, readChildren(store, dir, name).length, children.length)
  if (children.length === 0) return store.delete(key)
  children.sort((a, b) => (a.id < b.id ? -1 : 1))
  store.put(key, encodeCbor(children.map(({ kind, id }) => [kind === 'dir' ? 0 : 1, fromHex(id)])))
}

/** Merge attribute values set by an op: per attribute the highest stamp wins. returns whether anything changed. */
export function mergeAttributes(
  into: StampedAttributes,
  values: AttributeValues,
  stamp: Stamp,
): boolean {
  let changed = false
  const newer = (known: readonly [unknown, Stamp] | undefined): boolean =>
    known === undefined || known[1] < stamp
  if (values.mode !== undefined && newer(into.mode))
    changed = ((into.mode = [values.mode, stamp]), true)
  if (values.uid !== undefined && newer(into.uid))
    changed = ((into.uid = [values.uid, stamp]), true)
  if (values.gid !== undefined && newer(into.gid))
    changed = ((into.gid = [values.gid, stamp]), true)
  if (values.accessedNs !== undefined && newer(into.accessedNs)) {
    changed = ((into.accessedNs = [values.accessedNs, stamp]), true)
  }
  if (values.modifiedNs !== undefined && newer(into.modifiedNs)) {
    changed = ((into.modifiedNs = [values.modifiedNs, stamp]), true)
  }
  return changed
}

function encodeStamped(a: StampedAttributes): unknown[] {
  return [a.mode, a.uid, a.gid, a.accessedNs, a.modifiedNs].map((field) =>
    field === undefined ? null : [field[0], fromByteString(field[1])],
  )
}

function decodeStamped(value: unknown): StampedAttributes {
  const [mode, uid, gid, accessedNs, modifiedNs] = value as readonly unknown[]
  return {
    ...optional('mode', stamped<number>(mode)),
    ...optional('uid', stamped<number>(uid)),
    ...optional('gid', stamped<number>(gid)),
    ...optional('accessedNs', stampedTime(accessedNs)),
    ...optional('modifiedNs', stampedTime(modifiedNs)),
  }
}

function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]?: Value })
}

function stamped<Value>(value: unknown): Stamped<Value> | undefined {
  if (value === null || value === undefined) return undefined
  const [inner, stamp] = value as readonly [Value, Uint8Array]
  return [inner, toByteString(stamp) as Stamp]
}

function stampedTime(value: unknown): Stamped<bigint> | undefined {
  const field = stamped<bigint | number>(value)
  return field === undefined ? undefined : [BigInt(field[0]), field[1]]
}

function decodeVersion(value: unknown): Version {
  const [dot, stamp, size, content, modifiedNs] = value as readonly unknown[]
  return {
    dot: decodeDot(dot),
    stamp: text(stamp) as Stamp,
    size: size as number,
    content: decodeContent(content),
    modifiedNs: BigInt(modifiedNs as number | bigint),
  }
}

function fields(bytes: Uint8Array, countMin: number): readonly unknown[] {
  const value = decodeCbor(bytes, 'tree record')
  if (!Array.isArray(value) || value.length < countMin)
    throw new ShoalError('corrupt', 'a tree record is malformed')
  return value as readonly unknown[]
}

function nodeId(value: unknown): NodeId {
  return hexId<NodeId>(value as Uint8Array, 16, 'node id')
}

function text(value: unknown): ByteString {
  return toByteString(value as Uint8Array)
}

function dots(value: unknown): Dot[] {
  return (value as readonly unknown[]).map(decodeDot)
}
