// System calls that Node does not have, on paths and descriptors, through the C library.
// Synchronous: never on a mount that this very process serves. A call that fails throws an error
// whose code is the name of the error number.
import { constants } from 'node:os'
import koffi from 'koffi'

const libc = koffi.load(null)
const call = {
  setxattr: libc.func('int lsetxattr(const char *, const char *, void *, size_t, int)'),
  getxattr: libc.func('long lgetxattr(const char *, const char *, void *, size_t)'),
  listxattr: libc.func('long llistxattr(const char *, void *, size_t)'),
  removexattr: libc.func('int lremovexattr(const char *, const char *)'),
  mknod: libc.func('int mknod(const char *, unsigned int, unsigned long)'),
  fallocate: libc.func('int fallocate(int, int, int64_t, int64_t)'),
  lseek: libc.func('int64_t lseek(int, int64_t, int)'),
  copyFileRange: libc.func(
    'long copy_file_range(int, int64_t *, int, int64_t *, size_t, unsigned int)',
  ),
  mmap: libc.func('void *mmap(void *, size_t, int, int, int, int64_t)'),
  msync: libc.func('int msync(void *, size_t, int)'),
  munmap: libc.func('int munmap(void *, size_t)'),
  fcntl: libc.func('int fcntl(int, int, ...)'),
  flock: libc.func('int flock(int, int)'),
  ioctl: libc.func('int ioctl(int, unsigned long, ...)'),
  siginterrupt: libc.func('int siginterrupt(int, int)'),
}
// EWOULDBLOCK is EAGAIN.
const { EWOULDBLOCK: _, ...ERRORS } = constants.errno
const NAMES = new Map(Object.entries(ERRORS).map(([name, number]) => [number, name]))

export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2
export const FALLOC_KEEP_SIZE = 1
export const FALLOC_PUNCH_HOLE = 2
export const FALLOC_ZERO_RANGE = 16
export const SEEK_DATA = 3
export const SEEK_HOLE = 4

// EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH of Linux's fs/ext4/ext4.h.
const EXT4_SHUTDOWN = 0x8004_587d
const EXT4_WITHOUT_LOG = 2

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MS_SYNC = 4

export function setXattr(path: string, name: string, value: string | Uint8Array, flags = 0): void {
  const bytes = Buffer.from(value)
  check('setxattr', call.setxattr(path, name, bytes, bytes.length, flags))
}

/** roomBytes: 0 asks for the length. */
export function getXattrInto(path: string, name: string, roomBytes: number): Buffer {
  const room = Buffer.alloc(roomBytes)
  const length = check('getxattr', call.getxattr(path, name, room, roomBytes))
  return roomBytes === 0 ? Buffer.alloc(length) : room.subarray(0, length)
}

export function getXattr(path: string, name: string): Buffer {
  return getXattrInto(path, name, getXattrInto(path, name, 0).length || 1)
}

export function listXattrs(path: string): string[] {
  const room = Buffer.alloc(65_536)
  const length = check('listxattr', call.listxattr(path, room, room.length))
  return room.toString('latin1', 0, length).split('\0').slice(0, -1).sort()
}

export function removeXattr(path: string, name: string): void {
  check('removexattr', call.removexattr(path, name))
}

/** mode: with the type, as S_IFIFO. */
export function makeNode(path: string, mode: number, device = 0): void {
  check('mknod', call.mknod(path, mode, device))
}

export function allocate(fd: number, mode: number, position: number, length: number): void {
  check('fallocate', call.fallocate(fd, mode, position, length))
}

/** whence: SEEK_DATA or SEEK_HOLE. returns the offset, or undefined behind the last data. */
export function seek(fd: number, position: number, whence: number): number | undefined {
  try {
    return check('lseek', call.lseek(fd, position, whence))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENXIO') return undefined
    throw error
  }
}

/** returns how many bytes were copied; 0 at the end of the source. */
export function copyFileRange(
  from: { readonly fd: number; readonly position: number },
  to: { readonly fd: number; readonly position: number },
  length: number,
): number {
  const copied = call.copyFileRange(from.fd, [from.position], to.fd, [to.position], length, 0)
  return check('copy_file_range', copied)
}

/** flock(2). */
export function flock(fd: number, operation: number): void {
  check('flock', call.flock(fd, operation))
}

/** A lock of fcntl_locking(2). kind: F_RDLCK, F_WRLCK or F_UNLCK. */
export interface RangeLock {
  readonly kind: number
  readonly start: number
  readonly length: number
}

/** command: F_GETLK, F_SETLK or F_SETLKW. returns the lock as the call leaves it. */
export function controlLock(
  fd: number,
  command: number,
  kind: number,
  { start, length }: Pick<RangeLock, 'start' | 'length'>,
): RangeLock {
  // struct flock of 64-bit Linux.
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(kind, 0)
  lock.writeBigInt64LE(BigInt(start), 8)
  lock.writeBigInt64LE(BigInt(length), 16)
  check('fcntl', call.fcntl(fd, command, 'void *', lock))
  return {
    kind: lock.readInt16LE(0),
    start: Number(lock.readBigInt64LE(8)),
    length: Number(lock.readBigInt64LE(16)),
  }
}

/**
 * Has ext4 write nothing from here on, not even what is in its memory: for its disk the power is
 * gone. fd: of anything there.
 */
export function losePower(fd: number): void {
  const flags = Buffer.alloc(4)
  flags.writeUInt32LE(EXT4_WITHOUT_LOG)
  check('ioctl', call.ioctl(fd, EXT4_SHUTDOWN, 'void *', flags))
}

/** System calls that wait end with EINTR at the signal, which must have a handler. */
export function letSignalInterrupt(signal: 'SIGUSR2'): void {
  check('siginterrupt', call.siginterrupt(constants.signals[signal], 1))
}

/**
 * A file in memory, shared and writable. Touching what is behind its last page ends the process
 * (SIGBUS).
 */
export class Mapping {
  readonly bytes: Uint8Array
  readonly #address: unknown

  constructor(fd: number, length: number) {
    const address: unknown = call.mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0)
    if (address === 0xffff_ffff_ffff_ffffn) check('mmap', -1)
    this.#address = address
    this.bytes = new Uint8Array(koffi.view(address, length))
  }

  /** Write back what was changed. */
  sync(): void {
    check('msync', call.msync(this.#address, this.bytes.length, MS_SYNC))
  }

  /** The bytes must not be touched any more. */
  unmap(): void {
    check('munmap', call.munmap(this.#address, this.bytes.length))
  }
}

function check(name: string, result: unknown): number {
  const value = Number(result)
  if (value >= 0) return value
  const code = NAMES.get(koffi.errno()) ?? 'unknown'
  throw Object.assign(new Error(`${name}: ${code}`), { code })
}
