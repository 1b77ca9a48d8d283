// Operations on names: looking up, making, moving and removing; and on open folders, which list
// them.
import { ShoalError } from '../../../../../protocol/errors.ts'
import { SYMLINK_MAX } from '../../../../../protocol/limits.ts'
import {
  FILE_TYPE,
  RENAME_KNOWN,
  S_IFMT,
  IO_MAX,
  OPEN_CACHE_FOLDER,
  OPEN_KEEP_CACHE,
} from '../protocol.ts'
import { EMPTY, entriesFor, folderPosition, folderReply, openReply } from '../replies.ts'
import { entry, timeoutsOf } from './served.ts'
import type { Parts, Timeouts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'
import type { Attributes } from '../../../file-system.ts'

const SPECIAL_KINDS = ['fifo', 'socket', 'character-device', 'block-device'] as const

export async function lookup(served: Served, request: Request): Promise<Parts> {
  const name = request.name()
  return entry(served, name, () => served.fileSystem.lookup(request.inode, name))
}

export async function symlink(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const name = request.name()
  const target = request.text()
  if (target.length > SYMLINK_MAX) {
    throw new ShoalError('ENAMETOOLONG', `a link to ${target.length} bytes; at most ${SYMLINK_MAX}`)
  }
  return entry(served, name, () => served.fileSystem.makeSymlink(inode, name, target, caller))
}

export async function mkdir(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const mode = request.u32() & 0o7777
  const maker = { ...caller, umask: request.u32() }
  const name = request.name()
  return entry(served, name, () => served.fileSystem.makeFolder(inode, name, mode, maker))
}

export async function mknod(served: Served, request: Request): Promise<Parts> {
  const { inode, caller } = request
  const mode = request.u32()
  const rdev = request.u32()
  const maker = { ...caller, umask: request.u32() }
  request.skip(4) // padding
  const name = request.name()
  const kind = SPECIAL_KINDS.find((known) => FILE_TYPE[known] === (mode & S_IFMT))
  if (kind !== undefined) {
    const special = { kind, rdev }
    return entry(served, name, () =>
      served.fileSystem.makeSpecial(inode, name, mode & 0o7777, special, maker),
    )
  }
  if ((mode & S_IFMT) !== FILE_TYPE.file) throw new ShoalError('EINVAL', `mknod of mode ${mode}`)
  return entry(served, name, async () => {
    const made = await served.fileSystem.create(inode, name, mode & 0o7777, maker)
    await served.fileSystem.release(made.handle)
    return made.attributes
  })
}

export async function link(served: Served, request: Request): Promise<Parts> {
  const inode = request.u64()
  const name = request.name()
  return entry(served, name, () => served.fileSystem.link(inode, request.inode, name))
}

export async function unlink(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.unlink(request.inode, request.name())
  return EMPTY
}

export async function rmdir(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.removeFolder(request.inode, request.name())
  return EMPTY
}

export async function rename(served: Served, request: Request): Promise<Parts> {
  const toParent = request.u64()
  await served.fileSystem.rename(request.inode, request.name(), toParent, request.name(), 0)
  return EMPTY
}

export async function rename2(served: Served, request: Request): Promise<Parts> {
  const toParent = request.u64()
  const flags = request.u32()
  request.skip(4)
  if ((flags & ~RENAME_KNOWN) !== 0) throw new ShoalError('EINVAL', `rename flags ${flags}`)
  await served.fileSystem.rename(request.inode, request.name(), toParent, request.name(), flags)
  return EMPTY
}

export async function openFolder(served: Served, request: Request): Promise<Parts> {
  const handle = await served.fileSystem.openFolder(request.inode)
  served.references.openedFolder(handle)
  return openReply(handle, OPEN_KEEP_CACHE | OPEN_CACHE_FOLDER)
}

export async function readFolder(served: Served, request: Request, plus: boolean): Promise<Parts> {
  const { fileSystem, references } = served
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
    const timeouts = (name: string): Timeouts => timeoutsOf(served, name)
    return folderReply(inode, dots, entries, { bytesMax, plus, timeouts, onEntry })
  })
}

export async function fsyncFolder(served: Served, request: Request): Promise<Parts> {
  await served.fileSystem.syncFolder(request.u64())
  return EMPTY
}

export async function releaseFolder(served: Served, request: Request): Promise<Parts> {
  await served.references.releaseFolder(request.u64())
  return EMPTY
}
