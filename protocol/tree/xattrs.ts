// Extended attributes of directories and inodes (xattr(7)): a register for each name, of which the
// greatest stamp wins. One that is set is a record of its own, beside the list of the names that
// are set, so stat(2) reads none of them and nothing is scanned; of one that was removed only the
// stamp is kept, in the index of the dead, until it is purged.
import { TREE_PREFIXES } from './key-prefixes.ts'
import type { XattrName } from '../op/names.ts'
import { fromByteString, toByteString } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import type { Hlc } from '../clock/hlc.ts'
import { blake3 } from '../hash.ts'
import type { NodeId } from '../ids.ts'
import { XATTRS_SHOWN_MAX } from '../limits.ts'
import { STAMP_BYTES } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import { DEAD_PREFIX, decodeDeathTime } from './dead.ts'
import type { TreeOp } from '../op/op.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { addItem, firstItems, forgetItems, isList, itemsOf, removeItem } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { idKey } from './records.ts'
import type { StateStore } from './records.ts'
import { isPlanted } from '../planted-faults.ts'

/** Begins the keys of removed ones in the index of the dead. */
export const REMOVED_PREFIX: ByteString = `${DEAD_PREFIX}x`

const namesKey = (id: NodeId): ByteString => `${TREE_PREFIXES.xattr}${idKey(id)}`
const valueKey = (id: NodeId, name: XattrName): ByteString => namesKey(id) + name
const removedKey = (id: NodeId, name: XattrName): ByteString => REMOVED_PREFIX + idKey(id) + name

const writer = new RecordWriter()
const VALUE_FIELDS = 2

/** Undefined: not set. */
export function readXattr(store: StateStore, id: NodeId, name: XattrName): Uint8Array | undefined {
  const bytes = store.get(valueKey(id, name))
  return bytes === undefined ? undefined : new RecordReader(bytes, VALUE_FIELDS).bytes()
}

/** Names that are set, in the order of their bytes: XATTRS_SHOWN_MAX of them, if there are more. */
export function readXattrNames(store: StateStore, id: NodeId): XattrName[] {
  const ranks = firstItems(store, namesKey(id), readNames(store, id), XATTRS_SHOWN_MAX)
  return ranks.map(nameIn).sort()
}

/** How many are set. */
export function countXattrs(store: StateStore, id: NodeId): number {
  return readNames(store, id).length
}

/** Does what has this stamp take the place of what has the other? */
function isNewer(stamp: Stamp, known: Stamp): boolean {
  if (isPlanted('last-xattr-wins')) return known !== stamp
  // Without the clock, a stamp is that of a node.
  if (isPlanted('xattr-of-one-node-wins')) return known.slice(8) < stamp.slice(8)
  return known < stamp
}

/** Set or remove one, unless somebody did later. */
export function mergeXattr(
  store: StateStore,
  { id, name, value }: Extract<TreeOp, { kind: 'xattr' }>,
  stamp: Stamp,
): void {
  const known = readStamp(store, id, name)
  if (known !== undefined && !isNewer(stamp, known)) return
  if (value === undefined) {
    store.delete(valueKey(id, name))
    store.put(removedKey(id, name), fromByteString(stamp))
  } else {
    const w = writer.begin(VALUE_FIELDS)
    w.bytes(value)
    w.stamp(stamp)
    store.put(valueKey(id, name), w.finish())
    store.delete(removedKey(id, name))
  }
  const names = readNames(store, id)
  const change = value === undefined ? removeItem : addItem
  const changed = change(store, namesKey(id), names, rankOf(name))
  if (changed !== names) writeNames(store, id, changed)
}

/** Their object is purged. */
export function forgetXattrs(store: StateStore, id: NodeId): void {
  const names = readNames(store, id)
  for (const rank of itemsOf(store, namesKey(id), names)) store.delete(valueKey(id, nameIn(rank)))
  forgetItems(store, namesKey(id), names)
  store.delete(namesKey(id))
}

/**
 * The removal that a record of the index tells of, to be purged of a state if nothing came after it
 * there.
 */
export function removalOf(
  [key, value]: readonly [ByteString, Uint8Array],
  deadBy: Hlc,
): ByteString | undefined {
  return decodeDeathTime(value) <= deadBy ? key + toByteString(value) : undefined
}

/** removal: from removalOf. */
export function forgetRemoval(store: StateStore, removal: ByteString): void {
  const [key, stamp] = [removal.slice(0, -STAMP_BYTES), removal.slice(-STAMP_BYTES)]
  const known = store.get(key)
  if (known !== undefined && toByteString(known) === stamp) store.delete(key)
}

/** The stamp of the last op that set or removed it, as far as is remembered. */
function readStamp(store: StateStore, id: NodeId, name: XattrName): Stamp | undefined {
  const bytes = store.get(valueKey(id, name))
  if (bytes === undefined) {
    const removed = store.get(removedKey(id, name))
    return removed === undefined ? undefined : (toByteString(removed) as Stamp)
  }
  const r = new RecordReader(bytes, VALUE_FIELDS)
  r.bytes()
  return r.stamp()
}

/** Names are kept by their hashes: who chooses them cannot make the set of them deep. */
type NameRank = ByteString & { readonly brand: 'NameRank' }
const HASH_BYTES = 8

function rankOf(name: XattrName): NameRank {
  const hash = blake3(fromByteString(name)).subarray(0, HASH_BYTES)
  return (toByteString(hash) + name) as NameRank
}

function nameIn(rank: NameRank): XattrName {
  return rank.slice(HASH_BYTES) as XattrName
}

function readNames(store: StateStore, id: NodeId): ItemSet<NameRank> {
  const bytes = store.get(namesKey(id))
  if (bytes === undefined) return []
  const r = new RecordReader(bytes, 1)
  return r.isInteger() ? { length: r.integer() } : r.rest(() => r.byteString() as NameRank)
}

function writeNames(store: StateStore, id: NodeId, names: ItemSet<NameRank>): void {
  if (names.length === 0) return store.delete(namesKey(id))
  const w = writer.begin(isList(names) ? names.length : 1)
  if (isList(names)) for (const name of names) w.byteString(name)
  else w.integer(names.length)
  store.put(namesKey(id), w.finish())
}
