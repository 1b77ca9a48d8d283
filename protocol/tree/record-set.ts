// Ordered sets of short texts, kept in records. Up to SET_LIST_MAX items stand in the record of
// whoever has the set; more lie in a trie of records of their own, each of bounded size, so that a
// change touches O(length of an item) of them, however many items there are and whoever chose them.
// Equal sets have equal records: the shape follows from the items alone. Chars are bytes, and order
// as they do; a trie branches by half a byte, so paths in it are hexadecimal.
import { TREE_PREFIXES } from './key-prefixes.ts'
import { fromByteString, hexToByteString, toHex } from '../bytes.ts'
import type { ByteString } from '../bytes.ts'
import { assert } from '../errors.ts'
import { SET_LIST_MAX } from '../limits.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import type { StateStore } from './records.ts'

/** All items in order, or of a large set how many they are. */
export type ItemSet<Item extends string> = readonly Item[] | { readonly length: number }

/**
 * Begins the keys of the nodes of tries: then the key of the set, NUL, and in hexadecimal what all
 * items below begin with.
 */
export const NODE_PREFIX: ByteString = TREE_PREFIXES.setNode

/**
 * A node of a trie: the items below it; or, where these are more than SET_LIST_MAX, how they go on.
 */
type Node = LeafNode | InnerNode

interface LeafNode {
  readonly items: readonly string[]
}

interface InnerNode {
  /** The common stem of all items after the path to the node. */
  readonly stem: string
  /** Is that all of one of them? */
  hasEnd: boolean
  /** By the digit after that, in order, how many items go on so. */
  readonly branches: Map<string, number>
}

const writer = new RecordWriter()
const LEAF = 0
const INNER = 1

/** A set's key may hold no NUL but where its length is given by how it begins. */
export function addItem<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
  item: Item,
): ItemSet<Item> {
  if (hasItem(store, key, set, item)) return set
  if (!isList(set)) {
    insert(store, key, '', item)
    return { length: set.length + 1 }
  }
  const items = inserted(set, item)
  if (items.length <= SET_LIST_MAX) return items
  split(store, key, '', items)
  return { length: items.length }
}

export function removeItem<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
  item: Item,
): ItemSet<Item> {
  if (isList(set)) return set.includes(item) ? set.filter((known) => known !== item) : set
  if (!hasItem(store, key, set, item)) return set
  if (set.length > SET_LIST_MAX + 1) {
    remove(store, key, '', item)
    return { length: set.length - 1 }
  }
  return takeAll(store, key, '').filter((known): known is Item => known !== item)
}

export function hasItem<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
  item: Item,
): boolean {
  if (isList(set)) return set.includes(item)
  const way = pathTo(item)
  for (let path = ''; ;) {
    const node = readNode(store, key, path)
    if ('items' in node) return node.items.includes(item)
    const stem = path + node.stem
    if (!way.startsWith(stem)) return false
    if (way.length === stem.length) return node.hasEnd
    path = way.slice(0, stem.length + 1)
    if (!node.branches.has(path.slice(-1))) return false
  }
}

/** In order. */
export function* itemsOf<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
): Generator<Item, void, undefined> {
  if (isList(set)) yield* set
  else yield* below(store, key, '') as Generator<Item, void, undefined>
}

/** The first of them, at most so many. */
export function firstItems<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
  countMax: number,
): readonly Item[] {
  if (isList(set) && set.length <= countMax) return set
  return [...itemsOf(store, key, set).take(countMax)]
}

/** The last of them. */
export function lastItem<Item extends string>(
  store: StateStore,
  key: ByteString,
  set: ItemSet<Item>,
): Item | undefined {
  if (isList(set)) return set.at(-1)
  for (let path = ''; ;) {
    const node = readNode(store, key, path)
    if ('items' in node) return node.items.at(-1) as Item
    path += node.stem + (Array.from(node.branches.keys()).at(-1) ?? '')
  }
}

/** Delete the records of a set that is needed no more. cost: O(items) */
export function forgetItems(store: StateStore, key: ByteString, set: ItemSet<string>): void {
  if (!isList(set)) takeAll(store, key, '')
}

export function isList<Item extends string>(set: ItemSet<Item>): set is readonly Item[] {
  return Array.isArray(set)
}

function insert(store: StateStore, key: ByteString, path: string, item: string): void {
  const node = readNode(store, key, path)
  if ('items' in node) {
    const items = inserted(node.items, item)
    if (items.length <= SET_LIST_MAX) writeNode(store, key, path, { items })
    else split(store, key, path, items)
    return
  }
  const stem = path + node.stem
  const way = pathTo(item)
  if (!way.startsWith(stem)) return part(store, key, path, node, item)
  const next = way.slice(0, stem.length + 1)
  if (next === stem) {
    writeNode(store, key, path, { ...node, hasEnd: true })
    return
  }
  const count = node.branches.get(next.slice(-1)) ?? 0
  writeNode(store, key, path, withBranch(node, next.slice(-1), count + 1))
  if (count === 0) writeNode(store, key, next, { items: [item] })
  else insert(store, key, next, item)
}

/**
 * An item goes on otherwise than all that are below a node: it comes below a new one in its place.
 */
function part(
  store: StateStore,
  key: ByteString,
  path: string,
  node: InnerNode,
  item: string,
): void {
  const stem = path + node.stem
  const way = pathTo(item)
  const common = commonStart(stem, way)
  const [old, next] = [stem.charAt(common.length), way.charAt(common.length)]
  writeNode(store, key, common + old, { ...node, stem: stem.slice(common.length + 1) })
  const parted = { stem: common.slice(path.length), hasEnd: next === '', branches: new Map() }
  const above = withBranch(parted, old, countBelow(node))
  writeNode(store, key, path, next === '' ? above : withBranch(above, next, 1))
  if (next !== '') writeNode(store, key, common + next, { items: [item] })
}

function split(store: StateStore, key: ByteString, path: string, items: readonly string[]): void {
  // In order: the first and the last differ soonest.
  const common = commonStart(pathTo(items[0] ?? ''), pathTo(items.at(-1) ?? ''))
  const groups = Map.groupBy(items, (item) => pathTo(item).charAt(common.length))
  const hasEnd = groups.delete('')
  const branches = new Map(Array.from(groups, ([char, some]) => [char, some.length]))
  writeNode(store, key, path, { stem: common.slice(path.length), hasEnd, branches })
  for (const [char, some] of groups) writeNode(store, key, common + char, { items: some })
}

function remove(store: StateStore, key: ByteString, path: string, item: string): void {
  const node = readNode(store, key, path)
  if ('items' in node) {
    writeNode(store, key, path, { items: node.items.filter((known) => known !== item) })
    return
  }
  if (countBelow(node) <= SET_LIST_MAX + 1) {
    const items = takeAll(store, key, path).filter((known) => known !== item)
    writeNode(store, key, path, { items })
    return
  }
  const stem = path + node.stem
  const next = pathTo(item).slice(0, stem.length + 1)
  const char = next.slice(stem.length)
  const count = node.branches.get(char) ?? 1
  const left = char === '' ? { ...node, hasEnd: false } : withBranch(node, char, count - 1)
  if (char !== '' && count > 1) remove(store, key, next, item)
  else if (char !== '') store.delete(nodeKey(key, next))
  const [only, another] = left.branches.keys()
  if (left.hasEnd || only === undefined || another !== undefined)
    return writeNode(store, key, path, left)
  // All go on alike: what was below takes its place.
  const last = readNode(store, key, stem + only)
  assert('stem' in last, 'what has so many below is no leaf')
  store.delete(nodeKey(key, stem + only))
  writeNode(store, key, path, { ...last, stem: node.stem + only + last.stem })
}

/** All items below a node, of which the records go. */
function takeAll(store: StateStore, key: ByteString, path: string): string[] {
  const items: string[] = []
  const open = [path]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const node = readNode(store, key, at)
    store.delete(nodeKey(key, at))
    if ('items' in node) {
      items.push(...node.items)
      continue
    }
    const stem = at + node.stem
    if (node.hasEnd) items.push(itemAt(stem))
    for (const char of node.branches.keys()) open.push(stem + char)
  }
  return items.sort()
}

function* below(
  store: StateStore,
  key: ByteString,
  path: string,
): Generator<string, void, undefined> {
  const node = readNode(store, key, path)
  if ('items' in node) return yield* node.items
  const stem = path + node.stem
  if (node.hasEnd) yield itemAt(stem)
  for (const char of node.branches.keys()) yield* below(store, key, stem + char)
}

function withBranch(node: InnerNode, char: string, count: number): InnerNode {
  const branches = new Map(node.branches)
  if (count > 0) branches.set(char, count)
  else branches.delete(char)
  if (count === 0 || node.branches.has(char)) return { ...node, branches }
  return { ...node, branches: new Map([...branches].sort(([a], [b]) => (a < b ? -1 : 1))) }
}

function countBelow({ hasEnd, branches }: InnerNode): number {
  let count = hasEnd ? 1 : 0
  for (const some of branches.values()) count += some
  return count
}

function commonStart(one: string, another: string): string {
  let length = 0
  while (length < one.length && one.charAt(length) === another.charAt(length)) length++
  return one.slice(0, length)
}

function pathTo(item: string): string {
  return toHex(fromByteString(item))
}

/** The item of which a path is all. */
function itemAt(path: string): string {
  return hexToByteString(path)
}

function inserted<Item extends string>(items: readonly Item[], item: Item): Item[] {
  const at = items.findIndex((known) => known > item)
  return items.toSpliced(at < 0 ? items.length : at, 0, item)
}

function nodeKey(key: ByteString, path: string): ByteString {
  return `${NODE_PREFIX}${key}\0${path}`
}

function readNode(store: StateStore, key: ByteString, path: string): Node {
  const bytes = store.get(nodeKey(key, path))
  assert(bytes !== undefined, 'a large set has all its records')
  const r = new RecordReader(bytes, 1)
  if (r.integer() === LEAF) return { items: r.items(() => r.byteString()) }
  const stem = r.byteString()
  const hasEnd = r.integer() === 1
  const branches = r.items(() => {
    r.list()
    return [r.byteString(), r.integer()] as const
  })
  return { stem, hasEnd, branches: new Map(branches) }
}

function writeNode(store: StateStore, key: ByteString, path: string, node: Node): void {
  if ('items' in node) {
    const w = writer.begin(2)
    w.integer(LEAF)
    w.list(node.items.length)
    for (const item of node.items) w.byteString(item)
    store.put(nodeKey(key, path), w.finish())
    return
  }
  const w = writer.begin(4)
  w.integer(INNER)
  w.byteString(node.stem)
  w.integer(node.hasEnd ? 1 : 0)
  w.list(node.branches.size)
  for (const [char, count] of node.branches) {
    w.list(2)
    w.byteString(char)
    w.integer(count)
  }
  store.put(nodeKey(key, path), w.finish())
}
