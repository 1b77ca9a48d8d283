// Operations on extended attributes. Access control lists come as these, too: the kernel checks and
// caches them (POSIX_ACL), and takes what the file system answers for the truth after each change.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { SETXATTR_EXTENDED, SETXATTR_KILL_SETGID } from '../protocol.ts'
import { EMPTY, xattrReply } from '../replies.ts'
import type { Parts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

/** Made once: programs ask of every file for what hardly any has. */
const NOT_SET = new ShoalError('ENODATA', 'the extended attribute is not set')
/**
 * `ls -l` asks each file for its label, until one says that there are none: half of what it costs
 * when all is cached.
 */
const LABEL = 'security.selinux'
const NO_LABEL = new ShoalError('unsupported', 'the file has no SELinux label')
/** Names in it are for the administrator of a machine only (xattr(7)). */
const TRUSTED = 'trusted.'

export async function getXattr(served: Served, request: Request): Promise<Parts> {
  const roomBytes = request.u32()
  request.skip(4) // padding
  const name = request.text()
  const value = await served.fileSystem.getXattr(request.inode, name)
  if (value === undefined) throw name === LABEL ? NO_LABEL : NOT_SET
  return fitting(value, roomBytes)
}

export async function listXattr(served: Served, request: Request): Promise<Parts> {
  const roomBytes = request.u32()
  const isRoot = request.caller.uid === 0
  const names = await served.fileSystem.listXattrs(request.inode)
  const shown = names.filter((name) => isRoot || !name.startsWith(TRUSTED))
  return fitting(Buffer.from(shown.map((name) => `${name}\0`).join(''), 'latin1'), roomBytes)
}

/** fuse_setxattr_in, or as it was before Linux 5.13. */
export async function setXattr(served: Served, request: Request): Promise<Parts> {
  const length = request.u32()
  const flags = request.u32()
  const isExtended = (served.agreed & SETXATTR_EXTENDED) !== 0
  const extension = isExtended ? request.u32() : 0
  if (isExtended) request.skip(4) // padding
  const name = request.text()
  const value = new Uint8Array(request.bytes(length))
  const keepsSetGid = (extension & SETXATTR_KILL_SETGID) === 0
  await served.fileSystem.setXattr(request.inode, name, value, { flags, keepsSetGid })
  return EMPTY
}

export async function removeXattr(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.removeXattr(request.inode, request.text())
  return EMPTY
}

function fitting(value: Uint8Array, roomBytes: number): Parts {
  if (roomBytes > 0 && value.byteLength > roomBytes)
    throw new ShoalError('ERANGE', `${value.byteLength} bytes do not fit into ${roomBytes}`)
  return xattrReply(value, roomBytes)
}
