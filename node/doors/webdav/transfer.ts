// COPY and MOVE (RFC 4918, sections 9.8 and 9.9). A copy shares the content of what it is a copy
// of. What is replaced goes when the copy is whole; a folder is never merged into another.
import { ShoalError } from '../../../protocol/errors.ts'
import { toHex } from '../../../protocol/bytes.ts'
import type { FileStat } from '../../control/files.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import { sendNothing } from '../web-answers.ts'
import { checkConditions, checkLocksOfName, checkLocksOfTree } from './conditions.ts'
import { DavError } from './dav-error.ts'
import { deadAttributes } from './dead-properties.ts'
import {
  checkParent,
  depthOf,
  destinationOf,
  isShown,
  isToOverwrite,
  placeOf,
  statIfThere,
  versionOf,
} from './dav-request.ts'
import type { DavRequest, Place } from './dav-request.ts'

const SPARE_BYTES = 8

export async function transfer(asked: DavRequest, isMove: boolean): Promise<void> {
  const { place, response, locks } = asked
  const to = destinationOf(asked)
  const mayReplace = isToOverwrite(asked)
  const depth = depthOf(asked, 'infinity')
  const { stat, shown } = await checkConditions(asked)
  if (stat === undefined || !isShown(stat))
    throw new ShoalError('ENOENT', `${place.href}: nothing is there`)
  if (depth === 1 || (isMove && depth === 0 && stat.kind === 'folder'))
    throw new DavError(400, 'Depth is infinity, or 0 for a copy of a folder alone')
  const isShallow = depth === 0 && stat.kind === 'folder'
  checkApart(place, to, isShallow)
  if (isMove) checkLocksOfTree(asked, place, shown)
  const there = await statIfThere(asked, to)
  if (there === undefined) checkLocksOfName(asked, to, shown)
  else checkLocksOfTree(asked, to, shown)
  if (there !== undefined && !mayReplace)
    throw new ShoalError('precondition', `${to.href}: is there already`)
  await checkParent(asked, to)
  if (isMove) await move(asked, stat, to, there)
  else if (isShallow) await copyAlone(asked, stat, to, there)
  else await copy(asked, to, there)
  if (isMove) locks.forget(place)
  if (there?.kind === 'folder') locks.forget(to)
  sendNothing(response, there === undefined ? 201 : 204)
}

/** throws DavError 403 where one is the other, or in the other. */
function checkApart(from: Place, to: Place, isShallow: boolean): void {
  const isInside = !isShallow && to.key.startsWith(`${from.key}/`)
  if (from.key !== to.key && !isInside && !from.key.startsWith(`${to.key}/`)) return
  throw new DavError(403, `${to.href}: is ${from.href}, or one is in the other`)
}

/** Not broken off when the client goes: nothing would be there. */
async function move(
  { api, place }: DavRequest,
  stat: FileStat,
  to: Place,
  there: FileStat | undefined,
): Promise<void> {
  const isSwap = there !== undefined && stat.kind === 'file' && there.kind !== 'folder'
  if (there !== undefined && !isSwap) await api.remove(to.path, { recursive: true })
  await api.move(place.path, to.path, { exact: true, ifTag: isSwap ? undefined : '' })
}

async function copy(asked: DavRequest, to: Place, there: FileStat | undefined): Promise<void> {
  const { api, place, signal } = asked
  if (there === undefined) return clone(asked, place, to)
  const spare = spareBeside(asked, to)
  await clone(asked, place, spare)
  try {
    await move({ ...asked, place: spare }, await api.stat(spare.path, { signal }), to, there)
  } catch (error) {
    await ignoreFailure(api.remove(spare.path, { recursive: true }), 'what failed is told')
    throw error
  }
}

async function clone({ api, signal }: DavRequest, from: Place, to: Place): Promise<void> {
  const version = versionOf(from)
  for await (const _ of api.clone(from.path, to.path, { version, signal })) continue
}

/** The folder alone, with its properties. */
async function copyAlone(
  asked: DavRequest,
  { mode }: FileStat,
  to: Place,
  there: FileStat | undefined,
): Promise<void> {
  const { api, place, signal } = asked
  if (there !== undefined) await api.remove(to.path, { recursive: true, signal })
  const { extended } = (await statIfThere(asked, place, { extended: true })) ?? {}
  await api.makeFolder(to.path, { mode, signal })
  await api.setAttributes(to.path, { extended: deadAttributes(extended) }, { signal })
}

/** A place where nothing is, in the folder of another. */
function spareBeside({ folder, random }: DavRequest, { parts }: Place): Place {
  const name = `.webdav-copy-${toHex(random.bytes(SPARE_BYTES))}`
  return placeOf(folder, { parts: [...parts.slice(0, -1), name], isFolder: false })
}
