// Operations on open folders.
import { IO_MAX, OPEN_CACHE_FOLDER, OPEN_KEEP_CACHE } from '../protocol.ts'
import { EMPTY, entriesFor, folderPosition, folderReply, openReply } from '../replies.ts'
import type { Attributes } from '../../../file-system.ts'
import { timeoutsOf } from './served.ts'
import type { Parts, Timeouts } from '../replies.ts'
import type { Request } from '../request.ts'
import type { Served } from './served.ts'

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
