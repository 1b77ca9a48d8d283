// A server between a client and a real S3 server that passes everything on as it is, but for what a
// test tells it to spoil. The signature of a request covers its host header, which the proxy leaves
// alone and the real server takes.
import { createServer, request as forward } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The fault of a request; undefined: none. */
export type Fault =
  /** Answered by the proxy itself. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string }
  /** Taken, and never answered. */
  | { readonly kind: 'hang' }
  /** The connection is cut after so many bytes of the body of the answer. */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** Nothing more comes after so many bytes of the body of the answer. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** The body of the answer ends, as if it were whole, after so many bytes. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** The first byte of the body is another: of the request, or of the answer. */
  | { readonly kind: 'flip'; readonly body: 'request' | 'answer' }
  /** Done by the server, but the connection is cut before the answer. */
  | { readonly kind: 'lose-answer' }

export interface Seen {
  readonly method: string
  readonly url: string
}

export class FaultyProxy {
  /** Asked for each request; may be changed at any time. */
  fault: (request: Seen) => Fault | undefined = () => undefined
  /** How much later than it could each request goes on to the server. */
  latencyMs = 0
  /** All requests so far. */
  readonly seen: Seen[] = []
  readonly #server: Server
  readonly #target: URL

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((request, response) => this.#serve(request, response))
    this.#server.on('checkContinue', (request, response: ServerResponse) => {
      response.writeContinue()
      this.#serve(request, response)
    })
  }

  static async start(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target)
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Faults for the next requests that `matches`, one each. */
  next(faults: readonly Fault[], matches: (request: Seen) => boolean = () => true): void {
    const left = [...faults]
    this.fault = (request) => (matches(request) ? left.shift() : undefined)
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const seen = { method: request.method ?? '', url: request.url ?? '' }
    this.seen.push(seen)
    const fault = this.fault(seen)
    request.on('error', () => response.destroy())
    if (fault?.kind === 'hang') {
      request.resume()
      return
    }
    if (fault?.kind === 'answer') {
      request.resume()
      request.on('end', () => answer(response, fault, seen))
      return
    }
    if (this.latencyMs === 0) this.#forward(request, response, fault)
    else setTimeout(() => this.#forward(request, response, fault), this.latencyMs)
  }

  #forward(request: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
    const { method, url, headers } = request
    const { hostname, port } = this.#target
    const sent = forward({ hostname, port, method, path: url, headers }, (got) => {
      if (fault?.kind === 'lose-answer') {
        got.resume()
        got.on('end', () => response.destroy())
        return
      }
      passOn(got, response, fault)
    })
    sent.on('error', () => response.destroy())
    response.on('close', () => sent.destroy())
    const spoil = flipper(fault?.kind === 'flip' && fault.body === 'request')
    request.on('data', (chunk: Buffer) => {
      if (!sent.write(spoil(chunk))) request.pause()
    })
    sent.on('drain', () => request.resume())
    request.on('end', () => sent.end())
  }
}

function passOn(got: IncomingMessage, response: ServerResponse, fault: Fault | undefined): void {
  const limit = fault !== undefined && 'afterBytes' in fault ? fault.afterBytes : Infinity
  const headers = { ...got.headers }
  if (fault?.kind === 'truncate') {
    headers['content-length'] = String(Math.min(limit, Number(headers['content-length'])))
  }
  response.writeHead(got.statusCode ?? 502, headers)
  response.flushHeaders()
  const spoil = flipper(fault?.kind === 'flip' && fault.body === 'answer')
  let passed = 0
  got.on('data', (chunk: Buffer) => {
    const part = spoil(chunk).subarray(0, limit - passed)
    passed += part.length
    if (part.length > 0 && !response.write(part)) got.pause()
    if (passed < limit) return
    got.pause()
    if (fault?.kind === 'cut') response.socket?.end(() => response.destroy())
    if (fault?.kind === 'truncate') response.end()
  })
  response.on('drain', () => passed < limit && got.resume())
  got.on('end', () => response.end())
  got.on('error', () => response.destroy())
  response.on('close', () => got.destroy())
}

/** Changes the first byte that comes, if it is to. */
function flipper(flips: boolean): (chunk: Buffer) => Buffer {
  let left = flips
  return (chunk) => {
    if (!left || chunk.length === 0) return chunk
    left = false
    const changed = Buffer.from(chunk)
    changed[0] = (changed[0] ?? 0) ^ 1
    return changed
  }
}

function answer(
  response: ServerResponse,
  { status, code }: { status: number; code: string },
  { method }: Seen,
): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': body.length })
  response.end(method === 'HEAD' ? undefined : body)
}
