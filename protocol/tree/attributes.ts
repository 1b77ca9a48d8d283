// What stat(2) shows of a directory or an inode: the same on every replica, since times come from stamps of the log.
import { hlcMillis } from '../clock/hlc.ts'
import { stampHlc } from '../log/dot.ts'
import type { Dot, Stamp } from '../log/dot.ts'
import { TIME_NS_MAX, TIME_NS_MIN } from './op.ts'
import type { Dir, Inode, StampedAttributes, Version } from './records.ts'

const DEFAULT_DIR_MODE = 0o755
const DEFAULT_FILE_MODE = 0o644

export type FileKind = 'file' | 'folder' | 'symlink'

export interface NodeAttributes {
  readonly kind: FileKind
  /** Permission bits, 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkCount: number
  readonly sizeBytes: number
  readonly accessedNs: bigint
  readonly modifiedNs: bigint
  readonly changedNs: bigint
}

/** The version with this dot; without one, the newest. */
export function shownVersion(inode: Inode, dot: Dot | undefined): Version | undefined {
  return dot === undefined
    ? inode.versions.at(-1)
    : inode.versions.find((version) => version.dot === dot)
}

/** As stat(2) shows a directory. */
export function dirAttributes(dir: Dir): NodeAttributes {
  const changed = stampNs(dir.changed)
  const { modifiedNs } = dir.attributes
  // The names' last change, unless somebody set the time after it.
  const modified =
    modifiedNs !== undefined && modifiedNs[1] >= dir.changed ? modifiedNs[0] : changed
  return {
    kind: 'folder',
    ...owner(dir.attributes, DEFAULT_DIR_MODE),
    linkCount: 2 + dir.visibleDirs,
    sizeBytes: 4096,
    accessedNs: dir.attributes.accessedNs?.[0] ?? changed,
    modifiedNs: modified,
    changedNs: latestNs(changed, dir.attributes),
  }
}

/** As stat(2) shows an inode with this version for its content. */
export function inodeAttributes(inode: Inode, version: Version | undefined): NodeAttributes {
  const changed = stampNs(inode.changed)
  const isCopy = version !== undefined && version !== inode.versions.at(-1)
  const modified = isCopy ? version.modifiedNs : inode.attributes.modifiedNs?.[0]
  return {
    kind: inode.target === undefined ? 'file' : 'symlink',
    ...owner(inode.attributes, inode.target === undefined ? DEFAULT_FILE_MODE : 0o777),
    linkCount: Math.max(inode.links.length, 0),
    sizeBytes: inode.target?.byteLength ?? version?.size ?? 0,
    accessedNs: inode.attributes.accessedNs?.[0] ?? changed,
    modifiedNs: modified ?? changed,
    changedNs: changed,
  }
}

function owner(a: StampedAttributes, mode: number): { mode: number; uid: number; gid: number } {
  return { mode: a.mode?.[0] ?? mode, uid: a.uid?.[0] ?? 0, gid: a.gid?.[0] ?? 0 }
}

function latestNs(changed: bigint, a: StampedAttributes): bigint {
  let latest = changed
  for (const field of [a.mode, a.uid, a.gid, a.modifiedNs]) {
    if (field !== undefined && stampNs(field[1]) > latest) latest = stampNs(field[1])
  }
  return latest
}

function stampNs(stamp: Stamp): bigint {
  return BigInt(hlcMillis(stampHlc(stamp))) * 1_000_000n
}

/** The nearest time that an op can hold: see TIME_NS_MIN. */
export function clampTime(timeNs: bigint): bigint {
  if (timeNs < TIME_NS_MIN) return TIME_NS_MIN
  return timeNs > TIME_NS_MAX ? TIME_NS_MAX : timeNs
}
