// The attributes of a directory or an inode for stat(2): the same on every replica, since times
// come from stamps of the log.
import { stampMs } from '../clock/dot.ts'
import type { Dot, Stamp } from '../clock/dot.ts'
import type { NodeId } from '../ids.ts'
import { TIME_NS_MAX, TIME_NS_MIN } from '../op/op.ts'
import type { FileKind } from '../op/file-kind.ts'
import type { AttributeValues, SpecialFile } from '../op/op.ts'
import { isDirVisible } from './records.ts'
import type { Dir, Inode, StateStore } from './records.ts'
import type { Version } from './version-records.ts'
import type { StampedAttributes } from './stamped-attributes.ts'
import { findVersion } from './versions.ts'

const DEFAULT_DIR_MODE = 0o755
const DEFAULT_FILE_MODE = 0o644
const DIR_BYTES = 4096
/** Written data is logged within this time after the file is closed or synced. */
const LOGGED_WITHIN_NS = 60_000_000_000n

export interface NodeAttributes {
  readonly kind: FileKind
  /** The number of a device, as Linux has it in 32 bits. */
  readonly rdev?: number
  /** Permission bits, 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly linkCount: number
  readonly sizeBytes: number
  /** Bytes of these that are not in holes. */
  readonly allocatedBytes: number
  readonly accessedNs: bigint
  readonly modifiedNs: bigint
  readonly changedNs: bigint
}

/** The version with this dot; without one, the newest. */
export function shownVersion(
  store: StateStore,
  id: NodeId,
  inode: Inode,
  dot: Dot | undefined,
): Version | undefined {
  return dot === undefined ? inode.newest : findVersion(store, id, inode, dot)
}

/** As stat(2) shows a directory; one that is removed has no links. */
export function dirAttributes(id: NodeId, dir: Dir): NodeAttributes {
  const changed = stampNs(dir.changed)
  const { modifiedNs } = dir.attributes
  // The names' last change, unless somebody set the time after it.
  const modified =
    modifiedNs !== undefined && modifiedNs[1] >= dir.changed ? modifiedNs[0] : changed
  return {
    kind: 'folder',
    ...owner(dir.attributes, DEFAULT_DIR_MODE),
    linkCount: isDirVisible(id, dir) ? 2 + dir.visibleDirs : 0,
    sizeBytes: DIR_BYTES,
    allocatedBytes: DIR_BYTES,
    accessedNs: dir.attributes.accessedNs?.[0] ?? changed,
    modifiedNs: modified,
    changedNs: latestNs(changed, dir),
  }
}

/** As stat(2) shows an inode with this version for its content. */
export function inodeAttributes(inode: Inode, version: Version | undefined): NodeAttributes {
  const changed = stampNs(inode.changed)
  const isCopy = version !== undefined && version !== inode.newest
  const modified = (isCopy ? version.modifiedNs : inode.attributes.modifiedNs?.[0]) ?? changed
  const sizeBytes = inode.target?.byteLength ?? version?.size ?? 0
  return {
    ...kindOf(inode),
    ...owner(inode.attributes, inode.target === undefined ? DEFAULT_FILE_MODE : 0o777),
    linkCount: Math.max(inode.links.length, 0),
    sizeBytes,
    allocatedBytes: Math.min(allocatedOf(version) ?? sizeBytes, sizeBytes),
    accessedNs: inode.attributes.accessedNs?.[0] ?? changed,
    modifiedNs: modified,
    changedNs: contentNs(inode, modified) ?? changed,
  }
}

/**
 * When a file was changed, if its last op was for what was written to it, which was before that, or
 * after: all ops of an entry have the time of the first. So stat(2) shows the same before and after
 * the file is closed.
 */
function contentNs(inode: Inode, modifiedNs: bigint): bigint | undefined {
  const late = stampNs(inode.changed) - modifiedNs
  if (late < -LOGGED_WITHIN_NS || late > LOGGED_WITHIN_NS) return undefined
  return late < 0n || inode.newest?.stamp === inode.changed ? modifiedNs : undefined
}

function kindOf({ target, special }: Inode): Pick<NodeAttributes, 'kind' | 'rdev'> {
  if (special === undefined) return { kind: target === undefined ? 'file' : 'symlink' }
  const { kind, rdev } = special
  return isDevice(special) ? { kind, rdev } : { kind }
}

function isDevice({ kind }: SpecialFile): boolean {
  return kind === 'character-device' || kind === 'block-device'
}

function allocatedOf(version: Version | undefined): number | undefined {
  return version?.content.kind === 'chunks' ? version.content.allocated : undefined
}

function owner(a: StampedAttributes, mode: number): { mode: number; uid: number; gid: number } {
  return { mode: a.mode?.[0] ?? mode, uid: a.uid?.[0] ?? 0, gid: a.gid?.[0] ?? 0 }
}

function latestNs(changed: bigint, { attributes: a, xattrsChanged }: Dir): bigint {
  let latest = changed
  for (const stamp of [a.mode?.[1], a.uid?.[1], a.gid?.[1], a.modifiedNs?.[1], xattrsChanged]) {
    if (stamp !== undefined && stampNs(stamp) > latest) latest = stampNs(stamp)
  }
  return latest
}

function stampNs(stamp: Stamp): bigint {
  return BigInt(stampMs(stamp)) * 1_000_000n
}

/** The nearest time that an op can hold: see TIME_NS_MIN. */
export function clampTime(timeNs: bigint): bigint {
  if (timeNs < TIME_NS_MIN) return TIME_NS_MIN
  return timeNs > TIME_NS_MAX ? TIME_NS_MAX : timeNs
}

/** Attributes whose times an op can hold. */
export function clampTimes(attributes: AttributeValues): AttributeValues {
  const { accessedNs, modifiedNs, ...rest } = attributes
  return {
    ...rest,
    ...(accessedNs === undefined ? {} : { accessedNs: clampTime(accessedNs) }),
    ...(modifiedNs === undefined ? {} : { modifiedNs: clampTime(modifiedNs) }),
  }
}
