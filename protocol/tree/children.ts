// The names of directories: under each collision key the directories and links that show there, and an index of long
// names by what their conflict names begin with.
import type { ByteString } from '../bytes.ts'
import type { NodeId } from '../ids.ts'
import { collisionKey, longNamePrefix } from './names.ts'
import type { Name } from './names.ts'
import { RecordReader, RecordWriter } from './record-codec.ts'
import { idKey } from './records.ts'
import type { StateStore } from './records.ts'

/** A child of a directory under one collision key. */
export interface Child {
  readonly kind: 'dir' | 'link'
  readonly id: NodeId
}

const writer = new RecordWriter()
const DIR = 0
const LINK = 1

/** Prefix of the keys of a directory's names; what follows is the collision key. */
export function childPrefix(dir: NodeId): ByteString {
  return `c${idKey(dir)}`
}

const longNameKey = (dir: NodeId, prefix: ByteString): ByteString => `x${idKey(dir)}${prefix}`

/** What shows under a collision key of a directory, in id order. More than one is a collision, resolved in the view. */
export function readChildren(store: StateStore, dir: NodeId, name: Name): Child[] {
  const bytes = store.get(childPrefix(dir) + collisionKey(name))
  return bytes === undefined ? [] : decodeChildren(bytes)
}

/** The value under a child key. */
export function decodeChildren(bytes: Uint8Array): Child[] {
  const r = new RecordReader(bytes, 1)
  return r.rest(() => {
    r.list()
    return { kind: r.integer() === DIR ? 'dir' : 'link', id: r.id() }
  })
}

/** returns how many there are now under its key. */
export function addChild(store: StateStore, dir: NodeId, name: Name, child: Child): number {
  const key = childPrefix(dir) + collisionKey(name)
  const children = readAt(store, key)
  if (children.some((known) => known.id === child.id)) return children.length
  writeChildren(store, key, [...children, child])
  indexLongName(store, dir, name, (known) => [...known, [child.id, name]])
  return children.length + 1
}

/** returns how many there were under its key. */
export function removeChild(store: StateStore, dir: NodeId, name: Name, id: NodeId): number {
  const key = childPrefix(dir) + collisionKey(name)
  const children = readAt(store, key)
  writeChildren(
    store,
    key,
    children.filter((child) => child.id !== id),
  )
  indexLongName(store, dir, name, (known) => known.filter(([other]) => other !== id))
  return children.length
}

function readAt(store: StateStore, key: ByteString): Child[] {
  const bytes = store.get(key)
  return bytes === undefined ? [] : decodeChildren(bytes)
}

function writeChildren(store: StateStore, key: ByteString, children: Child[]): void {
  if (children.length === 0) return store.delete(key)
  children.sort((a, b) => (a.id < b.id ? -1 : 1))
  const w = writer.begin(children.length)
  for (const { kind, id } of children) {
    w.list(2)
    w.integer(kind === 'dir' ? DIR : LINK)
    w.hex(id)
  }
  store.put(key, w.finish())
}

type LongNames = readonly (readonly [child: NodeId, name: Name])[]

/**
 * The names in `dir` that a conflict name like this may have been cut from: a conflict name says what name it stands
 * for only if that is short, so those of long names are kept under what both begin with.
 */
export function namesBehindCut(store: StateStore, dir: NodeId, name: Name): Name[] {
  const prefix = longNamePrefix(name)
  if (prefix === undefined) return []
  return [...new Set(readLongNames(store, longNameKey(dir, prefix)).map(([, long]) => long))]
}

function readLongNames(store: StateStore, key: ByteString): LongNames {
  const bytes = store.get(key)
  if (bytes === undefined) return []
  const r = new RecordReader(bytes, 1)
  return r.rest(() => {
    r.list()
    return [r.id(), r.name()]
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
  const key = longNameKey(dir, prefix)
  const names = change(readLongNames(store, key))
  if (names.length === 0) return store.delete(key)
  const w = writer.begin(names.length)
  for (const [id, long] of names.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    w.list(2)
    w.hex(id)
    w.byteString(long)
  }
  store.put(key, w.finish())
}
