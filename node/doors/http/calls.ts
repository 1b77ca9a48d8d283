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
import { jsonLines, sendJson } from './answers.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

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
  {
    request,
    response,
    signal,
  }: { request: IncomingMessage; response: ServerResponse; signal: AbortSignal },
): Promise<void> {
  const call = CALLS.get(name)
  if (call === undefined) throw new ShoalError('unsupported', `there is no call "${name}" here`)
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST')
    throw new ShoalError('unsupported', 'calls are made by POST')
  }
  const result = call.run(api, await readJson(request), { signal })
  if (call.answer === 'json') return sendJson(response, (await result) ?? {})
  const parts = jsonLines(result as AsyncIterable<readonly unknown[]>)
  const headers = { 'content-type': 'application/x-ndjson' }
  await sendBytes(response, { status: 200, headers, parts }, signal)
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
