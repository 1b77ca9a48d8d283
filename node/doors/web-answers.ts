// Answers over HTTP that all doors which speak it give: none is a page, whatever is in it.
import { once } from 'node:events'
import { MIB } from '../../protocol/units.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

const ALWAYS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  'cache-control': 'private, no-cache',
  'cross-origin-resource-policy': 'same-origin',
}

/** Statuses after which there can be no body. */
const WITHOUT_LENGTH: ReadonlySet<number> = new Set([204, 304])

const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** Up to so much that is on its way still is taken after a failure, so that the answer is read. */
const UNREAD_BYTES_MAX: number = 8 * MIB

export type Headers = Readonly<Record<string, string | number>>

export function begin(response: ServerResponse, status: number, headers: Headers = {}): void {
  response.writeHead(status, { ...ALWAYS, ...headers })
}

export function sendNothing(response: ServerResponse, status: number, headers: Headers = {}): void {
  const length = WITHOUT_LENGTH.has(status) ? {} : { 'content-length': 0 }
  begin(response, status, { ...length, ...headers })
  response.end()
}

/** Send parts as they come; the first failure before any of them is a plain one. */
export async function sendBytes(
  response: ServerResponse,
  {
    status,
    headers,
    parts,
  }: { status: number; headers: Headers; parts: AsyncIterable<Uint8Array | string> },
  signal: AbortSignal,
): Promise<void> {
  for await (const part of parts) {
    signal.throwIfAborted()
    if (!response.headersSent) begin(response, status, headers)
    if (!response.write(part)) await once(response, 'drain', { signal })
  }
  if (!response.headersSent) begin(response, status, headers)
  response.end()
}

/** Can a failure be answered still? A stream that has begun is broken off. */
export function isToBeAnswered(response: ServerResponse): boolean {
  if (response.destroyed || response.writableEnded) return false
  if (response.headersSent) response.destroy()
  return !response.headersSent
}

/** Ask for the body of a request whose sender waits to be asked. */
export function askForBody({
  request,
  response,
}: {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}): void {
  if (CONTINUE.test(request.headers.expect ?? '')) response.writeContinue()
}

/** Before an answer to a request whose body nobody has read to its end. */
export function leaveUnread({
  request,
  response,
}: {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}): void {
  if (request.complete) return
  const isShort = Number(request.headers['content-length'] ?? Infinity) <= UNREAD_BYTES_MAX
  if (isShort && !CONTINUE.test(request.headers.expect ?? '')) request.resume()
  // The rest of its body is not the next request.
  else response.setHeader('connection', 'close')
}
