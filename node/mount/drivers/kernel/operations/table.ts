// The operations for the kernel's requests, and the bodies of their replies. A failure is thrown;
// session.ts turns it into an error number. Each operation reads its request wholly before its
// first await (request.ts says why).
import { OPCODE } from '../protocol.ts'
import { EMPTY } from '../replies.ts'
import { getAttributes, readLink, setAttributes, statfs } from './attributes.ts'
import {
  create,
  createUnlinked,
  flush,
  fsync,
  open,
  read,
  release,
  write,
  allocate,
  copyRange,
  copyRange64,
  seek,
} from './content.ts'
import { getXattr, listXattr, removeXattr, setXattr } from './extended-attributes.ts'
import { getLock, setLock } from './locks.ts'
import {
  link,
  lookup,
  mkdir,
  mknod,
  rename,
  rename2,
  rmdir,
  symlink,
  unlink,
  fsyncFolder,
  openFolder,
  readFolder,
  releaseFolder,
} from './names.ts'
import type { Operation } from './served.ts'

/** By opcode; what is not here is answered ENOSYS, after which the kernel does without it. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [OPCODE.lookup, lookup],
  [OPCODE.getAttributes, getAttributes],
  [OPCODE.setAttributes, setAttributes],
  [OPCODE.readLink, readLink],
  [OPCODE.symlink, symlink],
  [OPCODE.mknod, mknod],
  [OPCODE.mkdir, mkdir],
  [OPCODE.unlink, unlink],
  [OPCODE.rmdir, rmdir],
  [OPCODE.rename, rename],
  [OPCODE.rename2, rename2],
  [OPCODE.link, link],
  [OPCODE.open, open],
  [OPCODE.create, create],
  [OPCODE.createUnlinked, createUnlinked],
  [OPCODE.read, read],
  [OPCODE.write, write],
  [OPCODE.allocate, allocate],
  [OPCODE.seek, seek],
  [OPCODE.copyRange, copyRange],
  [OPCODE.copyRange64, copyRange64],
  [OPCODE.flush, flush],
  [OPCODE.fsync, fsync],
  [OPCODE.release, release],
  [OPCODE.openFolder, openFolder],
  [OPCODE.readFolder, (served, request) => readFolder(served, request, false)],
  [OPCODE.readFolderPlus, (served, request) => readFolder(served, request, true)],
  [OPCODE.fsyncFolder, fsyncFolder],
  [OPCODE.releaseFolder, releaseFolder],
  [OPCODE.statfs, statfs],
  [OPCODE.getXattr, getXattr],
  [OPCODE.setXattr, setXattr],
  [OPCODE.listXattr, listXattr],
  [OPCODE.removeXattr, removeXattr],
  [OPCODE.getLock, getLock],
  [OPCODE.setLock, (served, request) => setLock(served, request, { wait: false })],
  [OPCODE.setLockWait, (served, request) => setLock(served, request, { wait: true })],
  [OPCODE.destroy, () => Promise.resolve(EMPTY)],
])
