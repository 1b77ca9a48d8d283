// The versions of a file: the one that shows first in the record of the inode, each other in a
// record of its own, and sets of those by stamp. So an op costs the same however many contents were
// written at once. Versions that somebody removed with the file are kept apart: the newest of them
// shows if there is no other, as where the file was renamed at the same time.
import { assert } from '../errors.ts'
import { dotSeq, STAMP_BYTES, stampDot } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { NodeId } from '../ids.ts'
import {
  addItem,
  firstItems,
  forgetItems,
  hasItem,
  itemsOf,
  lastItem,
  removeItem,
} from './record-set.ts'
import { setKey } from './records.ts'
import { deleteLoser, readLoser, writeLoser } from './version-records.ts'
import type { Inode, StateStore, VersionRank } from './records.ts'
import type { Version } from './version-records.ts'

const SEQ_BYTES = 8

/** All that show, the newest last. In memory is one. */
export function* versionsOf(
  store: StateStore,
  id: NodeId,
  inode: Inode,
): Generator<Version, void, undefined> {
  for (const rank of itemsOf(store, setKey('losers', id), inode.losers))
    yield loserAt(store, id, rank)
  if (inode.newest !== undefined) yield inode.newest
}

/** Those that lost, the oldest first, at most so many. */
export function firstLosers(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  countMax: number,
): readonly Version[] {
  const ranks = firstItems(store, setKey('losers', id), inode.losers, countMax)
  return ranks.map((rank) => loserAt(store, id, rank))
}

/** The one with this dot, if it shows. */
export function findVersion(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  dot: Dot,
): Version | undefined {
  if (inode.newest?.dot === dot) return inode.newest
  if (inode.losers.length === 0) return undefined
  const found = readLoser(store, id, dot)
  const shows =
    found !== undefined && hasItem(store, setKey('losers', id), inode.losers, rankOf(found))
  return shows ? found : undefined
}

/** The one with this dot, though it may not show: undefined if an op replaced or dropped it. */
export function heldVersion(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  dot: Dot,
): Version | undefined {
  if (inode.newest?.dot === dot) return inode.newest
  if (inode.losers.length === 0 && inode.removed.length === 0) return undefined
  return readLoser(store, id, dot)
}

/** Those that somebody removed and that do not show, the oldest first. In memory is one. */
export function* removedVersions(
  store: StateStore,
  id: NodeId,
  { removed }: Pick<Inode, 'removed'>,
): Generator<Version, void, undefined> {
  for (const rank of itemsOf(store, setKey('removed', id), removed)) yield loserAt(store, id, rank)
}

/** Mutates `inode`; the caller puts it. */
export function addVersion(store: StateStore, id: NodeId, inode: Inode, version: Version): void {
  if (inode.newest?.dot === version.dot) return
  if (inode.isRemoved) putAside(store, id, inode, 'removed', takeNewest(inode))
  const { newest } = inode
  const isNewest = newest === undefined || newest.stamp < version.stamp
  if (isNewest) inode.newest = version
  putAside(store, id, inode, 'losers', isNewest ? newest : version)
}

/** Mutates `inode`; the caller puts it. returns whether there was one with this dot. */
export function dropVersion(store: StateStore, id: NodeId, inode: Inode, dot: Dot): boolean {
  if (inode.newest?.dot === dot) {
    takeNewest(inode)
    showNext(store, id, inode)
    return true
  }
  if (inode.losers.length === 0 && inode.removed.length === 0) return false
  const gone = readLoser(store, id, dot)
  if (gone === undefined) return false
  takeOut(store, id, inode, 'losers', gone)
  takeOut(store, id, inode, 'removed', gone)
  deleteLoser(store, id, dot)
  return true
}

/** Removes one, if it is there, with its file. Mutates `inode`; the caller puts it. */
export function removeVersion(store: StateStore, id: NodeId, inode: Inode, dot: Dot): void {
  if (inode.newest?.dot === dot) {
    if (inode.isRemoved) return
    putAside(store, id, inode, 'removed', takeNewest(inode))
    return showNext(store, id, inode)
  }
  const gone = inode.losers.length === 0 ? undefined : readLoser(store, id, dot)
  if (gone === undefined || !takeOut(store, id, inode, 'losers', gone)) return
  putAside(store, id, inode, 'removed', gone)
}

function takeNewest(inode: Inode): Version | undefined {
  const { newest } = inode
  inode.newest = undefined
  inode.isRemoved = false
  return newest
}

/** The newest is gone: the next takes its place, one that was removed if there is no other. */
function showNext(store: StateStore, id: NodeId, inode: Inode): void {
  const set = inode.losers.length > 0 ? 'losers' : 'removed'
  const rank = lastItem(store, setKey(set, id), inode[set])
  if (rank === undefined) return
  const next = loserAt(store, id, rank)
  inode.newest = next
  inode.isRemoved = set === 'removed'
  inode[set] = removeItem(store, setKey(set, id), inode[set], rank)
  deleteLoser(store, id, next.dot)
}

type SideSet = 'losers' | 'removed'

function putAside(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  set: SideSet,
  version: Version | undefined,
): void {
  if (version === undefined) return
  writeLoser(store, id, version)
  inode[set] = addItem(store, setKey(set, id), inode[set], rankOf(version))
}

/** returns whether it was in the set. */
function takeOut(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  set: SideSet,
  version: Version,
): boolean {
  const before = inode[set].length
  if (before === 0) return false
  inode[set] = removeItem(store, setKey(set, id), inode[set], rankOf(version))
  return inode[set].length < before
}

/** Their inode is purged. */
export function forgetVersions(store: StateStore, id: NodeId, inode: Inode): void {
  for (const { dot } of firstLosers(store, id, inode, Infinity)) deleteLoser(store, id, dot)
  for (const { dot } of removedVersions(store, id, inode)) deleteLoser(store, id, dot)
  forgetItems(store, setKey('losers', id), inode.losers)
  forgetItems(store, setKey('removed', id), inode.removed)
}

function rankOf({ stamp, dot }: Version): VersionRank {
  const seq = Buffer.alloc(SEQ_BYTES)
  seq.writeBigUInt64BE(BigInt(dotSeq(dot)))
  return (stamp + seq.toString('latin1')) as VersionRank
}

function loserAt(store: StateStore, id: NodeId, rank: VersionRank): Version {
  const seq = Buffer.from(rank.slice(STAMP_BYTES), 'latin1').readBigUInt64BE()
  const version = readLoser(store, id, stampDot(rank.slice(0, STAMP_BYTES) as Stamp, Number(seq)))
  assert(version !== undefined, 'a version that lost has a record')
  return version
}
