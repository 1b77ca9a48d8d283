// Answers of the HTTP door: JSON, failures (RFC 9457), streams of lines and events.
import { once } from 'node:events'
import { asShoalError } from '../../../protocol/errors.ts'
import type { ShoalError } from '../../../protocol/errors.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { encodeJson } from '../../control/wire.ts'
import { statusOf } from '../../control/status-code.ts'
import type { Clock } from '../../world/world.ts'
import { begin, isToBeAnswered } from '../web-answers.ts'
import { HttpFailure } from './http-failure.ts'
import type { ServerResponse } from 'node:http'

/** A stream of events with nothing to say shows after so long that it is there. */
const HEARTBEAT_MS: number = 15 * SECOND_MS

export function sendJson(
  response: ServerResponse,
  value: unknown,
  { status = 200, type = 'application/json' }: { status?: number; type?: string } = {},
): void {
  const body = Buffer.from(encodeJson(value))
  begin(response, status, { 'content-type': type, 'content-length': body.byteLength })
  response.end(body)
}

/** Report a failure; a stream that has begun is broken off. */
export function sendFailure(response: ServerResponse, error: ShoalError): void {
  if (!isToBeAnswered(response)) return
  const status = httpStatusOf(error)
  if (status === 401) response.setHeader('www-authenticate', 'Bearer')
  if (error instanceof HttpFailure)
    for (const [name, value] of Object.entries(error.options.headers ?? {}))
      response.setHeader(name, value)
  // The rest of its body is not the next request.
  response.setHeader('connection', 'close')
  sendJson(response, problemOf(error, status), { status, type: 'application/problem+json' })
}

function httpStatusOf(error: ShoalError): number {
  if (error instanceof HttpFailure) return error.options.status
  return error.code === 'EACCES' ? 401 : statusOf(error.code)
}

/** As RFC 9457 has it. */
function problemOf(error: ShoalError, status: number): object {
  const { code, message, permanent } = error
  const { type, members } = error instanceof HttpFailure ? error.options : {}
  const name = type ?? `urn:shoal:error:${code}`
  return { type: name, title: code, status, detail: message, code, permanent, ...members }
}

/** Pages as lines of JSON, an item each; a failure after the first is a line of its own. */
export async function* jsonLines(pages: AsyncIterable<readonly unknown[]>): AsyncGenerator<string> {
  let hasBegun = false
  try {
    for await (const page of pages) {
      if (page.length === 0) continue
      hasBegun = true
      yield page.map((item) => `${encodeJson(item)}\n`).join('')
    }
  } catch (thrown) {
    const error = asShoalError(thrown)
    if (!hasBegun) throw error
    yield `${encodeJson({ problem: problemOf(error, statusOf(error.code)) })}\n`
  }
}

/**
 * Items as server-sent events, until the signal aborts. throws what keeps it from the first
 * page; a later failure is an event of its own, the last.
 */
export async function sendEvents(
  response: ServerResponse,
  pages: AsyncIterable<readonly { readonly kind: string }[]>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const source = pages[Symbol.asyncIterator]()
  // The first page comes at once, if an empty one: from then on whoever asked misses nothing.
  let page = await source.next()
  begin(response, 200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  const beat = (): void => {
    response.write(': still here\n\n')
    timer = clock.timer(HEARTBEAT_MS, beat)
  }
  let timer = clock.timer(HEARTBEAT_MS, beat)
  try {
    for (; page.done !== true; page = await source.next()) {
      const text = page.value.map((item) => eventText(item.kind, item)).join('')
      if (text !== '' && !response.write(text)) await once(response, 'drain', { signal })
    }
  } catch (thrown) {
    const error = asShoalError(thrown)
    if (!signal.aborted) response.write(eventText('problem', problemOf(error, httpStatusOf(error))))
  } finally {
    timer.cancel()
    response.end()
    await source.return?.()
  }
}

function eventText(kind: string, data: unknown): string {
  return `event: ${kind}\ndata: ${encodeJson(data)}\n\n`
}
