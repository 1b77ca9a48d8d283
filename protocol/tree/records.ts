// The stored state of the tree: one record per directory, link, inode and name, each a small
// DAG-CBOR value under its own key, so that an op touches O(1) records whatever the size of a
// directory. What an object may have any number of is a set of records (record-set.ts). Equal trees
// have equal records.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { assertNever } from '../errors.ts'
import { OP_DOTS_MAX } from '../limits.ts'
import { STAMP_ZERO } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { NodeId } from '../ids.ts'
import type { Made } from './made.ts'
import type { Name } from '../op/names.ts'
import type { SpecialFile } from '../op/op.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { firstItems, isList, itemsOf } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { decodeSpecial, encodeSpecial } from '../op/special-codec.ts'
import { readVersion, writeVersion } from './version-records.ts'
import type { Version } from './version-records.ts'
import { readAttributes, writeAttributes } from './stamped-attributes.ts'
import type { StampedAttributes } from './stamped-attributes.ts'

/** The store of records: a synchronous ordered store, or an overlay of one. */
export interface StateStore {
  get(key: ByteString): Uint8Array | undefined
  put(key: ByteString, value: Uint8Array): void
  delete(key: ByteString): void
}

/** A directory. The root's parent is itself. */
export interface Dir extends Made {
  parent: NodeId
  name: Name
  /** Earliest mkdir: two made at once with one name are one directory. */
  created: Stamp
  /** Presence dots no delete has covered: alive while there is one. */
  live: ItemSet<Dot>
  /** Children that show. A deleted directory with some shows again. */
  visibleChildren: number
  /** Directories among these (for the link count). */
  visibleDirs: number
  attributes: StampedAttributes
  /** Latest op on its names: its mtime and ctime. */
  changed: Stamp
  /** Latest op on its extended attributes, if there was one: its ctime, too. */
  xattrsChanged?: Stamp
}

/** A name of an inode. */
export interface Link extends Made {
  parent: NodeId
  name: Name
  placed: Stamp
  live: ItemSet<Dot>
  inode: NodeId
  /** Earliest op that made it, whose inode it is of. */
  made: Stamp
}

/** A file, symlink or special file. */
export interface Inode extends Made {
  /** Bytes a symlink points to; else undefined. */
  target: Uint8Array | undefined
  /** Undefined for a file or symlink. */
  special: SpecialFile | undefined
  attributes: StampedAttributes
  /** The version of the greatest stamp, of those that nobody has removed while there are such. */
  newest: Version | undefined
  /** The others that nobody has removed, if there are any: a conflict (versions.ts). By stamp. */
  losers: ItemSet<VersionRank>
  /** Is the newest one that somebody has removed? Then there are no losers. */
  isRemoved: boolean
  /** Other versions that somebody has removed, by stamp. */
  removed: ItemSet<VersionRank>
  /** Names that show. */
  links: ItemSet<NodeId>
  /** Earliest op that made it, which says what it is. */
  created: Stamp
  changed: Stamp
}

/** The stamp of a version, then the seq of its dot in 8 bytes: all of the dot is in these. */
export type VersionRank = ByteString & { readonly brand: 'VersionRank' }

export const ROOT: NodeId = '0'.repeat(32) as NodeId

/** The id as it is in keys. */
export function idKey(id: NodeId): ByteString {
  return hexToByteString(id)
}

/** Begins the keys of inodes. */
export const INODE_PREFIX: ByteString = TREE_PREFIXES.inode

/** The inode whose key this is. */
export function inodeOfKey(key: ByteString): NodeId {
  return toHex(fromByteString(key.slice(INODE_PREFIX.length))) as NodeId
}

const dirKey = (id: NodeId): ByteString => `${TREE_PREFIXES.directory}${idKey(id)}`
const linkKey = (id: NodeId): ByteString => `${TREE_PREFIXES.link}${idKey(id)}`
const inodeKey = (id: NodeId): ByteString => `${INODE_PREFIX}${idKey(id)}`
/** Keys of the sets in a record: presence dots, links and losers of an inode, creators of each. */
export type SetName =
  'dir' | 'link' | 'links' | 'losers' | 'removed' | 'dir-made' | 'link-made' | 'inode-made'

export function setKey(set: SetName, id: NodeId): ByteString {
  switch (set) {
    case 'dir':
      return dirKey(id)
    case 'link':
      return linkKey(id)
    case 'links':
      return `${inodeKey(id)}l`
    case 'losers':
      return `${inodeKey(id)}v`
    case 'removed':
      return `${inodeKey(id)}r`
    case 'dir-made':
      return `${dirKey(id)}m`
    case 'link-made':
      return `${linkKey(id)}m`
    case 'inode-made':
      return `${inodeKey(id)}m`
    default:
      return assertNever(set)
  }
}

/** The names of an inode that show, by their ids. */
export function* linksOf(
  store: StateStore,
  id: NodeId,
  { links }: Pick<Inode, 'links'>,
): Generator<NodeId, void, undefined> {
  yield* itemsOf(store, setKey('links', id), links)
}

/** As much of its presence as one op can name as seen; the rest stays for the next op. */
export function seenOf(
  store: StateStore,
  owner: 'dir' | 'link',
  id: NodeId,
  { live }: Pick<Link, 'live'>,
): readonly Dot[] {
  return firstItems(store, setKey(owner, id), live, OP_DOTS_MAX)
}

/** Records are written one at a time, each whole: all share one writer. */
const writer = new RecordWriter()

const DIR_FIELDS = 9
const LINK_FIELDS = 6
const INODE_FIELDS = 7

export function readDir(store: StateStore, id: NodeId): Dir | undefined {
  const bytes = store.get(dirKey(id))
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, DIR_FIELDS)
  return {
    parent: r.id(),
    name: r.name(),
    created: r.stamp(),
    madeSeq: r.integer(),
    live: readSet(r, () => r.dots()),
    visibleChildren: r.integer(),
    visibleDirs: r.integer(),
    attributes: readAttributes(r),
    changed: r.stamp(),
    ...(r.count > DIR_FIELDS && !r.null() ? { xattrsChanged: r.stamp() } : {}),
    madeAlso: r.count > DIR_FIELDS + 1 ? readSet(r, () => r.dots()) : [],
  }
}

export function writeDir(store: StateStore, id: NodeId, dir: Dir): void {
  const { xattrsChanged, madeAlso } = dir
  const more = madeAlso.length > 0 ? 2 : xattrsChanged === undefined ? 0 : 1
  const w = writer.begin(DIR_FIELDS + more)
  w.hex(dir.parent)
  w.byteString(dir.name)
  w.stamp(dir.created)
  w.integer(dir.madeSeq)
  writeSet(w, dir.live, (dots) => w.dots(dots))
  w.integer(dir.visibleChildren)
  w.integer(dir.visibleDirs)
  writeAttributes(w, dir.attributes)
  w.stamp(dir.changed)
  if (xattrsChanged !== undefined) w.stamp(xattrsChanged)
  else if (more > 0) w.null()
  if (madeAlso.length > 0) writeSet(w, madeAlso, (dots) => w.dots(dots))
  store.put(dirKey(id), w.finish())
}

/** True for a directory that is known, dead or not. */
export function hasDir(store: StateStore, id: NodeId): boolean {
  return store.get(dirKey(id)) !== undefined
}

export function deleteDir(store: StateStore, id: NodeId): void {
  store.delete(dirKey(id))
}

export function newDir(parent: NodeId, name: Name, stamp: Stamp, seq: number): Dir {
  return {
    parent,
    name,
    created: stamp,
    madeSeq: seq,
    madeAlso: [],
    live: [],
    visibleChildren: 0,
    visibleDirs: 0,
    attributes: {},
    changed: stamp,
  }
}

/** One without names and contents. */
export function newInode(
  { target, special }: Partial<Pick<Inode, 'target' | 'special'>>,
  made: Stamp,
  madeSeq: number,
): Inode {
  return {
    target,
    special,
    attributes: {},
    newest: undefined,
    losers: [],
    isRemoved: false,
    removed: [],
    links: [],
    created: made,
    madeSeq,
    madeAlso: [],
    changed: made,
  }
}

/** True if the directory shows. */
export function isDirVisible(id: NodeId, dir: Dir): boolean {
  return id === ROOT || dir.live.length > 0 || dir.visibleChildren > 0
}

/** Make the root, which no op creates. Idempotent. */
export function ensureRoot(store: StateStore): void {
  if (readDir(store, ROOT) === undefined)
    writeDir(store, ROOT, newDir(ROOT, '' as Name, STAMP_ZERO, 0))
}

export function readLink(store: StateStore, id: NodeId): Link | undefined {
  const bytes = store.get(linkKey(id))
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, LINK_FIELDS)
  const [parent, name, placed] = [r.id(), r.name(), r.stamp()]
  const [live, inode] = [readSet<Dot>(r, () => r.dots()), r.id()]
  const madeSeq = r.integer()
  const made = r.count > LINK_FIELDS ? r.stamp() : placed
  const madeAlso = r.count > LINK_FIELDS + 1 ? readSet<Dot>(r, () => r.dots()) : []
  return { parent, name, placed, live, inode, made, madeSeq, madeAlso }
}

export function writeLink(store: StateStore, id: NodeId, link: Link): void {
  const { made, madeAlso } = link
  const more = madeAlso.length > 0 ? 2 : made === link.placed ? 0 : 1
  const w = writer.begin(LINK_FIELDS + more)
  w.hex(link.parent)
  w.byteString(link.name)
  w.stamp(link.placed)
  writeSet(w, link.live, (dots) => w.dots(dots))
  w.hex(link.inode)
  w.integer(link.madeSeq)
  if (more > 0) w.stamp(made)
  if (madeAlso.length > 0) writeSet(w, madeAlso, (dots) => w.dots(dots))
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
    newest: r.null() ? undefined : readVersion(r),
    links: readSet(r, () => r.ids()),
    created: r.stamp(),
    madeSeq: r.integer(),
    changed: r.stamp(),
    losers: r.count > INODE_FIELDS ? readRanks(r) : [],
    madeAlso: r.count > INODE_FIELDS + 1 ? readSet(r, () => r.dots()) : [],
    removed: r.count > INODE_FIELDS + 2 ? readRanks(r) : [],
    isRemoved: r.count > INODE_FIELDS + 3,
  }
}

export function writeInode(store: StateStore, id: NodeId, inode: Inode): void {
  const { losers, madeAlso, removed, isRemoved } = inode
  const present = [losers.length > 0, madeAlso.length > 0, removed.length > 0, isRemoved]
  const more = present.lastIndexOf(true) + 1
  const w = writer.begin(INODE_FIELDS + more)
  if (inode.target !== undefined) w.bytes(inode.target)
  else if (inode.special !== undefined) writeSpecial(w, inode.special)
  else w.null()
  writeAttributes(w, inode.attributes)
  if (inode.newest === undefined) w.null()
  else writeVersion(w, inode.newest)
  writeSet(w, inode.links, (links) => w.ids(links))
  w.stamp(inode.created)
  w.integer(inode.madeSeq)
  w.stamp(inode.changed)
  if (more > 0) writeRanks(w, losers)
  if (more > 1) writeSet(w, madeAlso, (dots) => w.dots(dots))
  if (more > 2) writeRanks(w, removed)
  if (more > 3) w.integer(1)
  store.put(inodeKey(id), w.finish())
}

export function deleteInode(store: StateStore, id: NodeId): void {
  store.delete(inodeKey(id))
}

/** A list, or of a large set how many there are. */
function writeSet<Item extends string>(
  w: RecordWriter,
  set: ItemSet<Item>,
  writeList: (items: readonly Item[]) => void,
): void {
  if (isList(set)) writeList(set)
  else w.integer(set.length)
}

function writeRanks(w: RecordWriter, set: ItemSet<VersionRank>): void {
  writeSet(w, set, (ranks) => {
    w.list(ranks.length)
    for (const rank of ranks) w.byteString(rank)
  })
}

function readRanks(r: RecordReader): ItemSet<VersionRank> {
  return readSet(r, () => r.items(() => r.byteString()))
}

function readSet<Item extends string>(r: RecordReader, readList: () => string[]): ItemSet<Item> {
  return r.isInteger() ? { length: r.integer() } : (readList() as Item[])
}

/** As an op carries it. */
function writeSpecial(w: RecordWriter, special: SpecialFile): void {
  w.list(2)
  for (const item of encodeSpecial(special)) w.integer(item)
}

function readSpecial(r: RecordReader): SpecialFile {
  return decodeSpecial(r.items(() => r.integer()))
}
