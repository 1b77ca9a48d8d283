// LOCK and UNLOCK (RFC 4918, sections 9.10 and 9.11).
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { KIB } from '../../../protocol/units.ts'
import { begin, sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import { checkConditions, checkLocksOfName } from './conditions.ts'
import { DavError } from './dav-error.ts'
import { checkParent, depthOf, headerOf, readXml } from './dav-request.ts'
import type { DavRequest } from './dav-request.ts'
import { activeLocks } from './live-properties.ts'
import { timeoutOf } from './locks.ts'
import type { Lock } from './locks.ts'
import { XML_TYPE } from './multistatus.ts'
import { childNamed, isNamed, standingAlone } from '../xml/xml.ts'
import type { XmlElement } from '../xml/xml.ts'

/** Longest `owner`, by which a client says whose a lock is. */
const OWNER_BYTES_MAX: number = 4 * KIB

export async function lock(asked: DavRequest): Promise<void> {
  const { place, request, locks, who } = asked
  const body = await readXml(asked)
  const timeoutMs = timeoutOf(headerOf(request, 'timeout'))
  const { stat, shown } = await checkConditions(asked)
  if (body === undefined) {
    const [token, ...more] = shown
    if (token === undefined || more.length > 0)
      throw new DavError(400, 'a lock is refreshed with its token in If')
    const anew = locks.refresh(place, token, who, timeoutMs)
    if (anew === undefined) throw new ShoalError('precondition', 'there is no such lock here')
    return sendLock(asked, 200, anew, {})
  }
  const { isShared, owner } = wantedBy(body)
  const depth = depthOf(asked, 'infinity')
  if (depth === 1) throw new DavError(400, 'a lock has a Depth of 0 or infinity')
  const isNew = stat === undefined
  if (isNew) {
    checkLocksOfName(asked, place, shown)
    await checkParent(asked, place)
  }
  const made = locks.take({ place, who, owner, isShared, isDeep: depth === 'infinity', timeoutMs })
  try {
    if (isNew) await makeEmpty(asked)
  } catch (error) {
    locks.release(place, made.token, who)
    throw error
  }
  sendLock(asked, isNew ? 201 : 200, made, { 'lock-token': `<${made.token}>` })
}

/** A lock of what is not there yet makes an empty file of it. */
async function makeEmpty({ api, place, signal }: DavRequest): Promise<void> {
  if (place.isFolder) throw new DavError(409, `${place.href}: is no folder`)
  try {
    await api.writeFile(place.path, nothing(), {}, { ifTag: '', signal })
  } catch (error) {
    // Somebody made it meanwhile, and it is locked.
    if (!hasCode(error, 'precondition')) throw error
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

export async function unlock(asked: DavRequest): Promise<void> {
  const { place, request, response, locks, who } = asked
  const [, token] = /^\s*<([^<>]+)>\s*$/.exec(headerOf(request, 'lock-token') ?? '') ?? []
  if (token === undefined) throw new DavError(400, 'Lock-Token is the token of a lock in < and >')
  await checkConditions(asked)
  if (!locks.release(place, token, who))
    throw new DavError(409, `${place.href}: has no such lock`, {
      name: 'lock-token-matches-request-uri',
    })
  sendNothing(response, 204)
}

/** throws DavError 400, 422. */
function wantedBy(body: XmlElement): { readonly isShared: boolean; readonly owner: string } {
  if (!isNamed(body, 'lockinfo')) throw new DavError(400, 'the body is no "lockinfo" of DAV:')
  const [scope, type] = [childNamed(body, 'lockscope'), childNamed(body, 'locktype')]
  if (type === undefined || childNamed(type, 'write') === undefined)
    throw new DavError(422, 'there are locks of the type "write" alone')
  const isShared = scope !== undefined && childNamed(scope, 'shared') !== undefined
  const isExclusive = scope !== undefined && childNamed(scope, 'exclusive') !== undefined
  if (isShared === isExclusive) throw new DavError(422, 'a lock is "exclusive" or "shared"')
  const said = childNamed(body, 'owner')
  const owner = said === undefined ? '' : standingAlone(said)
  if (utf8(owner).length > OWNER_BYTES_MAX)
    throw new DavError(400, `"owner" has at most ${OWNER_BYTES_MAX} bytes`)
  return { isShared, owner }
}

function sendLock(
  { response, locks }: DavRequest,
  status: number,
  made: Lock,
  headers: Headers,
): void {
  const text =
    '<?xml version="1.0" encoding="utf-8"?>\n<D:prop xmlns:D="DAV:"><D:lockdiscovery>' +
    `${activeLocks(locks, [made])}</D:lockdiscovery></D:prop>\n`
  begin(response, status, { 'content-type': XML_TYPE, ...headers })
  response.end(text)
}
