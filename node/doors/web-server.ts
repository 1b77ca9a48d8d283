// A server of HTTP for a door. Limits stand before anything is read: connections, headers, and how
// long a silent one is kept.
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { listenHere } from '../world/local-server.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ListenAddress } from '../door-config.ts'
import type { Visitor } from './gate.ts'
import type { DoorTls } from './tls.ts'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')
const { createServer: createTlsServer } = process.getBuiltinModule('node:https')

const CONNECTIONS_MAX = 256
/** From one address of another machine. */
const CONNECTIONS_OF_ONE_MAX = 64
const HEADER_BYTES_MAX: number = 16 * KIB
const HEADERS_MS: number = 10 * SECOND_MS
const SILENT_MS: number = 2 * MINUTE_MS
const REQUESTS_PER_SOCKET_MAX = 10_000

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the client goes away or the door is closed. */
  readonly signal: AbortSignal
}

/** The visitor that a request is of. */
export function visitorOf(door: string, { headers, socket }: IncomingMessage): Visitor {
  const { host, origin } = headers
  const isSecure = 'encrypted' in socket
  return { door, address: socket.remoteAddress ?? '', host, origin, isSecure }
}

/**
 * Listen for requests, each of which `answer` answers; it never rejects. what: is served there,
 * for errors. throws ShoalError 'usage' naming the address.
 */
export async function openWebServer(
  at: ListenAddress & { readonly tls: DoorTls | undefined },
  what: string,
  answer: (exchange: Exchange) => Promise<void>,
): Promise<LocalServer> {
  const running = new Set<AbortController>()
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    const controller = new AbortController()
    running.add(controller)
    response.once('close', () => {
      running.delete(controller)
      if (!response.writableFinished)
        controller.abort(new ShoalError('aborted', 'the client went away'))
    })
    void answer({ request, response, signal: controller.signal })
  }
  const server = serverOf(at.tls, begin)
  // Whoever is not let in need not send the body.
  server.on('checkContinue', begin)
  // Other expectations are nobody's.
  server.on('checkExpectation', begin)
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX
  server.setTimeout(SILENT_MS)
  const open = await listenHere(server, at, what, at.tls === undefined ? 'http' : 'https')
  return {
    url: open.url,
    close: () => {
      for (const controller of running)
        controller.abort(new ShoalError('stopped', 'the node stops'))
      return open.close()
    },
  }
}

function serverOf(
  tls: DoorTls | undefined,
  begin: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: 5 * SECOND_MS,
    // One length, one way to say it: nobody in between reads another request (smuggling).
    insecureHTTPParser: false,
    requireHostHeader: true,
  }
  if (tls === undefined) return createServer(options, begin)
  const handshakeTimeout = HEADERS_MS
  const server = createTlsServer({ ...options, ...tls.current, handshakeTimeout }, begin)
  const connected = new Map<string, number>()
  server.on('connection', async (socket: Socket) => {
    countIn(connected, socket)
    // Whoever connects next is shown it.
    const renewed = await tls.renewed()
    if (renewed !== undefined) server.setSecureContext(renewed)
  })
  return server
}

/** No machine takes all connections for itself. */
function countIn(connected: Map<string, number>, socket: Socket): void {
  const { remoteAddress: address = '' } = socket
  const count = (connected.get(address) ?? 0) + 1
  connected.set(address, count)
  socket.once('close', () => {
    const left = (connected.get(address) ?? 1) - 1
    if (left > 0) connected.set(address, left)
    else connected.delete(address)
  })
  if (count > CONNECTIONS_OF_ONE_MAX) socket.destroy()
}
