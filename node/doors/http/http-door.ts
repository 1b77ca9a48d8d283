// The HTTP door: a server on this machine for programs that know the token of the owner. Limits
// stand before anything is read: connections, headers, and how long a silent one is kept.
import { ShoalError, asShoalError } from '../../../protocol/errors.ts'
import { KIB, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { listenHere } from '../../world/local-server.ts'
import type { LocalServer } from '../../world/local-server.ts'
import type { NodeApi } from '../../control/api.ts'
import type { DoorComponents } from '../doors.ts'
import { sendEvents, sendFailure, sendJson } from './answers.ts'
import { serveCall } from './calls.ts'
import { serveFile } from './files.ts'
import { describeApi } from './openapi.ts'
import { requestPath } from './request-path.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')

const CONNECTIONS_MAX = 256
const HEADER_BYTES_MAX: number = 16 * KIB
const HEADERS_MS: number = 10 * SECOND_MS
const SILENT_MS: number = 2 * MINUTE_MS
const REQUESTS_PER_SOCKET_MAX = 10_000

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
}

/** throws ShoalError 'usage' naming the address. */
export async function openHttpDoor(
  components: DoorComponents,
  at: { readonly host: string; readonly port: number },
): Promise<LocalServer> {
  const running = new Set<AbortController>()
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const controller = new AbortController()
    running.add(controller)
    response.once('close', () => {
      running.delete(controller)
      controller.abort(new ShoalError('aborted', 'the client went away'))
    })
    void respond(components, request, response, controller.signal)
  }
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      keepAliveTimeout: 5 * SECOND_MS,
      // One length, one way to say it: nobody in between reads another request (smuggling).
      insecureHTTPParser: false,
      requireHostHeader: true,
    },
    answer,
  )
  // Who is not let in need not send what it has.
  server.on('checkContinue', answer)
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX
  server.setTimeout(SILENT_MS)
  const open = await listenHere(server, at, 'the HTTP door')
  return {
    url: open.url,
    close: () => {
      for (const controller of running)
        controller.abort(new ShoalError('stopped', 'the node stops'))
      return open.close()
    },
  }
}

/** Never rejects. */
async function respond(
  components: DoorComponents,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { gate, onError } = components
  try {
    const { host, origin, authorization } = request.headers
    const address = request.socket.remoteAddress ?? ''
    const visitor = { door: 'http', address, host, origin }
    gate.checkOrigin(visitor)
    const { api } = await gate.byToken(visitor, authorization)
    if (request.headers.expect !== undefined) response.writeContinue()
    await serve(api, components, { request, response, signal })
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
  const [path, search = ''] = splitOnce(request.url ?? '/', '?')
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
  if (path === '/v1/openapi.json') return sendJson(response, describeApi(version))
  if (path === '/v1/status') return sendJson(response, await api.status({ signal }))
  throw new ShoalError('unsupported', `there is no ${path} here; see /v1/openapi.json`)
}

function splitOnce(text: string, by: string): [string, string | undefined] {
  const at = text.indexOf(by)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + by.length)]
}
