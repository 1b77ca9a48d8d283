// A server of HTTP for a door. Limits stand before anything is read: connections, headers, and how
// long a silent one is kept.
import { ShoalError } from '../../protocol/errors.ts'
import { KIB, MINUTE_MS, SECOND_MS } from '../../protocol/units.ts'
import { listenHere } from '../world/local-server.ts'
import type { LocalServer } from '../world/local-server.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')

const CONNECTIONS_MAX = 256
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

/**
 * Listen for requests, each of which `answer` answers; it never rejects. what: is served there,
 * for errors. throws ShoalError 'usage' naming the address.
 */
export async function openWebServer(
  at: { readonly host: string; readonly port: number },
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
    begin,
  )
  // Who is not let in need not send what it has.
  server.on('checkContinue', begin)
  server.maxConnections = CONNECTIONS_MAX
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX
  server.setTimeout(SILENT_MS)
  const open = await listenHere(server, at, what)
  return {
    url: open.url,
    close: () => {
      for (const controller of running)
        controller.abort(new ShoalError('stopped', 'the node stops'))
      return open.close()
    },
  }
}
