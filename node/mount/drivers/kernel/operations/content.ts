// Operations on open files: on their content, and on ranges: what takes space, and what is copied
// from one file to another.
import { constants } from 'node:fs'
import { ShoalError, hasCode } from '../../../../../protocol/errors.ts'
import {
  IO_MAX,
  OPEN_KEEP_CACHE,
  OPEN_KILL_PRIVILEGES,
  OPEN_NO_FLUSH,
  WRITE_CACHED,
  WRITE_KILL_PRIVILEGES,
  COPY_MAX,
  SEEK_DATA,
  SEEK_HOLE,
} from '../protocol.ts'
import { EMPTY, createReply, openReply, writtenReply, positionReply } from '../replies.ts'
import { killPrivileges, killPrivilegesFor } from './attributes.ts'
import { lockOwner } from './locks.ts'
import { timeoutsOf } from './served.ts'
import type { Attributes } from '../../../file-system.ts'
import type { Parts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

export async function open(served: Served, request: Request): Promise<Parts> {
  const flags = request.u32()
  const openFlags = request.u32()
  if (openFlags & OPEN_KILL_PRIVILEGES) await killPrivileges(served, request.inode)
  const handle = await served.fileSystem.open(request.inode, flags)
  served.references.openedFile(handle)
  return openReply(handle, cacheFlags(served, flags))
}

export async function create(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const flags = request.u32()
  const mode = request.u32() & 0o7777
  const maker = { ...caller, umask: request.u32() }
  request.skip(4) // open flags: a new file has no privileges
  const name = request.name()
  try {
    return await made(served, { flags, name }, () =>
      served.fileSystem.create(inode, name, mode, maker),
    )
  } catch (error) {
    const isAlone = (flags & constants.O_EXCL) !== 0
    if (isAlone || !hasCode(error, 'EEXIST')) throw error
    // Made elsewhere since the kernel looked: upon this it looks again, and opens what is there if
    // the caller may.
    throw new ShoalError('ESTALE', 'somebody else has just made it', { cause: error })
  }
}

/** The same without a name: what the kernel sends for one means nothing. */
export async function createUnlinked(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const flags = request.u32()
  const mode = request.u32() & 0o7777
  const maker = { ...caller, umask: request.u32() }
  return made(served, { flags, name: '' }, () =>
    served.fileSystem.createUnlinked(inode, mode, maker),
  )
}

async function made(
  served: Served,
  { flags, name }: { readonly flags: number; readonly name: string },
  make: () => Promise<{ attributes: Attributes; handle: number }>,
): Promise<Parts> {
  const { references } = served
  return references.giving(async () => {
    const { attributes, handle } = await make()
    references.openedFile(handle)
    references.add(attributes)
    const timeouts = timeoutsOf(served, name)
    return createReply(attributes, handle, cacheFlags(served, flags), timeouts)
  })
}

/**
 * Cached content stays until a notification drops it; closing what was only read needs no FLUSH,
 * but for its locks.
 */
function cacheFlags({ fileSystem }: Served, flags: number): number {
  const onlyReads = (flags & (constants.O_WRONLY | constants.O_RDWR)) === 0
  return onlyReads && fileSystem.locks === undefined
    ? OPEN_KEEP_CACHE | OPEN_NO_FLUSH
    : OPEN_KEEP_CACHE
}

export async function read(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const length = Math.min(request.u32(), IO_MAX)
  const parts = await served.fileSystem.read(handle, position, length, request.signal)
  const sent = parts.reduce((sum, part) => sum + part.byteLength, 0)
  if (sent > length) throw new ShoalError('internal', `a read of ${length} bytes gave ${sent}`)
  return parts
}

export async function write(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const length = request.u32()
  const flags = request.u32()
  request.skip(8) // lock owner
  // As they are now: fcntl(2) may have changed them.
  const openFlags = request.u32()
  request.skip(4) // padding
  const bytes = request.bytes(length)
  if (flags & WRITE_KILL_PRIVILEGES) await killPrivileges(served, request.inode)
  const appends = (openFlags & constants.O_APPEND) !== 0 && (flags & WRITE_CACHED) === 0
  return writtenReply(await served.fileSystem.write(handle, appends ? 'end' : position, bytes))
}

export async function flush(served: Served, request: Request): Promise<Parts> {
  const { inode } = request
  const handle = request.u64()
  request.skip(8)
  const owner = lockOwner(request)
  try {
    await served.fileSystem.flush(handle)
  } finally {
    await served.fileSystem.locks?.closed(inode, owner)
  }
  return EMPTY
}

export async function fsync(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.fsync(request.u64())
  return EMPTY
}

export async function release(served: Served, request: Request): Promise<Parts> {
  await served.references.releaseFile(request.u64())
  return EMPTY
}

/** fuse_fallocate_in. */
export async function allocate(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const length = request.u64()
  const mode = request.u32()
  await killPrivilegesFor(request.caller, served, request.inode)
  await served.fileSystem.allocate(handle, mode, position, length)
  return EMPTY
}

/** fuse_lseek_in. */
export async function seek(served: Served, request: Request): Promise<Parts> {
  const handle = request.u64()
  const position = request.u64()
  const whence = request.u32()
  if (whence !== SEEK_DATA && whence !== SEEK_HOLE)
    throw new ShoalError('EINVAL', `lseek from ${whence}`)
  const what = whence === SEEK_DATA ? 'data' : 'hole'
  return positionReply(await served.fileSystem.seek(handle, position, what))
}

/** fuse_copy_file_range_in. The answer is that to a WRITE. */
export async function copyRange(served: Served, request: Request): Promise<Parts> {
  return writtenReply(await copy(served, request, COPY_MAX))
}

/** The same of Linux 6.18, answered with 64 bits. */
export async function copyRange64(served: Served, request: Request): Promise<Parts> {
  return positionReply(await copy(served, request, Infinity))
}

async function copy(served: Served, request: Request, lengthMax: number): Promise<number> {
  const from = { handle: request.u64(), position: request.u64() }
  const inode = request.u64()
  const to = { handle: request.u64(), position: request.u64() }
  const length = Math.min(request.u64(), lengthMax)
  if (request.u64() !== 0) throw new ShoalError('EINVAL', 'flags of copy_file_range')
  await killPrivilegesFor(request.caller, served, inode)
  return served.fileSystem.copyRange(from, to, length)
}
