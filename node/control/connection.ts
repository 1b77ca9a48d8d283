// Requests to the control socket of a running node, and their answers: connections are kept and
// reused, bodies stream with backpressure, and an aborted call is broken off at the node too.
import { once } from 'node:events'
import { ShoalError, asShoalError } from '../../protocol/errors.ts'
import {
  CONSISTENCY_HEADER,
  ERROR_TRAILER,
  HEADER_BYTES_MAX,
  SESSION_HEADER,
  decodeHeader,
  decodeJson,
  errorFrom,
  socketPathOf,
  socketTooLong,
} from './wire.ts'
import type {
  Agent as HttpAgent,
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
} from 'node:http'
import type { FileCallOptions } from './files.ts'
import type { ErrorBody } from './wire.ts'

/**
 * Not imported: an import reads all that the module offers, and loads a WebSocket with it, in a
 * third of a command's start.
 */
const { Agent, request: httpRequest } = process.getBuiltinModule('node:http')

const CONNECTIONS_MAX = 16

export type Query = Readonly<Record<string, string | number | bigint | boolean | undefined>>

export interface Reply {
  readonly headers: IncomingHttpHeaders
  readonly body: AsyncIterable<Uint8Array>
  /** A trailer that followed the body, once the body has ended; empty if there was none. */
  readonly trailer: (name: string) => string
}

export class Connection {
  readonly #home: string
  readonly #signal: AbortSignal | undefined
  readonly #agent: HttpAgent

  /** signal: aborts every request. */
  constructor({
    home,
    signal,
  }: {
    readonly home: string
    readonly signal?: AbortSignal | undefined
  }) {
    this.#home = home
    this.#signal = signal
    this.#agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX })
  }

  /** Drop the kept connections. */
  close(): void {
    this.#agent.destroy()
  }

  /**
   * Send a request and its body. returns the response once it has begun well. throws what the node
   * reports.
   */
  async open(
    method: string,
    route: string,
    query: Query,
    body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
    { signal, consistency, session, onSession }: FileCallOptions = {},
  ): Promise<Reply> {
    const ended = AbortSignal.any([signal, this.#signal].filter((one) => one !== undefined))
    const request = httpRequest({
      socketPath: socketPathOf(this.#home),
      agent: this.#agent,
      method,
      path: route + encodeQuery(query),
      headers: headersOf({ consistency, session, onSession }),
      maxHeaderSize: HEADER_BYTES_MAX,
      signal: ended,
    })
    try {
      const response = await exchange(request, body)
      const told = response.headers[SESSION_HEADER]
      if (typeof told === 'string') onSession?.(told)
      const parts = bodyOf(response, ended, onSession)
      if (response.statusCode !== 200)
        throw errorFrom(decodeJson(await readAll(parts)) as ErrorBody)
      const trailer = (name: string): string => response.trailers[name] ?? ''
      return { headers: response.headers, body: parts, trailer }
    } catch (error) {
      request.destroy()
      throw ended.aborted ? asShoalError(ended.reason) : this.#explain(error)
    }
  }

  #explain(error: unknown): ShoalError {
    const { code, syscall } = error as NodeJS.ErrnoException
    if (syscall === 'connect') {
      const message = `no node runs at ${this.#home}. Start it with "shoal up".`
      if (code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'ENOTDIR')
        return new ShoalError('not-running', message, { cause: error })
      if (code === 'EINVAL') return socketTooLong(socketPathOf(this.#home))
      if (code === 'EACCES')
        return new ShoalError('EACCES', `${this.#home} belongs to another user`, { cause: error })
    }
    if (code === 'ECONNRESET' || code === 'EPIPE') return goneError(error)
    return asShoalError(error)
  }
}

/** A session is told of only where it is asked for; without a token yet, by an empty one. */
function headersOf({ consistency, session, onSession }: FileCallOptions): OutgoingHttpHeaders {
  const token = session ?? (onSession === undefined ? undefined : '')
  return {
    ...(consistency === undefined ? {} : { [CONSISTENCY_HEADER]: consistency }),
    ...(token === undefined ? {} : { [SESSION_HEADER]: token }),
  }
}

/**
 * Send `body` and wait for the response, which may come early: then the rest of the body is not
 * sent.
 */
async function exchange(
  request: ClientRequest,
  body: Uint8Array | AsyncIterable<Uint8Array> | undefined,
): Promise<IncomingMessage> {
  const early = new AbortController()
  const response = once(request, 'response').finally(() => early.abort('answered'))
  response.catch(() => {}) // thrown where it is awaited, below
  if (body === undefined || body instanceof Uint8Array) request.end(body)
  // A body that is waiting for its next part does not keep an early response or failure back.
  else await Promise.race([send(request, body, early.signal), response])
  return (await response)[0] as IncomingMessage
}

async function send(
  request: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  early: AbortSignal,
): Promise<void> {
  for await (const part of body) {
    if (early.aborted) return
    if (request.write(part)) continue
    try {
      await once(request, 'drain', { signal: early })
    } catch (error) {
      if (early.aborted) return
      throw error
    }
  }
  request.end()
}

/** The body to its end; throws what the node reports after it, or 'stopped' where it breaks off. */
async function* bodyOf(
  response: IncomingMessage,
  ended: AbortSignal,
  onSession: FileCallOptions['onSession'],
): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>
  } catch (error) {
    throw ended.aborted ? asShoalError(ended.reason) : goneError(error)
  }
  const { [ERROR_TRAILER]: failure, [SESSION_HEADER]: told } = response.trailers
  if (told !== undefined) onSession?.(told)
  if (failure !== undefined) throw errorFrom(decodeHeader(failure) as ErrorBody)
}

/** A whole body as text. */
export async function readAll(body: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}

/** A whole body of one page a line. */
export async function* pagesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of body) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield decodeJson(line)
  }
}

function encodeQuery(query: Query): string {
  const text = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) text.set(key, String(value))
  }
  return text.size === 0 ? '' : `?${text.toString()}`
}

function goneError(cause: unknown): ShoalError {
  const message = 'the node stopped while answering. Check it with "shoal status".'
  return new ShoalError('stopped', message, { cause })
}
