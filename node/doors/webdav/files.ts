// Files and folders at the WebDAV door: read, written whole, made and removed.
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import type { FileStat } from '../../control/files.ts'
import { isPlain, sendFile } from '../send-file.ts'
import { askForBody, begin, sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import { checkConditions, checkLocks, checkLocksOfName, checkLocksOfTree } from './conditions.ts'
import { DavError } from './dav-error.ts'
import {
  checkParent,
  depthOf,
  headerOf,
  isShown,
  refuseBody,
  statIfThere,
  versionOf,
} from './dav-request.ts'
import type { DavRequest } from './dav-request.ts'
import { contentTypeOf } from './live-properties.ts'
import { NS_PER_SECOND } from '../../../protocol/units.ts'

/** GET and HEAD. */
export async function get(asked: DavRequest): Promise<void> {
  const { api, place, request } = asked
  // Of most requests one look is enough.
  const isOne = isPlain(request.headers) && !place.isFolder && place.past === undefined
  const stat = isOne ? undefined : await statIfThere(asked, place)
  if (stat?.kind === 'folder') return sendFolder(asked)
  if (!isOne && (place.isFolder || stat === undefined || !isShown(stat)))
    throw new ShoalError('ENOENT', `${place.href}: nothing is there`)
  const { path } = place
  try {
    await sendFile(api, asked, { path, stat, version: versionOf(place), headersOf })
  } catch (error) {
    if (hasCode(error, 'EISDIR')) return sendFolder(asked)
    throw error
  }
}

function headersOf(stat: FileStat): Headers {
  return { 'content-type': contentTypeOf(stat), 'content-disposition': 'attachment' }
}

function sendFolder({ request, response }: DavRequest): void {
  const text = 'A folder: open it with a program that speaks WebDAV.\n'
  begin(response, 200, { 'content-type': 'text/plain', 'content-length': text.length })
  response.end(request.method === 'HEAD' ? undefined : text)
}

export async function put(asked: DavRequest): Promise<void> {
  const { api, place, request, response, signal } = asked
  if (request.headers['content-range'] !== undefined)
    throw new DavError(400, 'a part of a file cannot be put: send the whole file')
  const { stat, ifTag, shown } = await checkConditions(asked)
  if (place.isFolder || stat?.kind === 'folder')
    throw new DavError(405, `${place.href}: is a folder`)
  const checkAll = (): void => {
    if (stat === undefined) checkLocksOfName(asked, place, shown)
    else checkLocks(asked, place, shown)
  }
  checkAll()
  if (stat === undefined) await checkParent(asked, place)
  const attributes = { sizeBytes: lengthOf(asked), modifiedNs: modifiedOf(asked) }
  askForBody({ request, response })
  // Somebody may lock it while it comes in.
  await api.writeFile(place.path, thenChecked(asked, checkAll), attributes, { ifTag, signal })
  const tag = (await statIfThere(asked, place))?.tag
  sendNothing(response, stat === undefined ? 201 : 204, {
    ...(tag !== undefined && { etag: `"${tag}"` }),
    ...(attributes.modifiedNs !== undefined && { 'x-oc-mtime': 'accepted' }),
  })
}

async function* thenChecked(
  { request }: DavRequest,
  check: () => void,
): AsyncGenerator<Uint8Array> {
  yield* request as AsyncIterable<Uint8Array>
  check()
}

/** Finder does not know it before it sends, and then it does. */
function lengthOf({ request }: DavRequest): number | undefined {
  const length =
    headerOf(request, 'content-length') ?? headerOf(request, 'x-expected-entity-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** The time that ownCloud's clients, rclone's too, give a file. */
function modifiedOf({ request }: DavRequest): bigint | undefined {
  const seconds = headerOf(request, 'x-oc-mtime')
  return seconds !== undefined && /^\d{1,10}$/.test(seconds)
    ? BigInt(seconds) * NS_PER_SECOND
    : undefined
}

/** MKCOL. */
export async function makeFolder(asked: DavRequest): Promise<void> {
  const { api, place, response, signal } = asked
  await refuseBody(asked)
  const { stat, shown } = await checkConditions(asked)
  if (stat !== undefined) throw new DavError(405, `${place.href}: is there already`)
  checkLocksOfName(asked, place, shown)
  await checkParent(asked, place)
  await api.makeFolder(place.path, { signal })
  sendNothing(response, 201)
}

/** DELETE. */
export async function remove(asked: DavRequest): Promise<void> {
  const { api, place, response, locks, signal } = asked
  const { stat, ifTag, shown } = await checkConditions(asked)
  if (stat === undefined) throw new ShoalError('ENOENT', `${place.href}: nothing is there`)
  if (place.parts.length === 0) throw new DavError(403, 'the folder of the door stays')
  if (stat.kind === 'folder' && depthOf(asked, 'infinity') !== 'infinity')
    throw new DavError(400, 'a folder goes with all that is in it: Depth is infinity')
  checkLocksOfTree(asked, place, shown)
  await api.remove(place.path, { recursive: true, ifTag, signal })
  locks.forget(place)
  sendNothing(response, 204)
}
