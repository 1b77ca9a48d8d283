// What each request of the kernel asks of the file system, and the body of its reply. A failure is thrown; session.ts
// turns it into an error number. Each operation reads its request wholly before its first await (request.ts says why).
import { constants } from 'node:fs'
import { ShoalError } from '../../../../protocol/errors.ts'
import { SYMLINK_MAX } from '../../../../protocol/limits.ts'
import {
  IO_MAX,
  OPCODE,
  OPEN_CACHE_FOLDER,
  OPEN_KEEP_CACHE,
  OPEN_KILL_PRIVILEGES,
  OPEN_NO_FLUSH,
  RENAME_KNOWN,
  S_IFMT,
  S_IFREG,
  SET_ACCESSED,
  SET_GID,
  SET_KILL_PRIVILEGES,
  SET_MODE,
  SET_MODIFIED,
  SET_SIZE,
  SET_UID,
  SET_WITH_HANDLE,
  WRITE_KILL_PRIVILEGES,
} from './protocol.ts'
import {
  EMPTY,
  attributesReply,
  createReply,
  entriesFor,
  entryReply,
  folderPosition,
  folderReply,
  openReply,
  spaceReply,
  writtenReply,
} from './replies.ts'
import type { AttributeChange, Attributes, FileSystem } from '../../file-system.ts'
import type { References } from './references.ts'
import type { Parts, Timeouts } from './replies.ts'
import type { Request } from './request.ts'

/** What operations work on. */
export interface Served {
  readonly fileSystem: FileSystem
  readonly references: References
  readonly timeouts: Timeouts
}

/** One operation: from a request to the body of its reply. */
export type Operation = (served: Served, request: Request) => Promise<Parts>

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
  [OPCODE.read, read],
  [OPCODE.write, write],
  [OPCODE.flush, flush],
  [OPCODE.fsync, fsync],
  [OPCODE.release, release],
  [OPCODE.openFolder, openFolder],
  [OPCODE.readFolder, (served, request) => readFolder(served, request, false)],
  [OPCODE.readFolderPlus, (served, request) => readFolder(served, request, true)],
  [OPCODE.fsyncFolder, fsyncFolder],
  [OPCODE.releaseFolder, releaseFolder],
  [OPCODE.statfs, statfs],
  [OPCODE.destroy, () => Promise.resolve(EMPTY)],
])

const S_ISUID = 0o4000
const S_ISGID = 0o2000
const S_IXGRP = 0o010
const NANOSECONDS = 1_000_000_000n

// --- names ---

async function lookup(served: Served, request: Request): Promise<Parts> {
  const name = request.name()
  return entry(served, () => served.fileSystem.lookup(request.inode, name))
}

async function symlink(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const name = request.name()
  const target = request.text()
  if (target.length > SYMLINK_MAX) {
    throw new ShoalError('ENAMETOOLONG', `a link to ${target.length} bytes; at most ${SYMLINK_MAX}`)
  }
  return entry(served, () => served.fileSystem.makeSymlink(inode, name, target, caller))
}

async function mkdir(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const mode = request.u32() & 0o7777
  request.skip(4) // umask: the kernel has applied it
  const name = request.name()
  return entry(served, () => served.fileSystem.makeFolder(inode, name, mode, caller))
}

/** Only regular files; devices, pipes and sockets mean nothing on another machine. */
async function mknod(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const mode = request.u32()
  request.skip(12) // device number, umask, padding
  const name = request.name()
  if ((mode & S_IFMT) !== S_IFREG) {
    throw new ShoalError('EPERM', 'only regular files, folders and symbolic links can be made')
  }
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR
  return entry(served, async () => {
    const made = await served.fileSystem.create(inode, name, mode & 0o7777, flags, caller)
    await served.fileSystem.release(made.handle)
    return made.attributes
  })
}

async function link(served: Served, request: Request): Promise<Parts> {
  const inode = request.u64()
  const name = request.name()
  return entry(served, () => served.fileSystem.link(inode, request.inode, name))
}

async function unlink(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.unlink(request.inode, request.name())
  return EMPTY
}

async function rmdir(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.removeFolder(request.inode, request.name())
  return EMPTY
}

async function rename(served: Served, request: Request): Promise<Parts> {
  const toParent = request.u64()
  await served.fileSystem.rename(request.inode, request.name(), toParent, request.name(), 0)
  return EMPTY
}

async function rename2(served: Served, request: Request): Promise<Parts> {
  const toParent = request.u64()
  const flags = request.u32()
  request.skip(4)
  if ((flags & ~RENAME_KNOWN) !== 0) throw new ShoalError('EINVAL', `rename flags ${flags}`)
  await served.fileSystem.rename(request.inode, request.name(), toParent, request.name(), flags)
  return EMPTY
}

/** The reply that gives the kernel one entry, and with it a reference. */
async function entry(
  { references, timeouts }: Served,
  ask: () => Promise<Attributes | undefined>,
): Promise<Parts> {
  return references.giving(async () => {
    const attributes = await ask()
    if (attributes !== undefined) references.add(attributes)
    return entryReply(attributes, timeouts)
  })
}

// --- attributes ---

async function getAttributes(served: Served, request: Request): Promise<Parts> {
  const attributes = await served.fileSystem.getAttributes(request.inode)
  return attributesReply(attributes, served.timeouts)
}

async function setAttributes(served: Served, request: Request): Promise<Parts> {
  const { inode } = request
  const { change, handle, killPrivileges } = readChange(request)
  const asked = killPrivileges ? await withoutPrivileges(served, inode, change) : change
  const attributes = await served.fileSystem.setAttributes(inode, asked, handle)
  return attributesReply(attributes, served.timeouts)
}

/** fuse_setattr_in. For times set to "now" the kernel sends its own clock's now too. */
function readChange(request: Request): {
  change: AttributeChange
  handle: number | undefined
  killPrivileges: boolean
} {
  const valid = request.u32()
  request.skip(4)
  const handle = request.u64If((valid & SET_WITH_HANDLE) !== 0)
  const sizeBytes = request.u64If((valid & SET_SIZE) !== 0)
  request.skip(8) // lock owner
  const accessedSeconds = request.i64()
  const modifiedSeconds = request.i64()
  request.skip(8) // change time: it is the file system's to set
  const accessedNs = accessedSeconds * NANOSECONDS + BigInt(request.u32())
  const modifiedNs = modifiedSeconds * NANOSECONDS + BigInt(request.u32())
  request.skip(4)
  const mode = request.u32() & 0o7777
  request.skip(4)
  const uid = request.u32()
  const gid = request.u32()
  const change: AttributeChange = {
    ...(valid & SET_MODE ? { mode } : {}),
    ...(valid & SET_UID ? { uid } : {}),
    ...(valid & SET_GID ? { gid } : {}),
    ...(sizeBytes !== undefined ? { sizeBytes } : {}),
    ...(valid & SET_ACCESSED ? { accessedNs } : {}),
    ...(valid & SET_MODIFIED ? { modifiedNs } : {}),
  }
  return {
    change,
    handle,
    killPrivileges: (valid & (SET_KILL_PRIVILEGES | SET_UID | SET_GID)) !== 0,
  }
}

/** `change`, also clearing the set-uid and set-gid bits of a file that has them (FUSE_HANDLE_KILLPRIV_V2). */
async function withoutPrivileges(
  { fileSystem }: Served,
  inode: number,
  change: AttributeChange,
): Promise<AttributeChange> {
  const attributes = await fileSystem.getAttributes(inode)
  const before = change.mode ?? attributes.mode
  const cleared = before & S_IXGRP ? S_ISUID | S_ISGID : S_ISUID
  const mode = before & ~cleared
  return attributes.kind !== 'file' || mode === before ? change : { ...change, mode }
}

async function killPrivileges(served: Served, inode: number): Promise<void> {
  const change = await withoutPrivileges(served, inode, {})
  if (change.mode !== undefined) await served.fileSystem.setAttributes(inode, change, undefined)
}

async function readLink(served: Served, request: Request): Promise<Parts> {
  return [Buffer.from(await served.fileSystem.readLink(request.inode), 'latin1')]
}

async function statfs(served: Served): Promise<Parts> {
  return spaceReply(await served.fileSystem.statFileSystem())
}

// --- content ---

async function open(served: Served, request: Request): Promise<Parts> {
  const flags = request.u32()
  const openFlags = request.u32()
  if (openFlags & OPEN_KILL_PRIVILEGES) await killPrivileges(served, request.inode)
  const handle = await served.fileSystem.open(request.inode, flags)
  served.references.openedFile(handle)
  return openReply(handle, cacheFlags(flags))
}

async function create(served: Served, request: Request): Promise<Parts> {
  const { fileSystem, references, timeouts } = served
  const { inode, caller } = request
  const flags = request.u32()
  const mode = request.u32() & 0o7777
  request.skip(8) // umask: the kernel has applied it; open flags: a new file has no privileges
  const name = request.name()
  return references.giving(async () => {
    const { attributes, handle } = await fileSystem.create(inode, name, mode, flags, caller)
    references.openedFile(handle)
    references.add(attributes)
    return createReply(attributes, handle, cacheFlags(flags), timeouts)
  })
}

/** Cached content stays until a notification drops it; closing what was only read needs no FLUSH. */
function cacheFlags(flags: number): number {
  const onlyReads = (flags & (constants.O_WRONLY | constants.O_RDWR)) === 0
  return onlyReads ? OPEN_KEEP_CACHE | OPEN_NO_FLUSH : OPEN_KEEP_CACHE
}

async function read(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const length = Math.min(request.u32(), IO_MAX)
  const parts = await served.fileSystem.read(handle, position, length, request.signal)
  const sent = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (sent > length) throw new ShoalError('internal', `a read of ${length} bytes gave ${sent}`)
  return parts
}

async function write(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const length = request.u32()
  const flags = request.u32()
  request.skip(16) // lock owner, open flags, padding
  const bytes = request.bytes(length)
  if (flags & WRITE_KILL_PRIVILEGES) await killPrivileges(served, request.inode)
  return writtenReply(await served.fileSystem.write(handle, position, bytes))
}

async function flush(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.flush(request.u64())
  return EMPTY
}

async function fsync(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.fsync(request.u64())
  return EMPTY
}

async function release(served: Served, request: Request): Promise<Parts> {
  await served.references.releaseFile(request.u64())
  return EMPTY
}

// --- folders ---

async function openFolder(served: Served, request: Request): Promise<Parts> {
  const handle = await served.fileSystem.openFolder(request.inode)
  served.references.openedFolder(handle)
  return openReply(handle, OPEN_KEEP_CACHE | OPEN_CACHE_FOLDER)
}

async function readFolder(served: Served, request: Request, plus: boolean): Promise<Parts> {
  const { fileSystem, references, timeouts } = served
  const { inode } = request
  const handle = request.u64()
  const { dots, cookie } = folderPosition(request.u64())
  const bytesMax = Math.min(request.u32(), IO_MAX)
  return references.giving(async () => {
    const countMax = entriesFor(bytesMax, plus)
    const entries = await fileSystem.readFolder(handle, cookie, countMax)
    const onEntry = (attributes: Attributes): void => {
      fileSystem.retain(attributes.inode)
      references.add(attributes)
    }
    return folderReply(inode, dots, entries, { bytesMax, plus, timeouts, onEntry })
  })
}

async function fsyncFolder(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.syncFolder(request.u64())
  return EMPTY
}

async function releaseFolder(served: Served, request: Request): Promise<Parts> {
  await served.references.releaseFolder(request.u64())
  return EMPTY
}
