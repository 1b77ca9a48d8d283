// The stored state of the tree: one record per directory, link, inode and name, each a small DAG-CBOR value under its
// own key, so that an op touches O(1) records whatever the size of a directory. Equal trees have equal records.
import { fromByteString, hexToByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { STAMP_ZERO, dotSeq, stampDot } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import type { NodeId } from '../ids.ts'
import type { Name } from './names.ts'
import type { AttributeValues, ContentRef, SpecialFile } from './op.ts'
import { decodeContent, encodeContent } from './op-codec.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { decodeSpecial, encodeSpecial } from './special-codec.ts'

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
  live: readonly Dot[]
  /** Children that show. A deleted directory with some shows again. */
  visibleChildren: number
  /** Of these, directories (for the link count). */
  visibleDirs: number
  attributes: StampedAttributes
  /** Latest op on its names: its mtime and ctime. */
  changed: Stamp
  /** Latest op on its extended attributes, if there was one: its ctime, too. */
  xattrsChanged?: Stamp
}

/** A name of an inode. */
export interface Link {
  parent: NodeId
  name: Name
  placed: Stamp
  live: readonly Dot[]
  readonly inode: NodeId
}

export interface Version {
  readonly dot: Dot
  readonly stamp: Stamp
  readonly size: number
  readonly content: ContentRef
  readonly modifiedNs: bigint
}

/** A file, symlink or special file. */
export interface Inode {
  /** Bytes a symlink points to; else undefined. */
  readonly target: Uint8Array | undefined
  /** Undefined for a file or symlink. */
  readonly special: SpecialFile | undefined
  attributes: StampedAttributes
  /** Live versions: more than one is a conflict. Sorted by stamp, newest last. */
  versions: readonly Version[]
  /** Names that show. */
  links: readonly NodeId[]
  readonly created: Stamp
  changed: Stamp
}

export const ROOT: NodeId = '0'.repeat(32) as NodeId

/** The id as it is in keys. */
export function idKey(id: NodeId): ByteString {
  return hexToByteString(id)
}

/** Begins the keys of inodes. */
export const INODE_PREFIX: ByteString = 'i'

/** The inode whose key this is. */
export function inodeOfKey(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(INODE_PREFIX.length))) as NodeId
}

const dirKey = (id: NodeId): ByteString => `d${idKey(id)}`
const linkKey = (id: NodeId): ByteString => `l${idKey(id)}`
const inodeKey = (id: NodeId): ByteString => `${INODE_PREFIX}${idKey(id)}`

/** Records are written one at a time, each whole: all share one writer. */
const writer = new RecordWriter()

const DIR_FIELDS = 8
const LINK_FIELDS = 5
const INODE_FIELDS = 6
const VERSION_FIELDS = 5

export function readDir(store: StateStore, id: NodeId): Dir | undefined {
  const bytes = store.get(dirKey(id))
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, DIR_FIELDS)
  return {
    parent: r.id(),
    name: r.name(),
    created: r.stamp(),
    live: r.dots(),
    visibleChildren: r.integer(),
    visibleDirs: r.integer(),
    attributes: readAttributes(r),
    changed: r.stamp(),
    ...(r.count > DIR_FIELDS ? { xattrsChanged: r.stamp() } : {}),
  }
}

export function writeDir(store: StateStore, id: NodeId, dir: Dir): void {
  const w = writer.begin(DIR_FIELDS + (dir.xattrsChanged === undefined ? 0 : 1))
  w.hex(dir.parent)
  w.byteString(dir.name)
  w.stamp(dir.created)
  w.dots(dir.live)
  w.integer(dir.visibleChildren)
  w.integer(dir.visibleDirs)
  writeAttributes(w, dir.attributes)
  w.stamp(dir.changed)
  if (dir.xattrsChanged !== undefined) w.stamp(dir.xattrsChanged)
  store.put(dirKey(id), w.finish())
}

/** True for a directory that is known, dead or not. */
export function hasDir(store: StateStore, id: NodeId): boolean {
  return store.get(dirKey(id)) !== undefined
}

export function deleteDir(store: StateStore, id: NodeId): void {
  store.delete(dirKey(id))
}

export function newDir(parent: NodeId, name: Name, stamp: Stamp): Dir {
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

/** Make the root, which no op creates. Idempotent. */
export function ensureRoot(store: StateStore): void {
  if (readDir(store, ROOT) === undefined)
    writeDir(store, ROOT, newDir(ROOT, '' as Name, STAMP_ZERO))
}

export function readLink(store: StateStore, id: NodeId): Link | undefined {
  const bytes = store.get(linkKey(id))
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, LINK_FIELDS)
  return { parent: r.id(), name: r.name(), placed: r.stamp(), live: r.dots(), inode: r.id() }
}

export function writeLink(store: StateStore, id: NodeId, link: Link): void {
  const w = writer.begin(LINK_FIELDS)
  w.hex(link.parent)
  w.byteString(link.name)
  w.stamp(link.placed)
  w.dots(link.live)
  w.hex(link.inode)
  store.put(linkKey(id), w.finish())
}

export function deleteLink(store: StateStore, id: NodeId): void {
  store.delete(linkKey(id))
}

export function readInode(store: StateStore, id: NodeId): Inode | undefined {
  const bytes = store.get(inodeKey(id))
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, INODE_FIELDS)
  const target = r.isBytes() ? r.bytes() : undefined
  const special = target === undefined && !r.null() ? readSpecial(r) : undefined
  return {
    target,
    special,
    attributes: readAttributes(r),
    versions: r.items(() => readVersion(r)),
    links: r.ids(),
    created: r.stamp(),
    changed: r.stamp(),
  }
}

export function writeInode(store: StateStore, id: NodeId, inode: Inode): void {
  const w = writer.begin(INODE_FIELDS)
  if (inode.target !== undefined) w.bytes(inode.target)
  else if (inode.special !== undefined) writeSpecial(w, inode.special)
  else w.null()
  writeAttributes(w, inode.attributes)
  w.list(inode.versions.length)
  for (const version of inode.versions) writeVersion(w, version)
  w.ids(inode.links)
  w.stamp(inode.created)
  w.stamp(inode.changed)
  store.put(inodeKey(id), w.finish())
}

export function deleteInode(store: StateStore, id: NodeId): void {
  store.delete(inodeKey(id))
}

/** As an op carries it. */
function writeSpecial(w: RecordWriter, special: SpecialFile): void {
  w.list(2)
  for (const item of encodeSpecial(special)) w.integer(item)
}

function readSpecial(r: RecordReader): SpecialFile {
  return decodeSpecial(r.items(() => r.integer()))
}

/** The actor and the index of a version's dot are those of its stamp. */
function writeVersion(w: RecordWriter, version: Version): void {
  w.list(VERSION_FIELDS)
  w.stamp(version.stamp)
  w.integer(dotSeq(version.dot))
  w.integer(version.size)
  writeContent(w, version.content)
  w.bigint(version.modifiedNs)
}

function readVersion(r: RecordReader): Version {
  r.list()
  const stamp = r.stamp()
  return {
    stamp,
    dot: stampDot(stamp, r.integer()),
    size: r.integer(),
    content: readContent(r),
    modifiedNs: r.bigint(),
  }
}

/** As an op carries it. */
function writeContent(w: RecordWriter, content: ContentRef): void {
  if (content.kind === 'inline') return w.bytes(content.bytes)
  const items = encodeContent(content) as readonly (Uint8Array | number)[]
  w.list(items.length)
  for (const item of items) {
    if (typeof item === 'number') w.integer(item)
    else w.bytes(item)
  }
}

function readContent(r: RecordReader): ContentRef {
  if (r.isBytes()) return { kind: 'inline', bytes: r.bytes() }
  return decodeContent(r.items(() => (r.isBytes() ? r.bytes() : r.integer())))
}

/** Merge attribute values set by an op: per attribute the highest stamp wins. */
export function mergeAttributes(
  into: StampedAttributes,
  values: AttributeValues,
  stamp: Stamp,
): void {
  const { mode, uid, gid, accessedNs, modifiedNs } = values
  if (mode !== undefined && isNewer(stamp, into.mode)) into.mode = [mode, stamp]
  if (uid !== undefined && isNewer(stamp, into.uid)) into.uid = [uid, stamp]
  if (gid !== undefined && isNewer(stamp, into.gid)) into.gid = [gid, stamp]
  if (accessedNs !== undefined && isNewer(stamp, into.accessedNs))
    into.accessedNs = [accessedNs, stamp]
  if (modifiedNs !== undefined && isNewer(stamp, into.modifiedNs))
    into.modifiedNs = [modifiedNs, stamp]
}

function isNewer(stamp: Stamp, known: Stamped<unknown> | undefined): boolean {
  return known === undefined || known[1] < stamp
}

const ATTRIBUTE_FIELDS = 5

function writeAttributes(w: RecordWriter, a: StampedAttributes): void {
  w.list(ATTRIBUTE_FIELDS)
  for (const field of [a.mode, a.uid, a.gid, a.accessedNs, a.modifiedNs]) {
    if (field === undefined) {
      w.null()
      continue
    }
    w.list(2)
    if (typeof field[0] === 'bigint') w.bigint(field[0])
    else w.integer(field[0])
    w.stamp(field[1])
  }
}

function readAttributes(r: RecordReader): StampedAttributes {
  const out: StampedAttributes = {}
  r.list()
  if (hasNext(r)) out.mode = [r.integer(), r.stamp()]
  if (hasNext(r)) out.uid = [r.integer(), r.stamp()]
  if (hasNext(r)) out.gid = [r.integer(), r.stamp()]
  if (hasNext(r)) out.accessedNs = [r.bigint(), r.stamp()]
  if (hasNext(r)) out.modifiedNs = [r.bigint(), r.stamp()]
  return out
}

/** Steps over null, or into a pair. */
function hasNext(r: RecordReader): boolean {
  return !r.null() && r.list() === 2
}
