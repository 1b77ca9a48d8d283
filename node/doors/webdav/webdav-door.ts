// The WebDAV door (RFC 4918, classes 1, 2 and 3): a folder of a volume for file managers and other
// programs of this machine that show the name of an account and its password.
import { asShoalError, hasCode } from '../../../protocol/errors.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import type { DoorFolder } from '../../door-config.ts'
import type { LocalServer } from '../../world/local-server.ts'
import type { DoorComponents } from '../doors.ts'
import type { Visit } from '../visit.ts'
import { askForBody, begin, isToBeAnswered, leaveUnread, sendNothing } from '../web-answers.ts'
import { visitorOf } from '../web-server.ts'
import type { Exchange } from '../web-server.ts'
import { DavError, davErrorBody, davStatus } from './dav-error.ts'
import { davPath } from './dav-path.ts'
import { checkPresent, placeOf } from './dav-request.ts'
import type { DavRequest } from './dav-request.ts'
import { get, makeFolder, put, remove } from './files.ts'
import { lock, unlock } from './lock-methods.ts'
import { Locks } from './locks.ts'
import { XML_TYPE } from './multistatus.ts'
import { propfind } from './propfind.ts'
import { proppatch } from './proppatch.ts'
import { transfer } from './transfer.ts'

const BASIC = 'Basic realm="Shoal", charset="UTF-8"'

const METHODS: ReadonlyMap<string, (asked: DavRequest) => Promise<void>> = new Map(
  Object.entries({
    OPTIONS: async ({ response }: DavRequest) =>
      sendNothing(response, 200, { ...OFFERS, 'content-length': 0 }),
    GET: get,
    HEAD: get,
    PUT: put,
    DELETE: remove,
    MKCOL: makeFolder,
    COPY: (asked: DavRequest) => transfer(asked, false),
    MOVE: (asked: DavRequest) => transfer(asked, true),
    PROPFIND: propfind,
    PROPPATCH: proppatch,
    LOCK: lock,
    UNLOCK: unlock,
  }),
)

/** Methods that change nothing at the place that they are about. */
const READING: ReadonlySet<string> = new Set(['OPTIONS', 'GET', 'HEAD', 'PROPFIND', 'COPY'])

const OFFERS: Readonly<Record<string, string>> = {
  allow: Array.from(METHODS.keys()).join(', '),
  // The name of Apache's properties says that a file can be made executable.
  dav: '1, 2, 3, <http://apache.org/dav/propset/fs/1>',
  // Without it Windows tries another protocol first.
  'ms-author-via': 'DAV',
}

/** throws ShoalError 'usage' naming the address. */
export function openWebDavDoor(
  components: DoorComponents,
  settings: DoorFolder,
): Promise<LocalServer> {
  const locks = new Locks(components.clock, components.random)
  return components.serve('the WebDAV door', (exchange) =>
    respond(components, { settings, locks }, exchange),
  )
}

interface Served {
  readonly settings: DoorFolder
  readonly locks: Locks
}

/** Never rejects. */
async function respond(
  components: DoorComponents,
  { settings, locks }: Served,
  exchange: Exchange,
): Promise<void> {
  const { request, response, signal } = exchange
  try {
    const visit = await visitOf(components, exchange)
    const serve = METHODS.get(request.method ?? '')
    if (serve === undefined) return sendNothing(response, 405, OFFERS)
    // OPTIONS may be of the whole server.
    const url = request.method === 'OPTIONS' && request.url === '*' ? '/' : (request.url ?? '/')
    const place = placeOf(settings, davPath(url))
    if (!READING.has(request.method ?? '')) checkPresent(place)
    if (serve !== put) askForBody({ request, response })
    await serve({
      ...exchange,
      ...visit,
      ...components,
      locks,
      folder: settings,
      place,
    })
  } catch (thrown) {
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') components.onError(error)
    sendFailure(exchange, error)
  }
}

/** throws DavError 401, ShoalError 'EPERM', 'too-many'. */
async function visitOf({ gate }: DoorComponents, exchange: Exchange): Promise<Visit> {
  const { authorization } = exchange.request.headers
  const visitor = visitorOf('webdav', exchange)
  gate.checkOrigin(visitor)
  // Programs ask first without a password whether one is wanted: nobody has guessed anything yet.
  if (authorization === undefined) throw new DavError(401, 'an account is wanted')
  try {
    return await gate.byHeader(visitor, authorization)
  } catch (error) {
    // Who is let in and may not do something is not asked for another password.
    if (hasCode(error, 'EACCES')) throw new DavError(401, error.message)
    throw error
  }
}

function sendFailure({ request, response }: Exchange, error: ShoalError): void {
  if (!isToBeAnswered(response)) return
  const status = davStatus(error)
  if (status === 401) response.setHeader('www-authenticate', BASIC)
  leaveUnread({ request, response })
  const body = Buffer.from(davErrorBody(error))
  begin(response, status, { 'content-type': XML_TYPE, 'content-length': body.byteLength })
  response.end(request.method === 'HEAD' ? undefined : body)
}
