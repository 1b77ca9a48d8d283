// The index of names that are in conflict, so that they can be counted and listed without a walk
// through the tree: under 'f', the directory and the collision key, how many copies are there
// beside the plain name, be they shown or not. It holds every key with several children, or with a
// file of several versions that show there.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import type { NodeId } from '../ids.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import { readChildren } from './children.ts'
import { collisionKey } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { idKey, readInode, readLink } from './records.ts'
import type { StateStore } from './records.ts'
import { countLosing, showsVersions, withoutTwins } from './view.ts'
import type { ConflictPolicy } from './view.ts'

/** Begins the keys of the index. */
export const CONFLICT_PREFIX: ByteString = TREE_PREFIXES.conflict
const TOTAL: ByteString = TREE_PREFIXES.conflictTotal

/** Conflict copies: of names that collide, and of contents written at once. */
interface Copies {
  readonly names: number
  readonly versions: number
}

const writer = new RecordWriter()
const COPIES_FIELDS = 2
const NONE: Copies = { names: 0, versions: 0 }

function conflictKey(dir: NodeId, name: Name): ByteString {
  return CONFLICT_PREFIX + idKey(dir) + collisionKey(name)
}

/** The directory and the collision key that a key of the index names. */
export function decodeConflictKey(key: ByteString): { dir: NodeId; name: Name } {
  const start = CONFLICT_PREFIX.length
  const end = start + SHORT_ID_BYTES
  const dir = toHex(fromByteString(key.slice(start, end))) as NodeId
  return { dir, name: key.slice(end) as Name }
}

/** Conflict copies in view. */
export function readConflictCount(store: StateStore, policy: ConflictPolicy = 'copies'): number {
  const { names, versions } = readCopies(store, TOTAL) ?? NONE
  return policy === 'lww' ? names : names + versions
}

/** Things under a name beside the one that has it, be they shown or not. */
export function countCopies(store: StateStore, dir: NodeId, name: Name): number {
  const { names, versions } = readCopies(store, conflictKey(dir, name)) ?? NONE
  return names + versions
}

/** True if this name may be in conflict. */
export function isIndexed(store: StateStore, dir: NodeId, name: Name): boolean {
  return store.get(conflictKey(dir, name)) !== undefined
}

/**
 * Count again the copies under a name of which the children or their versions changed. cost: O(what
 * shows there)
 */
export function recountCopies(store: StateStore, dir: NodeId, name: Name): void {
  const key = conflictKey(dir, name)
  const before = readCopies(store, key)
  const { count, shown } = readChildren(store, dir, name)
  const apart = withoutTwins(store, shown)
  let [versions, hasVersions] = [0, false]
  for (const { kind, id } of apart) {
    const link = kind === 'link' ? readLink(store, id) : undefined
    const inode = link === undefined ? undefined : readInode(store, link.inode)
    if (link === undefined || inode === undefined || inode.losers.length === 0) continue
    if (!showsVersions(store, link.inode, inode, id)) continue
    hasVersions = true
    versions += countLosing(store, link.inode, inode)
  }
  const names = Math.max(0, count - (shown.length - apart.length) - 1)
  if (count > 1 || hasVersions) writeCopies(store, key, { names, versions })
  else if (before !== undefined) store.delete(key)
  const old = before ?? NONE
  addToTotal(store, { names: names - old.names, versions: versions - old.versions })
}

function addToTotal(store: StateStore, by: Copies): void {
  if (by.names === 0 && by.versions === 0) return
  const total = readCopies(store, TOTAL) ?? NONE
  const next = { names: total.names + by.names, versions: total.versions + by.versions }
  // Equal trees have equal records: none for none.
  if (next.names === 0 && next.versions === 0) store.delete(TOTAL)
  else writeCopies(store, TOTAL, next)
}

function readCopies(store: StateStore, key: ByteString): Copies | undefined {
  const bytes = store.get(key)
  if (bytes === undefined) return undefined
  const r = new RecordReader(bytes, COPIES_FIELDS)
  return { names: r.integer(), versions: r.integer() }
}

function writeCopies(store: StateStore, key: ByteString, { names, versions }: Copies): void {
  const w = writer.begin(COPIES_FIELDS)
  w.integer(names)
  w.integer(versions)
  store.put(key, w.finish())
}
