// System calls that Node does not have, on paths, through the C library. Synchronous: never on a mount that this very
// process serves. A call that fails throws an error whose code is the name of the error number.
import { constants } from 'node:os'
import koffi from 'koffi'

const libc = koffi.load(null)
const call = {
  setxattr: libc.func('int lsetxattr(const char *, const char *, void *, size_t, int)'),
  getxattr: libc.func('long lgetxattr(const char *, const char *, void *, size_t)'),
  listxattr: libc.func('long llistxattr(const char *, void *, size_t)'),
  removexattr: libc.func('int lremovexattr(const char *, const char *)'),
  mknod: libc.func('int mknod(const char *, unsigned int, unsigned long)'),
}
const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

export const XATTR_CREATE = 1
export const XATTR_REPLACE = 2

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

function check(name: string, result: unknown): number {
  const value = Number(result)
  if (value >= 0) return value
  const code = NAMES.get(koffi.errno()) ?? 'unknown'
  throw Object.assign(new Error(`${name}: ${code}`), { code })
}
