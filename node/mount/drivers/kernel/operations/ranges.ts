// Operations on ranges of open files: what takes space in them, and what is copied from one to
// another.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { COPY_MAX, SEEK_DATA, SEEK_HOLE } from '../protocol.ts'
import { EMPTY, positionReply, writtenReply } from '../replies.ts'
import { killPrivilegesFor } from './attributes.ts'
import type { Parts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

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
