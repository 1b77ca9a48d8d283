// The numbers of the Linux FUSE kernel protocol, version 7. Little-endian hosts only, as Node's
// platforms on Linux are (s390x aside). Every struct is laid out where it is read (request.ts,
// operations/) or written (replies.ts, notifier.ts).
//
// Source: include/uapi/linux/fuse.h of Linux 6.18 (protocol 7.45).
import { KIB, MIB } from '../../../../protocol/units.ts'
import type { FileKind } from '../../../../protocol/op/file-kind.ts'

export const MAJOR = 7
/** The newest minor whose structs we speak; an older kernel's is used as it is. */
export const MINOR = 45
/**
 * Linux 4.20, the first with FUSE_MAX_PAGES: 1 MiB in one request, and folders and symbolic links
 * that are cached.
 */
export const MINOR_MIN = 28
/** Linux 6.16: one notification makes every cached name ask again. */
export const MINOR_WITH_EPOCH = 44

export const ROOT_INODE = 1
/** Bytes of one WRITE or READ. */
export const IO_MAX: number = 1 * MIB
export const PAGE: number = 4 * KIB
/** The size needed for a read of /dev/fuse: the largest WRITE with its headers. */
export const FRAME_MAX: number = IO_MAX + PAGE
/** Up to this, copying a frame is cheaper than handing its buffer from thread to thread. */
export const FRAME_SMALL: number = 64 * KIB

export const REQUEST_HEADER_BYTES = 40
export const REPLY_HEADER_BYTES = 16

export const OPCODE = {
  lookup: 1,
  forget: 2,
  getAttributes: 3,
  setAttributes: 4,
  readLink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setXattr: 21,
  getXattr: 22,
  listXattr: 23,
  removeXattr: 24,
  flush: 25,
  init: 26,
  openFolder: 27,
  readFolder: 28,
  releaseFolder: 29,
  fsyncFolder: 30,
  getLock: 31,
  setLock: 32,
  setLockWait: 33,
  create: 35,
  interrupt: 36,
  destroy: 38,
  batchForget: 42,
  allocate: 43,
  readFolderPlus: 44,
  rename2: 45,
  seek: 46,
  copyRange: 47,
  createUnlinked: 51,
  copyRange64: 53,
} as const

/** SETXATTR says whether the set-gid bit stays; Linux 5.13. */
export const SETXATTR_EXTENDED: number = 1 << 29

/**
 * The capabilities requested from the kernel at INIT, if it offers them. Not asked: WRITEBACK_CACHE
 * (a notification would not refresh the size), ASYNC_DIO (uninterruptible), AUTO_INVAL_DATA (every
 * own write would drop the content that is cached), and EXPLICIT_INVAL_DATA (a file that grew
 * elsewhere would have old content and zeros until the notification).
 */
export const INIT_WANTED: number =
  (1 << 0) | // ASYNC_READ: several reads of one file at a time
  (1 << 3) | // ATOMIC_O_TRUNC: open(2) with O_TRUNC is one request
  (1 << 5) | // BIG_WRITES
  (1 << 6) | // DONT_MASK: a default ACL takes the place of the umask, which is ours to apply
  (1 << 13) | // DO_READDIRPLUS
  (1 << 14) | // READDIRPLUS_AUTO: plus only where the attributes are asked for
  (1 << 18) | // PARALLEL_DIROPS
  (1 << 20) | // POSIX_ACL: checked and cached by the kernel, which asks for them as for any xattr
  (1 << 22) | // MAX_PAGES: IO_MAX in one request
  (1 << 23) | // CACHE_SYMLINKS: a target never changes
  (1 << 28) | // HANDLE_KILLPRIV_V2: clearing set-uid bits is ours; saves an xattr request a write
  SETXATTR_EXTENDED

/**
 * The same where the file system arbitrates locks: else the kernel does, between the processes of
 * this machine.
 */
export const INIT_LOCKS: number =
  (1 << 1) | // POSIX_LOCKS: those of fcntl(2)
  (1 << 10) // FLOCK_LOCKS

/**
 * Background requests (all reads of cached files) the kernel may have under way: those that wait
 * for what is away must not use them up. Each waits at no cost. From the threshold on the kernel
 * reads no further ahead than it is asked to.
 */
export const BACKGROUND_MAX = 4096
export const CONGESTION_THRESHOLD = 48

export const SET_MODE = 1
export const SET_UID = 2
export const SET_GID = 4
export const SET_SIZE = 8
export const SET_ACCESSED = 16
export const SET_MODIFIED = 32
export const SET_WITH_HANDLE = 64
export const SET_KILL_PRIVILEGES = 2048

export const OPEN_KEEP_CACHE = 2
export const OPEN_CACHE_FOLDER = 8
export const OPEN_NO_FLUSH = 32
export const OPEN_KILL_PRIVILEGES = 1
/** A flag of WRITE: data changed in a mapping of the file, not by a write(2). */
export const WRITE_CACHED = 1
export const WRITE_KILL_PRIVILEGES = 4

export const SETXATTR_KILL_SETGID = 1

export const RENAME_KNOWN = 3

/** Types of locks, and the flag of those of flock(2). */
export const LOCK_SHARED = 0
export const LOCK_EXCLUSIVE = 1
export const LOCK_NONE = 2
export const LOCK_FLOCK = 1

/** The modes of lseek(2) that reach a file system. */
export const SEEK_DATA = 3
export const SEEK_HOLE = 4
/** The most that COPY_FILE_RANGE can be answered: whole pages that fit in 32 bits. */
export const COPY_MAX: number = 2 ** 32 - PAGE

export const NOTIFY = { inode: 2, entry: 3, epoch: 8 } as const

export const S_IFMT = 0o170000
export const FILE_TYPE: Readonly<Record<FileKind, number>> = {
  fifo: 0o010000,
  'character-device': 0o020000,
  folder: 0o040000,
  'block-device': 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
}

const TWO_TO_32 = 2 ** 32

/**
 * Little-endian 64-bit fields as numbers: exact up to 2^53 - 1, and several times faster than by
 * way of bigint.
 */
export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * TWO_TO_32
}

export function writeU64(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % TWO_TO_32, at)
  bytes.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4)
}
