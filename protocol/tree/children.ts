// The names of directories: under each collision key the directories and links that show there, in
// the order in which they are shown, and an index of long names by their hashes, which stand for
// them in conflict names.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import type { NodeId } from '../ids.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import { NAMES_SHOWN_MAX } from '../limits.ts'
import { STAMP_ZERO } from '../clock/dot.ts'
import type { Stamp } from '../clock/dot.ts'
import type { Edit } from './edit.ts'
import { collisionKey, isLongName, nameHash } from '../op/names.ts'
import type { Name } from '../op/names.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { addItem, firstItems, isList, itemsOf, removeItem } from './record-set.ts'
import type { ItemSet } from './record-set.ts'
import { idKey } from './records.ts'
import type { StateStore } from './records.ts'

/** A child of a directory under one collision key. */
export interface Child {
  readonly kind: 'dir' | 'link'
  readonly id: NodeId
}

/** A child and what it is ordered by: when a directory was made, or a link was put there. */
export interface PlacedChild extends Child {
  readonly stamp: Stamp
}

/** The children under one collision key of a directory. */
export interface Children {
  readonly count: number
  /**
   * The first of them, which show: at most NAMES_SHOWN_MAX. More than one is a collision, resolved
   * in the view.
   */
  readonly shown: readonly Child[]
}

/**
 * The kind, the stamp (of a link its complement) and the id of a child: directories, oldest first,
 * then links, newest first.
 */
type Rank = ByteString & { readonly brand: 'Rank' }

/** One child is by far the most frequent: its stamp is left to its own record. */
type Record = ItemSet<Rank> | { readonly only: Child }

const writer = new RecordWriter()
const DIR = 0
const LINK = 1
const NONE: Children = { count: 0, shown: [] }

/** Prefix of the keys of a directory's names; what follows is the collision key. */
export function childPrefix(dir: NodeId): ByteString {
  return `${TREE_PREFIXES.child}${idKey(dir)}`
}

function childKey(dir: NodeId, name: Name): ByteString {
  return childPrefix(dir) + collisionKey(name)
}

export function readChildren(store: StateStore, dir: NodeId, name: Name): Children {
  const key = childKey(dir, name)
  const bytes = store.get(key)
  return bytes === undefined ? NONE : decodeChildren(store, key, bytes)
}

/** The value under a child key. */
export function decodeChildren(store: StateStore, key: ByteString, bytes: Uint8Array): Children {
  const record = decode(bytes)
  if ('only' in record) return { count: 1, shown: [record.only] }
  const shown = firstItems(store, key, record, NAMES_SHOWN_MAX)
  return { count: record.length, shown: shown.map(childIn) }
}

/** All of them, in order. In memory are a few. */
export function* allChildren(
  store: StateStore,
  dir: NodeId,
  name: Name,
): Generator<Child, void, undefined> {
  const key = childKey(dir, name)
  const bytes = store.get(key)
  const record = bytes === undefined ? [] : decode(bytes)
  if ('only' in record) yield record.only
  else for (const rank of itemsOf(store, key, record)) yield childIn(rank)
}

/** returns how many there are now under its key. */
export function addChild(edit: Edit, dir: NodeId, name: Name, child: PlacedChild): number {
  const key = childKey(dir, name)
  const bytes = edit.store.get(key)
  const known = bytes === undefined ? [] : ranksIn(edit, decode(bytes))
  const set = addItem(edit.store, key, known, rankOf(child))
  if (set === known) return known.length
  write(edit.store, key, set)
  if (isLongName(name)) countLongName(edit.store, dir, name, 1)
  return set.length
}

/** As it was added. returns how many there were under its key. */
export function removeChild(edit: Edit, dir: NodeId, name: Name, child: PlacedChild): number {
  const key = childKey(dir, name)
  const bytes = edit.store.get(key)
  if (bytes === undefined) return 0
  const record = decode(bytes)
  const known = 'only' in record ? [rankOf({ ...record.only, stamp: child.stamp })] : record
  const set = removeItem(edit.store, key, known, rankOf(child))
  if (set === known) return known.length
  if (set.length === 0) edit.store.delete(key)
  else write(edit.store, key, set)
  if (isLongName(name)) countLongName(edit.store, dir, name, -1)
  return known.length
}

function ranksIn(edit: Edit, record: Record): ItemSet<Rank> {
  if (!('only' in record)) return record
  const { kind, id } = record.only
  const stamp = kind === 'dir' ? edit.dir(id)?.created : edit.link(id)?.placed
  return [rankOf({ kind, id, stamp: stamp ?? STAMP_ZERO })]
}

function rankOf({ kind, id, stamp }: PlacedChild): Rank {
  const time = kind === 'dir' ? stamp : complement(stamp)
  return (String.fromCharCode(kind === 'dir' ? DIR : LINK) + time + hexToByteString(id)) as Rank
}

function childIn(rank: Rank): Child {
  const id = toHex(fromByteString(rank.slice(-SHORT_ID_BYTES))) as NodeId
  return { kind: rank.charCodeAt(0) === DIR ? 'dir' : 'link', id }
}

function complement(stamp: Stamp): ByteString {
  return toByteString(fromByteString(stamp).map((byte) => 255 - byte))
}

function decode(bytes: Uint8Array): Record {
  const r = new RecordReader(bytes, 1)
  if (r.isInteger()) return { length: r.integer() }
  if (r.isBytes()) return r.rest(() => r.byteString() as Rank)
  r.list()
  return { only: { kind: r.integer() === DIR ? 'dir' : 'link', id: r.id() } }
}

function write(store: StateStore, key: ByteString, set: ItemSet<Rank>): void {
  const [only, another] = isList(set) ? set : []
  if (only !== undefined && another === undefined) {
    const { kind, id } = childIn(only)
    const w = writer.begin(1)
    w.list(2)
    w.integer(kind === 'dir' ? DIR : LINK)
    w.hex(id)
  } else if (isList(set)) {
    const w = writer.begin(set.length)
    for (const rank of set) w.byteString(rank)
  } else {
    writer.begin(1)
    writer.integer(set.length)
  }
  store.put(key, writer.finish())
}

/** Long names of a directory with this hash: hardly ever more than one. */
type LongNames = readonly { readonly name: Name; readonly count: number }[]

const longNameKey = (dir: NodeId, hash: string): ByteString =>
  `${TREE_PREFIXES.longName}${idKey(dir)}${hash}`

/** The long names in `dir` that this hash stands for in conflict names. */
export function longNames(store: StateStore, dir: NodeId, hash: string): readonly Name[] {
  return readLongNames(store, longNameKey(dir, hash)).map(({ name }) => name)
}

function readLongNames(store: StateStore, key: ByteString): LongNames {
  const bytes = store.get(key)
  if (bytes === undefined) return []
  const r = new RecordReader(bytes, 1)
  return r.rest(() => {
    r.list()
    return { name: r.name(), count: r.integer() }
  })
}

/** So many more children have this very name. */
function countLongName(store: StateStore, dir: NodeId, name: Name, more: number): void {
  const key = longNameKey(dir, nameHash(name))
  const known = readLongNames(store, key)
  const count = (known.find((one) => one.name === name)?.count ?? 0) + more
  const others = known.filter((one) => one.name !== name)
  const names = count > 0 ? [...others, { name, count }] : others
  if (names.length === 0) return store.delete(key)
  const w = writer.begin(names.length)
  for (const one of names.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    w.list(2)
    w.byteString(one.name)
    w.integer(one.count)
  }
  store.put(key, w.finish())
}
