// Bodies of replies, in the layouts of linux/fuse.h. Each is a new array that belongs to the
// caller.
import {
  BACKGROUND_MAX,
  CONGESTION_THRESHOLD,
  FILE_TYPE,
  IO_MAX,
  LOCK_EXCLUSIVE,
  LOCK_NONE,
  LOCK_SHARED,
  MAJOR,
  MINOR,
  PAGE,
  writeU64,
} from './protocol.ts'
import { NAME_MAX } from '../../../../protocol/limits.ts'
import { LOCK_END } from '../../../../protocol/locks/held-locks.ts'
import { divCeil } from '../../../../protocol/units.ts'
import type { Attributes, FileSystemSpace, FolderEntry, LockInTheWay } from '../../file-system.ts'

/** How long the kernel may trust what it was told, in ms. */
export interface Timeouts {
  readonly attributeMs: number
  readonly entryMs: number
}

export type Parts = readonly Uint8Array[]

export const EMPTY: Parts = []

const NANOSECONDS = 1_000_000_000n
const SECTOR = 512
const ATTRIBUTE_BYTES = 88
const ENTRY_BYTES = 40 + ATTRIBUTE_BYTES
const OPEN_BYTES = 16
const FOLDER_ENTRY_BYTES = 24
/** d_ino of '..': the file system is not asked for parents. What libfuse says too. */
const UNKNOWN_INODE = 0xffff_ffff
/** The kernel's offsets of '.' and '..' come before the file system's cookies. */
const DOTS = 2
/** Length of a usual name, to guess how many entries fill a reply. */
const NAME_USUAL = 24

/** fuse_init_out: `readAheadBytes` as the kernel sent it, and the flags that both want. */
export function initReply(minor: number, readAheadBytes: number, agreed: number): Parts {
  const out = Buffer.alloc(64)
  out.writeUInt32LE(MAJOR, 0)
  out.writeUInt32LE(Math.min(minor, MINOR), 4)
  out.writeUInt32LE(Math.max(readAheadBytes, IO_MAX), 8)
  out.writeUInt32LE(agreed >>> 0, 12)
  out.writeUInt16LE(BACKGROUND_MAX, 16)
  out.writeUInt16LE(CONGESTION_THRESHOLD, 18)
  out.writeUInt32LE(IO_MAX, 20)
  out.writeUInt32LE(1, 24) // times have a granularity of 1 ns
  out.writeUInt16LE(IO_MAX / PAGE, 28)
  return [out]
}

/** fuse_entry_out; undefined is a name that is not there, which the kernel may cache too. */
export function entryReply(attributes: Attributes | undefined, timeouts: Timeouts): Parts {
  const out = Buffer.alloc(ENTRY_BYTES)
  writeEntry(out, 0, attributes, timeouts)
  return [out]
}

/** fuse_entry_out and fuse_open_out. */
export function createReply(
  attributes: Attributes,
  handle: number,
  openFlags: number,
  timeouts: Timeouts,
): Parts {
  return [...entryReply(attributes, timeouts), ...openReply(handle, openFlags)]
}

/** fuse_attr_out. */
export function attributesReply(attributes: Attributes, timeouts: Timeouts): Parts {
  const out = Buffer.alloc(16 + ATTRIBUTE_BYTES)
  writeTimeout(out, 0, 8, timeouts.attributeMs)
  writeAttributes(out, 16, attributes)
  return [out]
}

/** fuse_open_out. */
export function openReply(handle: number, openFlags: number): Parts {
  const out = Buffer.alloc(OPEN_BYTES)
  writeU64(out, 0, handle)
  out.writeUInt32LE(openFlags, 8)
  return [out]
}

/** fuse_write_out. */
export function writtenReply(bytes: number): Parts {
  const out = Buffer.alloc(8)
  out.writeUInt32LE(bytes, 0)
  return [out]
}

/**
 * A value for a caller that has room for so many bytes, or fuse_getxattr_out, its length, for one
 * that has none.
 */
export function xattrReply(value: Uint8Array, roomBytes: number): Parts {
  if (roomBytes > 0) return [value]
  const out = Buffer.alloc(8)
  out.writeUInt32LE(value.byteLength, 0)
  return [out]
}

/** fuse_lseek_out, and fuse_copy_file_range_out. */
export function positionReply(position: number): Parts {
  const out = Buffer.alloc(8)
  writeU64(out, 0, position)
  return [out]
}

/** fuse_lk_out: the lock that is in the way, or none. */
export function lockReply(lock: LockInTheWay | undefined): Parts {
  const out = Buffer.alloc(24)
  out.writeUInt32LE(LOCK_NONE, 16)
  if (lock === undefined) return [out]
  writeU64(out, 0, lock.start)
  // The last byte; the kernel has another number for what never ends.
  if (lock.end < LOCK_END) writeU64(out, 8, lock.end - 1)
  else out.writeBigInt64LE(2n ** 63n - 1n, 8)
  out.writeUInt32LE(lock.kind === 'exclusive' ? LOCK_EXCLUSIVE : LOCK_SHARED, 16)
  out.writeUInt32LE(lock.pid, 20)
  return [out]
}

/** fuse_statfs_out. The number of files has no bound: 0, as btrfs says. */
export function spaceReply(space: FileSystemSpace): Parts {
  const out = Buffer.alloc(80)
  writeU64(out, 0, space.blocks)
  writeU64(out, 8, space.blocksFree)
  writeU64(out, 16, space.blocksFree)
  out.writeUInt32LE(space.blockBytes, 40)
  out.writeUInt32LE(NAME_MAX, 44)
  out.writeUInt32LE(space.blockBytes, 48)
  return [out]
}

/**
 * The place in a folder where a READDIR continues: which dots are still to come, and after which
 * cookie.
 */
export function folderPosition(offset: number): { dots: number; cookie: number } {
  return { dots: Math.max(0, DOTS - offset), cookie: Math.max(0, offset - DOTS) }
}

/** How many entries to ask for so that they fill `bytesMax`, about. At least 1. */
export function entriesFor(bytesMax: number, plus: boolean): number {
  return Math.max(1, Math.floor(bytesMax / folderEntryBytes(NAME_USUAL, plus)))
}

/**
 * fuse_dirent or fuse_direntplus records of '.' and '..' (as far as `dots` are due) and `entries`,
 * as many as fit.
 *
 * onEntry is told of each entry that carries attributes: the kernel then holds a reference to it.
 */
export function folderReply(
  folder: number,
  dots: number,
  entries: readonly FolderEntry[],
  options: {
    readonly bytesMax: number
    readonly plus: boolean
    /** The cache timeouts of a name. */
    readonly timeouts: (name: string) => Timeouts
    readonly onEntry: (attributes: Attributes) => void
  },
): Parts {
  const { bytesMax, plus, timeouts, onEntry } = options
  const out = Buffer.alloc(bytesMax)
  const head = plus ? ENTRY_BYTES : 0
  let at = 0
  const fits = (name: string): boolean => at + folderEntryBytes(name.length, plus) <= bytesMax
  const put = (name: string, inode: number, offset: number, type: number): void => {
    writeU64(out, at + head, inode)
    writeU64(out, at + head + 8, offset)
    out.writeUInt32LE(name.length, at + head + 16)
    out.writeUInt32LE(type >> 12, at + head + 20)
    out.write(name, at + head + FOLDER_ENTRY_BYTES, 'latin1')
    at += folderEntryBytes(name.length, plus)
  }
  if (dots === DOTS && fits('.')) put('.', folder, 1, FILE_TYPE.folder)
  if (dots > 0 && fits('..')) put('..', UNKNOWN_INODE, DOTS, FILE_TYPE.folder)
  for (const { name, cookie, attributes } of entries) {
    if (!fits(name)) break
    if (plus) {
      writeEntry(out, at, attributes, timeouts(name))
      onEntry(attributes)
    }
    put(name, attributes.inode, cookie + DOTS, FILE_TYPE[attributes.kind])
  }
  return [out.subarray(0, at)]
}

/** Bytes of one record: a fuse_entry_out if `plus`, then the name, padded to 8 bytes. */
function folderEntryBytes(nameBytes: number, plus: boolean): number {
  return (plus ? ENTRY_BYTES : 0) + divCeil(FOLDER_ENTRY_BYTES + nameBytes, 8) * 8
}

function writeEntry(
  out: Buffer,
  at: number,
  attributes: Attributes | undefined,
  timeouts: Timeouts,
): void {
  writeTimeout(out, at + 16, at + 32, timeouts.entryMs)
  if (attributes === undefined) return
  writeU64(out, at, attributes.inode)
  writeTimeout(out, at + 24, at + 36, timeouts.attributeMs)
  writeAttributes(out, at + 40, attributes)
}

function writeAttributes(out: Buffer, at: number, attributes: Attributes): void {
  writeU64(out, at, attributes.inode)
  writeU64(out, at + 8, attributes.sizeBytes)
  writeU64(out, at + 16, divCeil(attributes.allocatedBytes, SECTOR))
  writeTime(out, at + 24, at + 48, attributes.accessedNs)
  writeTime(out, at + 32, at + 52, attributes.modifiedNs)
  writeTime(out, at + 40, at + 56, attributes.changedNs)
  out.writeUInt32LE(FILE_TYPE[attributes.kind] | (attributes.mode & 0o7777), at + 60)
  out.writeUInt32LE(attributes.linkCount, at + 64)
  out.writeUInt32LE(attributes.uid, at + 68)
  out.writeUInt32LE(attributes.gid, at + 72)
  out.writeUInt32LE(attributes.rdev ?? 0, at + 76)
  out.writeUInt32LE(PAGE, at + 80)
}

/** Seconds are rounded down, so that nanoseconds are never negative, also before 1970. */
function writeTime(out: Buffer, secondsAt: number, nsAt: number, timeNs: bigint): void {
  const ns = BigInt.asUintN(64, ((timeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS)
  out.writeBigInt64LE((timeNs - ns) / NANOSECONDS, secondsAt)
  out.writeUInt32LE(Number(ns), nsAt)
}

function writeTimeout(out: Buffer, secondsAt: number, nsAt: number, timeoutMs: number): void {
  writeU64(out, secondsAt, Math.floor(timeoutMs / 1000))
  out.writeUInt32LE(Math.floor((timeoutMs % 1000) * 1e6), nsAt)
}
