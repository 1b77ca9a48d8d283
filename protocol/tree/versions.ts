// The versions of a file: the one of the greatest stamp in the record of the inode, each other in a
// record of its own, and a set of those by stamp. So an op costs the same however many contents
// were written at once.
import { assert } from '../errors.ts'
import { dotSeq, STAMP_BYTES, stampDot } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { NodeId } from '../ids.ts'
import { addItem, firstItems, forgetItems, itemsOf, lastItem, removeItem } from './record-set.ts'
import { deleteLoser, readLoser, setKey, writeLoser } from './records.ts'
import type { Inode, StateStore, Version, VersionRank } from './records.ts'

const SEQ_BYTES = 8

/** All of them, the newest last. In memory is one. */
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

export function findVersion(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  dot: Dot,
): Version | undefined {
  if (inode.newest?.dot === dot) return inode.newest
  return inode.losers.length === 0 ? undefined : readLoser(store, id, dot)
}

/** Mutates `inode`; the caller puts it. */
export function addVersion(store: StateStore, id: NodeId, inode: Inode, version: Version): void {
  const { newest } = inode
  if (newest?.dot === version.dot) return
  const isNewest = newest === undefined || newest.stamp < version.stamp
  if (isNewest) inode.newest = version
  const loser = isNewest ? newest : version
  if (loser === undefined) return
  writeLoser(store, id, loser)
  inode.losers = addItem(store, setKey('losers', id), inode.losers, rankOf(loser))
}

/** Mutates `inode`; the caller puts it. returns whether there was one with this dot. */
export function dropVersion(store: StateStore, id: NodeId, inode: Inode, dot: Dot): boolean {
  const isNewest = inode.newest?.dot === dot
  if (isNewest) {
    const next = lastItem(store, setKey('losers', id), inode.losers)
    inode.newest = next === undefined ? undefined : loserAt(store, id, next)
  }
  if (inode.losers.length === 0) return isNewest
  const gone = isNewest ? inode.newest : readLoser(store, id, dot)
  if (gone === undefined) return isNewest
  inode.losers = removeItem(store, setKey('losers', id), inode.losers, rankOf(gone))
  deleteLoser(store, id, gone.dot)
  return true
}

/** Their inode is purged. */
export function forgetVersions(store: StateStore, id: NodeId, inode: Inode): void {
  for (const { dot } of firstLosers(store, id, inode, Infinity)) deleteLoser(store, id, dot)
  forgetItems(store, setKey('losers', id), inode.losers)
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
