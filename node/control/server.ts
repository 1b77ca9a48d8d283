// The control API of a node as HTTP/1.1 on the Unix socket of its home. Whoever may open the socket
// owns the node: the home is 0700 and the socket 0600. A call ends when its client goes away, and
// every body has backpressure both ways.
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import { MIB } from '../../protocol/units.ts'
import { CALLS } from './calls.ts'
import { parseConsistency } from './fields.ts'
import { encodeSmallFiles } from './small-files.ts'
import { statusOf } from './status-code.ts'
import {
  CONSISTENCY_HEADER,
  ERROR_TRAILER,
  EXPORTED_TRAILER,
  HEADER_BYTES_MAX,
  LENGTH_HEADER,
  REQUEST_BYTES_MAX,
  SESSION_HEADER,
  STAT_HEADER,
  decodeJson,
  encodeHeader,
  encodeJson,
  errorBody,
  socketTooLong,
} from './wire.ts'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { NodeApi } from './api.ts'
import type { ServedOptions } from './calls.ts'
import type { FileContent } from './files.ts'
import type { SmallFile } from './small-files.ts'

/** Not imported: an import loads a WebSocket with it, 60 ms of a node's start. */
const { createServer } = process.getBuiltinModule('node:http')

/** sun_path of unix(7), less the final zero. */
const SOCKET_PATH_MAX = 107
const KEEP_ALIVE_MS = 600_000
/** Made once: an error takes longer to make than a small file to send. */
const CLIENT_LEFT = new ShoalError('aborted', 'the client went away')
const TRAILERS = [ERROR_TRAILER, EXPORTED_TRAILER, SESSION_HEADER].join(', ')

/** All calls that a node has; others are refused as 'unsupported'. */
type ServedApi = Partial<NodeApi> & Pick<NodeApi, 'stop'>

/** An open door. */
export interface ControlServer {
  readonly socketPath: string
  /** End what is running with 'stopped', close every connection, remove the socket. Idempotent. */
  close(): Promise<void>
}

/**
 * Serve `api` at `socketPath`, replacing the socket that a dead node left.
 * throws ShoalError 'already-running' if something answers there, 'usage' if the path is too long
 * for a socket.
 */
export async function serveControl(
  api: ServedApi,
  { socketPath, onError }: { socketPath: string; onError: (error: ShoalError) => void },
): Promise<ControlServer> {
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX) throw socketTooLong(socketPath)
  const running = new Map<AbortController, Promise<void>>()
  const server = createServer(
    {
      highWaterMark: MIB,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
    },
    (request, response) => {
      const controller = new AbortController()
      response.once('close', () => {
        running.delete(controller)
        // Also after its end: what is linked to it is let go.
        controller.abort(CLIENT_LEFT)
      })
      running.set(controller, respond(api, request, response, controller.signal, onError))
    },
  )
  await listen(server, socketPath)
  return {
    socketPath,
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      const calls = [...running]
      for (const [controller] of calls)
        controller.abort(new ShoalError('stopped', 'the node is stopping'))
      // What they answer is in the sockets' buffers then, where clients still find it.
      await Promise.all(calls.map(([, answered]) => answered))
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server, socketPath: string): Promise<void> {
  if (await answers(socketPath)) {
    throw new ShoalError(
      'already-running',
      `a node already runs at ${socketPath}. Stop it with "shoal down".`,
    )
  }
  await rm(socketPath, { force: true })
  // bind(2) happens inside listen(), so the mask holds for it and for nothing else.
  const mask = process.umask(0o177)
  try {
    server.listen(socketPath)
  } finally {
    process.umask(mask)
  }
  await once(server, 'listening')
}

/** Does a process accept connections at this socket? */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Answer one request; once `signal` aborts, at once. Never rejects. */
async function respond(
  api: ServedApi,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
  onError: (error: ShoalError) => void,
): Promise<void> {
  const ended = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(asShoalError(signal.reason)), { once: true })
  })
  try {
    await Promise.race([handle(api, request, response, signal), ended])
  } catch (thrown) {
    // What breaks because the call was ended, broke for that reason.
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') onError(error)
    fail(response, error)
  }
}

async function handle(
  api: ServedApi,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://shoal')
  const call = CALLS.get(`${request.method} ${url.pathname}`)
  if (call === undefined)
    throw new ShoalError('unsupported', `this node has no ${request.method} ${url.pathname}`)
  if (call.name === 'stop') return stop(api, response)
  const options = { ...optionsOf(request, response), signal }
  const isJson = request.method === 'POST'
  const fields = isJson ? await readJson(request) : Object.fromEntries(url.searchParams)
  const result = call.run(api, fields, options, request)
  switch (call.answer) {
    case 'json':
      return sendJson(response, 200, (await result) ?? {})
    case 'file':
      return sendFile(response, (await result) as FileContent, signal)
    case 'pages':
      return stream(response, lines(result as AsyncIterable<unknown>), {}, signal)
    case 'small-files': {
      const files = encodeSmallFiles(result as AsyncIterable<readonly SmallFile[]>)
      return stream(response, files, { 'content-type': 'application/octet-stream' }, signal)
    }
    case 'archive': {
      const parts = result as AsyncIterable<Uint8Array>
      return stream(response, parts, { 'content-type': 'application/vnd.ipld.car' }, signal)
    }
  }
}

/**
 * Options that the headers of a request give a call, and how what the call tells beside its answer
 * is sent.
 */
function optionsOf({ headers }: IncomingMessage, response: ServerResponse): ServedOptions {
  const { [CONSISTENCY_HEADER]: consistency, [SESSION_HEADER]: session } = headers
  const trailers: Record<string, string> = {}
  // Each call of addTrailers() forgets what was added before.
  const addTrailer = (name: string, text: string): void => {
    trailers[name] = text
    response.addTrailers(trailers)
  }
  const onSession = (token: string): void => {
    if (response.headersSent) addTrailer(SESSION_HEADER, token)
    else response.setHeader(SESSION_HEADER, token)
  }
  return {
    ...parseConsistency({ consistency, session }),
    onSession: session === undefined ? undefined : onSession,
    onExported: (exported) => addTrailer(EXPORTED_TRAILER, encodeHeader(exported)),
  }
}

/** Answered first: the node closes this very server when it stops. */
async function stop(api: ServedApi, response: ServerResponse): Promise<void> {
  const answered = once(response, 'close')
  sendJson(response, 200, {})
  await answered
  await api.stop()
}

async function sendFile(
  response: ServerResponse,
  { stat, lengthBytes, content }: FileContent,
  signal: AbortSignal,
): Promise<void> {
  const headers = {
    'content-type': 'application/octet-stream',
    [STAT_HEADER]: encodeHeader(stat),
    [LENGTH_HEADER]: lengthBytes,
  }
  await stream(response, content, headers, signal)
}

/**
 * Send parts as they come. The status is sent with the first part, so that an early failure is a
 * plain error response.
 */
async function stream(
  response: ServerResponse,
  parts: AsyncIterable<Uint8Array | string>,
  headers: Record<string, string | number>,
  signal: AbortSignal,
): Promise<void> {
  const begin = (): void => {
    if (response.headersSent) return
    response.writeHead(200, { ...headers, trailer: TRAILERS })
  }
  for await (const part of parts) {
    signal.throwIfAborted()
    begin()
    if (!response.write(part)) await once(response, 'drain', { signal })
  }
  begin()
  response.end()
}

async function* lines(pages: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const page of pages) yield `${encodeJson(page)}\n`
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Uint8Array>) {
    length += part.byteLength
    if (length > REQUEST_BYTES_MAX) {
      throw new ShoalError('malformed', `the request is longer than ${REQUEST_BYTES_MAX} bytes`)
    }
    parts.push(part)
  }
  try {
    return decodeJson(Buffer.concat(parts).toString('utf8'))
  } catch (cause) {
    throw new ShoalError('malformed', `the request is not JSON: ${(cause as Error).message}`, {
      cause,
    })
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(encodeJson(value))
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': body.byteLength,
  })
  response.end(body)
}

/** Report a failure: as the response, or as the trailer of one that has begun. */
function fail(response: ServerResponse, error: ShoalError): void {
  if (response.destroyed || response.writableEnded) return
  const body = errorBody(error)
  if (response.headersSent) {
    response.addTrailers({ [ERROR_TRAILER]: encodeHeader(body) })
    response.end()
  } else {
    sendJson(response, statusOf(error.code), body)
  }
}
