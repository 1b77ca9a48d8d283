// A server of HTTP for a door. Limits stand before anything is read: connections, headers, and how
// long a silent one is kept.
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { listenHere } from '../world/local-server.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Instant } from '../../protocol/units.ts'
import type { Clock } from '../world/world.ts'
import type { ListenAddress } from '../door-config.ts'
import { Connections } from './connections.ts'
import type { Passage, Visitor } from './gate.ts'
import type { DoorTls } from './tls.ts'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')
const { createServer: createTlsServer } = process.getBuiltinModule('node:https')

const HEADER_BYTES_MAX: number = 16 * KIB
const HEADERS_MS: number = 10 * SECOND_MS
/** How often those are looked for that keep their headers to themselves. */
const LOOK_MS: number = 5 * SECOND_MS
const SILENT_MS: number = 2 * MINUTE_MS
const REQUESTS_PER_SOCKET_MAX = 10_000

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the client goes away or the door is closed. */
  readonly signal: AbortSignal
  readonly passage: Passage
}

/** A request that was answered, or that its client has given up. */
export interface Answered {
  readonly request: IncomingMessage
  readonly address: string
  readonly passage: Passage
  /** 0: nothing was answered. */
  readonly status: number
  readonly ms: number
}

/** The visitor that a request is of. */
export function visitorOf(
  door: string,
  { request: { headers, socket }, passage }: Exchange,
): Visitor {
  const { host, origin } = headers
  const isSecure = 'encrypted' in socket
  return { door, address: socket.remoteAddress ?? '', host, origin, isSecure, passage }
}

export interface WebServerSettings extends ListenAddress {
  readonly tls: DoorTls | undefined
  readonly clock: Pick<Clock, 'now'>
}

export interface WebServerHandlers {
  /** Answers a request; never rejects. */
  readonly answer: (exchange: Exchange) => Promise<void>
  readonly onAnswered: (answered: Answered) => void
}

/**
 * Listen for requests. what: is served there, for errors. throws ShoalError 'usage' naming the
 * address.
 */
export async function openWebServer(
  at: WebServerSettings,
  what: string,
  { answer, onAnswered }: WebServerHandlers,
): Promise<LocalServer> {
  const { clock } = at
  const running = new Set<AbortController>()
  // Without TLS all come from this machine.
  const connections = new Connections(at.tls === undefined ? { ofOneMax: Infinity } : {})
  const begin = (request: IncomingMessage, response: ServerResponse): void => {
    const controller = new AbortController()
    const { socket } = request
    const { remoteAddress: address = '' } = socket
    const [passage, begun]: [Passage, Instant] = [{ isAdmitted: false }, clock.now()]
    running.add(controller)
    connections.asked(socket)
    response.once('close', () => {
      running.delete(controller)
      connections.answered(socket)
      passage.onEnd?.()
      const status = response.headersSent ? response.statusCode : 0
      onAnswered({ request, address, passage, status, ms: clock.now() - begun })
      if (!response.writableFinished)
        controller.abort(new ShoalError('aborted', 'the client went away'))
    })
    void answer({ request, response, signal: controller.signal, passage })
  }
  const server = serverOf(at.tls, begin)
  // Whoever is not let in need not send the body.
  server.on('checkContinue', begin)
  // Other expectations are nobody's.
  server.on('checkExpectation', begin)
  server.on('connection', (socket: Socket) => connections.take(socket))
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
    connectionsCheckingInterval: LOOK_MS,
    requestTimeout: 0,
    keepAliveTimeout: 5 * SECOND_MS,
    // One length, one way to say it: nobody in between reads another request (smuggling).
    insecureHTTPParser: false,
    requireHostHeader: true,
  }
  if (tls === undefined) return createServer(options, begin)
  const handshakeTimeout = HEADERS_MS
  const server = createTlsServer({ ...options, ...tls.current, handshakeTimeout }, begin)
  server.on('connection', async () => {
    // Whoever connects next is shown it.
    const renewed = await tls.renewed()
    if (renewed !== undefined) server.setSecureContext(renewed)
  })
  return server
}
