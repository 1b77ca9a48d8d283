// All other calls of the owner over HTTP: POST /v1/calls/NAME, with a JSON object of its fields.
// The table of the control socket says what there is and checks it.
import { ShoalError } from '../../../protocol/errors.ts'
import { callOf } from '../../control/calls.ts'
import { ROUTES } from '../../control/routes.ts'
import { REQUEST_BYTES_MAX, decodeJson } from '../../control/wire.ts'
import type { NodeApi } from '../../control/api.ts'
import type { Call } from '../../control/calls.ts'
import type { Route } from '../../control/route.ts'
import { readBody } from '../read-body.ts'
import { sendBytes } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { jsonLines, sendJson } from './answers.ts'
import { wrongMethod } from './http-failure.ts'
import { limitOf } from './limit.ts'
import type { IncomingMessage } from 'node:http'

/** The calls that are had here: bytes are had as files, and who stops a node is beside it. */
export const HTTP_ROUTES: ReadonlyMap<string, Route> = new Map(
  Object.entries(ROUTES)
    .filter(([name, { answer }]) => name !== 'stop' && (answer === 'json' || answer === 'pages'))
    .filter(([, { names }]) => !names.includes('content'))
    // All of them have their fields in a body.
    .map(([name, route]) => [name, { ...route, method: 'POST' } as Route]),
)

const CALLS: ReadonlyMap<string, Call> = new Map(
  Array.from(HTTP_ROUTES, ([name, route]) => [name, callOf(name as keyof NodeApi, route)]),
)

export async function serveCall(
  api: NodeApi,
  name: string,
  { request, response, query, signal }: Exchange & { readonly query: URLSearchParams },
): Promise<void> {
  const call = CALLS.get(name)
  if (call === undefined) throw new ShoalError('unsupported', `there is no call "${name}" here`)
  if (request.method !== 'POST') throw wrongMethod(request.method, 'POST')
  const limit = limitOf(query)
  const result = call.run(api, await readJson(request), { signal })
  if (call.answer === 'json') return sendJson(response, (await result) ?? {})
  const pages = result as AsyncIterable<readonly unknown[]>
  const parts = jsonLines(limit === undefined ? pages : firstOf(pages, limit))
  const headers = { 'content-type': 'application/x-ndjson' }
  await sendBytes(response, { status: 200, headers, parts }, signal)
}

/** The first items: whoever wants few makes the node look at few. */
async function* firstOf(
  pages: AsyncIterable<readonly unknown[]>,
  limit: number,
): AsyncGenerator<readonly unknown[]> {
  let left = limit
  for await (const page of pages) {
    yield page.slice(0, left)
    left -= page.length
    if (left <= 0) return
  }
}

/** Nothing is an object without fields. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBody(request as AsyncIterable<Uint8Array>, REQUEST_BYTES_MAX)
  if (bytes.length === 0) return {}
  try {
    return decodeJson(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new ShoalError('malformed', 'the request is not JSON', { cause })
  }
}
