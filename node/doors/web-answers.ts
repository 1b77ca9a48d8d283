// Answers over HTTP that all doors which speak it give: none is a page, whatever is in it.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'

const ALWAYS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
  'cache-control': 'private, no-cache',
  'cross-origin-resource-policy': 'same-origin',
}

/** Statuses after which there can be no body. */
const WITHOUT_LENGTH: ReadonlySet<number> = new Set([204, 304])

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
