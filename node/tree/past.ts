// Reads what was at a path: names and folders that are there or were removed, and the states of a
// file one after the other, as far as the volume keeps them (protocol/tree/superseded.ts,
// removals.ts). Read from the state alone: the same on all members that hold the same.
import {
  STAMP_BYTES,
  STAMP_ZERO,
  makeStamp,
  stampActor,
  stampMs,
} from '../../protocol/clock/dot.ts'
import type { Stamp } from '../../protocol/clock/dot.ts'
import type { Hlc } from '../../protocol/clock/hlc.ts'
import { toByteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/bytes.ts'
import type { ActorId, NodeId } from '../../protocol/ids.ts'
import { collisionKey, conflictName } from '../../protocol/op/names.ts'
import type { Name } from '../../protocol/op/names.ts'
import { allChildren, childPrefix } from '../../protocol/tree/children.ts'
import { readDead } from '../../protocol/tree/dead.ts'
import {
  coveredPrefix,
  decodeCovered,
  decodeGone,
  gonePrefix,
  gonePrefixesOf,
} from '../../protocol/tree/removals.ts'
import type { Gone } from '../../protocol/tree/removals.ts'
import { isDirVisible, readDir, readInode, readLink } from '../../protocol/tree/records.ts'
import { decodeSuperseded, supersededPrefix } from '../../protocol/tree/superseded.ts'
import type { AuthorName } from '../../protocol/tree/view.ts'
import type { Version } from '../../protocol/tree/version-records.ts'
import { prefixEnd, viewPages } from '../state/state-view.ts'
import type { ReplicaView } from '../state/state-view.ts'
import { heldVersions } from './live-versions.ts'

/** A name or a folder at a place, now or formerly. */
export interface Placed extends Gone {
  readonly name: Name
  /** When it was made, and when it came to this place. */
  readonly began: Stamp
  readonly placed: Stamp
  /** By which op it was removed; undefined: it is there. */
  readonly removed: Stamp | undefined
}

/** How a state ended; 'current' did not, nor did 'conflict', a version beside the current one. */
export type StateEnd = 'current' | 'conflict' | 'overwritten' | 'dropped' | 'removed' | 'replaced'

/** A state of a file under one name. */
export interface PastState {
  readonly link: NodeId
  readonly inode: NodeId
  /** Undefined where there is no content: a file nobody wrote to, a symlink, a special file. */
  readonly version: Version | undefined
  readonly began: Stamp
  readonly ended: Stamp | undefined
  readonly end: StateEnd
  /** The snapshot that it is in; absent: it is in the state in use. */
  readonly view?: ReplicaView
}

/** Levels of folders that are gone through. */
export const DEPTH_MAX = 1024

const HLC_AND_ACTOR = STAMP_BYTES - 2
const NO_ACTOR = '0'.repeat(32) as ActorId

/** Before all that happened after a moment, and after all before. */
export function stampAfter(atMs: number): Stamp {
  return makeStamp((BigInt(Math.floor(atMs) + 1) << 16n) as Hlc, NO_ACTOR, 0)
}

/** All in a folder, or all of one name: first what is there, then what was removed. */
export async function* placedIn(
  view: ReplicaView,
  dir: NodeId,
  name?: Name,
): AsyncGenerator<Placed, void, undefined> {
  if (name !== undefined) yield* thereUnder(view, dir, collisionKey(name))
  else {
    const inDir = childPrefix(dir)
    for await (const [child] of viewPages(view, inDir))
      yield* thereUnder(view, dir, child.slice(inDir.length))
  }
  yield* goneFrom(view, dir, name)
}

function* thereUnder(view: ReplicaView, dir: NodeId, collision: ByteString): Generator<Placed> {
  for (const one of allChildren(view, dir, collision as Name)) {
    const found = placed(view, one, undefined)
    if (found !== undefined) yield found
  }
}

/** All that was removed from a folder, or what of one name. */
export async function* goneFrom(
  view: ReplicaView,
  dir: NodeId,
  name?: Name,
): AsyncGenerator<Placed & { readonly removed: Stamp }, void, undefined> {
  const key = name === undefined ? undefined : collisionKey(name)
  const prefix = gonePrefix(dir)
  for (const some of key === undefined ? [prefix] : gonePrefixesOf(dir, key))
    for await (const [listed] of viewPages(view, some)) {
      const { kind, id, collision } = decodeGone(listed.slice(prefix.length))
      if (key !== undefined && collision !== key) continue
      const removed = await removalOf(view, { kind, id })
      const found = placed(view, { kind, id }, removed)
      if (found !== undefined) yield { ...found, removed }
    }
}

/** Undefined for what is not there any more, or again. */
function placed(view: ReplicaView, one: Gone, removed: Stamp | undefined): Placed | undefined {
  const { kind, id } = one
  if (kind === 'dir') {
    const dir = readDir(view, id)
    if (dir === undefined || isDirVisible(id, dir) !== (removed === undefined)) return undefined
    return { kind, id, name: dir.name, began: dir.created, placed: dir.created, removed }
  }
  const link = readLink(view, id)
  if (link === undefined || link.live.length > 0 !== (removed === undefined)) return undefined
  return { kind, id, name: link.name, began: link.made, placed: link.placed, removed }
}

/** The op after which nothing of it was left. */
async function removalOf(view: ReplicaView, gone: Gone): Promise<Stamp> {
  const prefix = coveredPrefix(gone)
  let last = STAMP_ZERO
  for await (const [, value] of view.scan(prefix, prefixEnd(prefix))) {
    const stamp = decodeCovered(value)
    if (stamp > last) last = stamp
  }
  if (last !== STAMP_ZERO) return last
  const dead = readDead(view, gone.kind, gone.id)
  return dead === undefined ? last : (toByteString(dead[1].subarray(0, STAMP_BYTES)) as Stamp)
}

/** The states of a file under one name, in no order. */
export async function statesOf(view: ReplicaView, link: Placed): Promise<readonly PastState[]> {
  const record = readLink(view, link.id)
  const inode = record === undefined ? undefined : readInode(view, record.inode)
  if (record === undefined || inode === undefined) return []
  const { removed } = link
  const file = { link: link.id, inode: record.inode }
  const states: PastState[] = []
  const add = (version: Version, ended: Stamp | undefined, end: StateEnd): void => {
    const began = version.stamp
    // Written after the name was gone, under another.
    if (removed !== undefined && began >= removed) return
    const isCut = removed !== undefined && (ended === undefined || removed < ended)
    states.push({ ...file, version, began, ...(isCut ? cutAt(removed) : { ended, end }) })
  }
  for (const version of heldVersions(view, record.inode, inode))
    add(version, undefined, version === inode.newest ? 'current' : 'conflict')
  const prefix = supersededPrefix(record.inode)
  for await (const [, value] of view.scan(prefix, prefixEnd(prefix))) {
    const { version, ended, how } = decodeSuperseded(value)
    add(version, ended, how)
  }
  if (states.length > 0) return states
  const rest =
    removed === undefined ? { ended: undefined, end: 'current' as const } : cutAt(removed)
  return [{ ...file, version: undefined, began: link.began, ...rest }]
}

function cutAt(removed: Stamp): Pick<PastState, 'ended' | 'end'> {
  return { ended: removed, end: 'removed' }
}

/** The states of all files that had this name in a folder, the newest first. */
export async function statesUnder(
  view: ReplicaView,
  dir: NodeId,
  name: Name,
): Promise<readonly PastState[]> {
  const found: Placed[] = []
  for await (const one of placedIn(view, dir, name))
    if (one.name === name && one.kind === 'link') found.push(one)
  const states: PastState[] = []
  for (const link of found) {
    const madeRoom = isReplaced(link, found)
    for (const state of await statesOf(view, link))
      states.push(madeRoom && state.end === 'removed' ? { ...state, end: 'replaced' } : state)
  }
  return states.sort((a, b) => (a.began < b.began ? 1 : -1))
}

/** Was it removed to make room for one of these? That came right after, in the same entry. */
export function isReplaced({ removed }: Placed, others: readonly Placed[]): boolean {
  if (removed === undefined) return false
  const entry = removed.slice(0, HLC_AND_ACTOR)
  return others.some(({ placed: came }) => came > removed && came.startsWith(entry))
}

/** Objects that were in a folder at a moment and are not there now, by collision key. */
export type RemovedSince = ReadonlyMap<ByteString, readonly Placed[]>

/** cost: O(what was removed from the folder and is kept) */
export async function removedSince(
  view: ReplicaView,
  dir: NodeId,
  at: Stamp,
): Promise<RemovedSince> {
  const found = new Map<ByteString, Placed[]>()
  for await (const one of goneFrom(view, dir)) {
    if (!stoodBefore(one, at)) continue
    const key = collisionKey(one.name)
    found.set(key, [...(found.get(key) ?? []), one])
  }
  return found
}

/** An object that was in a folder at a moment. */
export interface PastEntry {
  /** Entries of one collision key come together, in the order of these. */
  readonly key: ByteString
  /** Its own, or that of a conflict copy where another had that. */
  readonly name: Name
  readonly object: Placed
}

interface EntriesAt {
  /** As of removedSince(). */
  readonly gone: RemovedSince
  readonly author: AuthorName
  readonly after?: ByteString | undefined
}

/** All that was in a folder just before a stamp, from after a key on. */
export async function* entriesAt(
  view: ReplicaView,
  dir: NodeId,
  at: Stamp,
  { after, ...how }: EntriesAt,
): AsyncGenerator<PastEntry, void, undefined> {
  const { gone } = how
  const inDir = childPrefix(dir)
  const goneKeys = [...gone.keys()].filter((key) => after === undefined || key > after).sort()
  const from = after === undefined ? inDir : `${inDir}${after}\0`
  for await (const [child] of viewPages(view, inDir, from)) {
    const key = child.slice(inDir.length)
    while ((goneKeys[0] ?? key) < key)
      yield* entriesOfKey(view, dir, at, { ...how, key: goneKeys.shift() ?? key })
    if (goneKeys[0] === key) goneKeys.shift()
    yield* entriesOfKey(view, dir, at, { ...how, key })
  }
  for (const key of goneKeys) yield* entriesOfKey(view, dir, at, { ...how, key })
}

/** Those of one collision key. */
export function* entriesOfKey(
  view: ReplicaView,
  dir: NodeId,
  at: Stamp,
  { gone, author, key }: EntriesAt & { readonly key: ByteString },
): Generator<PastEntry, void, undefined> {
  const taken = new Set<Name>()
  const there = [...allChildren(view, dir, key as Name)].map((one) => placed(view, one, undefined))
  for (const object of [...there, ...(gone.get(key) ?? [])]) {
    if (object === undefined || !stoodBefore(object, at)) continue
    const { name, id, placed: came } = object
    const free = taken.has(name) ? conflictName(name, came, author(stampActor(came)), id) : name
    taken.add(free)
    yield { key, name: free, object }
  }
}

interface Nearness {
  readonly state: PastState
  readonly distanceMs: number
  readonly isExact: boolean
}

/** The state that stood just before a stamp; or else the nearest. */
export function stateBefore(
  states: readonly PastState[],
  at: Stamp,
): { readonly state: PastState; readonly isExact: boolean } | undefined {
  let best: Nearness | undefined
  for (const state of states) {
    const { began, ended } = state
    const isExact = began < at && (ended === undefined || ended >= at)
    const distanceMs = isExact
      ? 0
      : began >= at
        ? stampMs(began) - stampMs(at)
        : stampMs(at) - stampMs(ended ?? at)
    const found = { state, distanceMs, isExact }
    if (best === undefined || isNearer(found, best, at)) best = found
  }
  return best
}

/** Prefers, of two that began in one millisecond after `at`, the first; else the last. */
function isNearer(one: Nearness, other: Nearness, at: Stamp): boolean {
  if (one.isExact !== other.isExact) return one.isExact
  if (one.distanceMs !== other.distanceMs) return one.distanceMs < other.distanceMs
  const [first, second] = [one.state.began, other.state.began]
  return first >= at && second >= at ? first < second : first > second
}

/** Was it there just before a stamp? */
export function stoodBefore({ began, removed }: Placed, at: Stamp): boolean {
  return began < at && (removed === undefined || removed >= at)
}
