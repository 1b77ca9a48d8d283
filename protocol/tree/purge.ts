// Forgetting what nobody can speak of any more. An object may be purged from the state at a stable
// cut W if it ceased to show at or before V < W, and has not shown since, where everyone who made
// an op above W had seen all ops up to V: then no op above W can name it. V is an earlier cut, of
// which W holds the announcement. The list is made of the state at W, which is the same on every
// replica; the state in use is purged by the same list.
import type { ByteString } from '../bytes.ts'
import type { Hlc } from '../clock/hlc.ts'
import { hlcMillis } from '../clock/hlc.ts'
import { stampHlc, stampMs } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import { SHORT_ID_BYTES } from '../ids.ts'
import type { NodeId } from '../ids.ts'
import { allChildren } from './children.ts'
import { CONFLICT_PREFIX, decodeConflictKey, recountCopies } from './conflict-counts.ts'
import { DEAD_PREFIX, decodeDeadKey, decodeDeathTime, forgetDead, readDead } from './dead.ts'
import { retireDirId } from './dir-ids.ts'
import { forgetMade } from './made.ts'
import {
  deleteDir,
  deleteInode,
  deleteLink,
  isDirVisible,
  readDir,
  readInode,
  readLink,
  writeInode,
} from './records.ts'
import type { StateStore } from './records.ts'
import { TREE_PREFIXES } from './key-prefixes.ts'
import { COVERED_PREFIX, decodeCovered, ownerOfCovered, dropGone } from './removals.ts'
import { SPARED_PREFIX, forgetSpared, isSpared, isStillSpared, overSpared } from './spared.ts'
import { PURGED_PREFIX, SUPERSEDED_PREFIX, decodeSuperseded, isPurgeOver } from './superseded.ts'
import { isKeptThrough, isPastAll } from './retention.ts'
import type { Eras } from './retention.ts'
import { isPlanted } from '../planted-faults.ts'
import { dropVersion, forgetVersions, versionsOf } from './versions.ts'
import { versionLinks } from './view.ts'
import { REMOVED_PREFIX, forgetRemoval, forgetXattrs, removalOf } from './xattrs.ts'

/** One thing to purge, in a form that takes little memory: there may be millions. */
export type Garbage = ByteString & { readonly brand: 'Garbage' }

/**
 * Garbage that is no key of the index of the dead (with a stamp, of a removed xattr): this, an
 * inode and a version's dot.
 */
const VERSION: ByteString = TREE_PREFIXES.version
const ID_CHARS: number = 2 * SHORT_ID_BYTES

export interface PurgeLimits {
  /**
   * V: what ceased to show by then goes. Everyone who made an op above the cut had seen all ops up
   * to it.
   */
  readonly deadBy: Hlc
  /** With the policy `lww`: versions made by then that lost go. Not above `deadBy`. */
  readonly lostBy: Hlc | undefined
  /** The rest that is kept of what ceased to show by `deadBy`. */
  readonly history: Retention
}

/** The rules of the volume, up to the clock of the cut. */
export interface Retention {
  readonly eras: Eras
  readonly at: Hlc
  /** All that stood at one of these is kept, whatever the rule. */
  readonly moments: readonly Hlc[]
  /** Up to then what appenders ended may go (spared.ts); undefined: there never was one. */
  readonly sparedUpTo: Hlc | undefined
}

/** Keys that begin with these tell what there may be to purge. */
export const GARBAGE_PREFIXES: readonly ByteString[] = [
  DEAD_PREFIX,
  CONFLICT_PREFIX,
  SUPERSEDED_PREFIX,
  COVERED_PREFIX,
  PURGED_PREFIX,
]

/** The records to purge from the state at a cut for one record under GARBAGE_PREFIXES. */
export function garbageOf(
  store: StateStore,
  [key, value]: readonly [ByteString, Uint8Array],
  { deadBy, lostBy, history }: PurgeLimits,
): readonly Garbage[] {
  if (key.startsWith(REMOVED_PREFIX)) {
    const removal = removalOf([key, value], deadBy)
    return removal === undefined ? [] : [removal as Garbage]
  }
  const limits = { deadBy, history }
  if (key.startsWith(SPARED_PREFIX)) {
    const over = overSpared([key, value], history.sparedUpTo)
    return over === undefined ? [] : [over as Garbage]
  }
  if (key.startsWith(DEAD_PREFIX))
    return isDeadDue(store, [key, value], limits) ? [key as Garbage] : []
  if (key.startsWith(COVERED_PREFIX))
    return isCoveredDue(store, [key, value], limits) ? [key as Garbage] : []
  if (key.startsWith(SUPERSEDED_PREFIX)) {
    const former = decodeSuperseded(value)
    const ended = stampHlc(former.ended)
    const isSparedYet = former.isSpared && isStillSpared(ended, history.sparedUpTo)
    const isDue = ended <= deadBy && !isSparedYet && !isKept(history, former.version.stamp, ended)
    return isDue ? [key as Garbage] : []
  }
  if (key.startsWith(PURGED_PREFIX)) return isPurgeOver(value, deadBy) ? [key as Garbage] : []
  if (lostBy === undefined) return []
  const { dir, name } = decodeConflictKey(key)
  const lost: Garbage[] = []
  for (const { kind, id } of allChildren(store, dir, name)) {
    const inode = kind === 'link' ? readLink(store, id)?.inode : undefined
    const file = inode === undefined ? undefined : readInode(store, inode)
    if (inode === undefined || file === undefined) continue
    for (const version of versionsOf(store, inode, file))
      if (version !== file.newest && stampHlc(version.stamp) <= lostBy)
        lost.push(`${VERSION}${inode}${version.dot}` as Garbage)
  }
  return lost
}

type Due = Pick<PurgeLimits, 'deadBy' | 'history'>

/**
 * May a removed object be purged, and does nobody want it back? A file is kept as long as any of
 * its contents, which all began after it; a folder as long as anything that can have been in it.
 */
function isDeadDue(
  store: StateStore,
  [key, value]: readonly [ByteString, Uint8Array],
  { deadBy, history }: Due,
): boolean {
  const { kind, id } = decodeDeadKey(key)
  const died = decodeDeathTime(value)
  if (died > deadBy) return false
  if (isSpared(store, kind, id, history.sparedUpTo)) return false
  if (kind === 'dir') return isPastAllAges(history, died)
  const began = kind === 'link' ? readLink(store, id)?.made : readInode(store, id)?.created
  return began === undefined || !isKept(history, began, died)
}

/**
 * May it be forgotten what removed an object? With the object, or at the age at which it would go.
 * An object that is alive may be removed again, so that has no say.
 */
function isCoveredDue(
  store: StateStore,
  [key, value]: readonly [ByteString, Uint8Array],
  limits: Due,
): boolean {
  const removed = stampHlc(decodeCovered(value))
  if (removed > limits.deadBy) return false
  if (isPastAllAges(limits.history, removed)) return true
  const { kind, id } = ownerOfCovered(key)
  const object = kind === 'dir' ? readDir(store, id) : readLink(store, id)
  if (object === undefined) return true
  const dead = readDead(store, kind, id)
  return dead !== undefined && isDeadDue(store, dead, limits)
}

/** Is nothing kept that ended at this time, whenever it began and whoever ended it? */
function isPastAllAges(history: Retention, ended: Hlc): boolean {
  const { eras, moments, sparedUpTo } = history
  if (sparedUpTo !== undefined && isStillSpared(ended, sparedUpTo)) return false
  if (moments.some((moment) => moment < ended)) return false
  return isPastAll(eras, hlcMillis(ended))
}

/** Is a state kept that stood from the one time to the other? */
function isKept(history: Retention, began: Stamp, ended: Hlc): boolean {
  const { eras, moments } = history
  if (moments.some((moment) => stampHlc(began) <= moment && moment < ended)) return true
  if (isPlanted('past-forgotten-at-once')) return false
  return isKeptThrough(eras, stampMs(began), hlcMillis(ended))
}

/**
 * Delete this from a state; in as many calls as one likes. An object that shows stays: no honest
 * writer could make it so. Purging twice is purging once, and purging at every cut is purging at
 * the last.
 */
export function purge(store: StateStore, garbage: Iterable<Garbage>): void {
  for (const item of garbage) {
    if (item.startsWith(VERSION)) {
      dropLost(store, item)
      continue
    }
    if (item.startsWith(REMOVED_PREFIX)) {
      forgetRemoval(store, item)
      continue
    }
    if (item.startsWith(SPARED_PREFIX)) {
      forgetSpared(store, item)
      continue
    }
    if (item.startsWith(TREE_PREFIXES.history)) {
      store.delete(item)
      continue
    }
    const { kind, id } = decodeDeadKey(item)
    const isGone = kind === 'dir' ? purgeDir(store, id) : purgeFile(store, kind, id)
    if (isGone) forgetDead(store, kind, id)
  }
}

function purgeDir(store: StateStore, id: NodeId): boolean {
  const dir = readDir(store, id)
  if (dir === undefined || isDirVisible(id, dir)) return false
  deleteDir(store, id)
  dropGone(store, dir.parent, dir.name, { kind: 'dir', id })
  forgetMade(store, ['dir-made', id], dir)
  forgetXattrs(store, id)
  retireDirId(store, id)
  return true
}

function purgeFile(store: StateStore, kind: 'inode' | 'link', id: NodeId): boolean {
  if (kind === 'link') {
    const link = readLink(store, id)
    if (link === undefined || link.live.length > 0) return false
    deleteLink(store, id)
    dropGone(store, link.parent, link.name, { kind: 'link', id })
    forgetMade(store, ['link-made', id], link)
    return true
  }
  const inode = readInode(store, id)
  if (inode === undefined || inode.links.length > 0) return false
  deleteInode(store, id)
  forgetMade(store, ['inode-made', id], inode)
  forgetVersions(store, id, inode)
  forgetXattrs(store, id)
  return true
}

function dropLost(store: StateStore, item: Garbage): void {
  const id = item.slice(VERSION.length, VERSION.length + ID_CHARS) as NodeId
  const dot = item.slice(VERSION.length + ID_CHARS) as Dot
  const inode = readInode(store, id)
  if (inode === undefined || !dropVersion(store, id, inode, dot)) return
  writeInode(store, id, inode)
  for (const link of versionLinks(store, id, inode)) {
    const at = readLink(store, link)
    if (at !== undefined) recountCopies(store, at.parent, at.name)
  }
}
