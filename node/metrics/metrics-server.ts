// The server of metrics and health on this machine: /metrics for Prometheus, /healthz while the
// process answers, /readyz once the node does its work. It takes no secret and tells no content:
// sizes, counts, and the names of volumes and peers.
import { asShoalError } from '../../protocol/errors.ts'
import { KIB, SECOND_MS } from '../../protocol/units.ts'
import { listenHere } from '../world/local-server.ts'
import type { LocalServer } from '../world/local-server.ts'
import { isOwnHost } from '../world/own-host.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')

const CONNECTIONS_MAX = 32
const HEADER_BYTES_MAX: number = 8 * KIB
const SILENT_MS: number = 30 * SECOND_MS

export interface MetricsSource {
  readonly contentType: string
  readonly metrics: () => Promise<string>
  /** Why the node is not ready; undefined: it is. */
  readonly unready: () => Promise<string | undefined>
}

/** throws ShoalError 'usage' naming the address. */
export async function serveMetrics(
  source: MetricsSource,
  at: { readonly host: string; readonly port: number },
): Promise<LocalServer> {
  const server = createServer(
    { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: SILENT_MS, requestTimeout: SILENT_MS },
    (request, response) => {
      answer(source, request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy()
        else send(response, 500, asShoalError(error).message)
      })
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.setTimeout(SILENT_MS)
  return listenHere(server, at, 'metrics')
}

async function answer(
  source: MetricsSource,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!isOwnHost(request.headers.host)) return send(response, 403, 'ask for localhost')
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, 'metrics are only read')
  switch (request.url) {
    case '/metrics':
      return send(response, 200, await source.metrics(), source.contentType)
    case '/healthz':
      return send(response, 200, 'ok')
    case '/readyz': {
      const why = await source.unready()
      return send(response, why === undefined ? 200 : 503, why ?? 'ok')
    }
    default:
      return send(response, 404, 'there are /metrics, /healthz and /readyz')
  }
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const body = Buffer.from(text.endsWith('\n') ? text : `${text}\n`)
  response.writeHead(status, {
    'content-type': type,
    'content-length': body.byteLength,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  response.end(body)
}
