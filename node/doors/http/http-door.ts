// The HTTP door: a server on this machine for programs that know the token of the owner, and for
// the page of people (the console), which asks the same by a session.
import { ShoalError, asShoalError } from '../../../protocol/errors.ts'
import { splitOnce } from '../../../protocol/split-once.ts'
import type { LocalServer } from '../../world/local-server.ts'
import type { NodeApi } from '../../control/api.ts'
import type { DoorComponents } from '../doors.ts'
import { visitorOf } from '../web-server.ts'
import type { Exchange } from '../web-server.ts'
import { sendEvents, sendFailure, sendJson } from './answers.ts'
import { serveCall } from './calls.ts'
import { serveFile } from './files.ts'
import { serveConsole } from './console.ts'
import { describeApi } from './openapi.ts'
import { requestPath } from './request-path.ts'
import { SESSION_PATH, serveSession, visitOf } from './session.ts'

/** throws ShoalError 'usage' naming the address. */
export function openHttpDoor(components: DoorComponents): Promise<LocalServer> {
  return components.serve('the HTTP door', (exchange) => respond(components, exchange))
}

/** Never rejects. */
async function respond(
  components: DoorComponents,
  { request, response, signal }: Exchange,
): Promise<void> {
  const { gate, onError } = components
  try {
    const visitor = visitorOf('http', request)
    gate.checkOrigin(visitor)
    const exchange = { request, response, signal }
    const [path] = splitOnce(request.url ?? '/', '?')
    if (await serveConsole(exchange, path)) return
    if (path === SESSION_PATH) return await serveSession(components, visitor, exchange)
    const { api } = await visitOf(components, visitor, request)
    if (request.headers.expect !== undefined) response.writeContinue()
    await serve(api, components, exchange)
  } catch (thrown) {
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') onError(error)
    sendFailure(response, error)
  }
}

async function serve(
  api: NodeApi,
  { clock, version }: Pick<DoorComponents, 'clock' | 'version'>,
  { request, response, signal }: Exchange,
): Promise<void> {
  // Not by URL, which takes dots and backslashes out of a path before anybody has seen them.
  const [path, search] = splitOnce(request.url ?? '/', '?')
  const query = new URLSearchParams(search)
  const after = (prefix: string): string | undefined =>
    path.startsWith(prefix) ? path.slice(prefix.length) : undefined
  const file = after('/v1/files/')
  if (file !== undefined) return serveFile(api, { request, response, rest: file, query, signal })
  const name = after('/v1/calls/')
  if (name !== undefined) return serveCall(api, name, { request, response, signal })
  if (request.method !== 'GET') throw new ShoalError('unsupported', `there is no ${path} here`)
  const changes = after('/v1/changes/')
  if (changes !== undefined) {
    const log = api.readLog(requestPath(changes).path, { follow: true, limit: 0, signal })
    return sendEvents(response, log, { clock, signal })
  }
  if (path === '/v1/watch') return sendEvents(response, api.watch({ signal }), { clock, signal })
  if (path === '/v1/openapi.json') return sendJson(response, describeApi(version))
  if (path === '/v1/status') return sendJson(response, await api.status({ signal }))
  throw new ShoalError('unsupported', `there is no ${path} here; see /v1/openapi.json`)
}
