// Requests about uploads that go on over several of them ("Resumable Uploads for HTTP"): a PUT of a
// file with the header Upload-Complete begins one, HEAD tells how far it is, PATCH goes on with it,
// DELETE ends it.
import { asShoalError } from '../../../protocol/errors.ts'
import { sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import type { Visit } from '../visit.ts'
import { sendJson } from './answers.ts'
import { HttpFailure, wrongMethod } from './http-failure.ts'
import { countOf, flagOf, flagText } from './structured-fields.ts'
import type { UploadRecord } from './upload-records.ts'
import type { UploadTarget } from './upload-target.ts'
import type { Append, Uploads } from './uploads.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

export const UPLOADS_PATH = '/v1/uploads'
export const PARTIAL_TYPE = 'application/partial-upload'

/** A request, and whose it is. */
export interface UploadExchange extends Exchange {
  readonly uploads: Uploads
  readonly visit: Visit
}

/** Does a request with the content of a file begin an upload that can be gone on with? */
export function isResumable({ headers }: IncomingMessage): boolean {
  return flagOf(headers['upload-complete']) !== undefined
}

/** Begin an upload with what comes in a request. */
export async function beginUpload(asked: UploadExchange, target: UploadTarget): Promise<void> {
  const { uploads, visit, request, response } = asked
  const isLast = flagOf(request.headers['upload-complete']) === true
  const length = lengthOf(request, { offset: 0, isLast })
  const record = await uploads.begin(visit, { ...target, length })
  const begun = { location: `${UPLOADS_PATH}/${record.id}`, 'upload-limit': uploads.limits(record) }
  // Whoever sends all of it at once hears where to go on before it has to. Others need not: some
  // programs take it for the answer.
  if (isLast) tellMeanwhile(response, begun)
  await append(asked, record.id, { request, offset: 0, isLast, length }, (made) =>
    made.done === undefined ? { status: 201, headers: begun } : doneAnswer(made),
  )
}

/** rest: of the path, after UPLOADS_PATH. */
export async function serveUpload(asked: UploadExchange, rest: string): Promise<void> {
  const { uploads, visit, request, response } = asked
  const { method } = request
  if (rest === '') {
    if (method !== 'GET') throw wrongMethod(method, 'GET')
    return sendJson(response, { uploads: uploads.list(visit).map((one) => shown(uploads, one)) })
  }
  const id = rest.slice(1)
  switch (method) {
    case 'HEAD': {
      const record = await uploads.look(visit, id)
      return sendNothing(response, 204, {
        ...stateOf(uploads, record),
        'cache-control': 'no-store',
      })
    }
    case 'PATCH':
      return goOn(asked, id)
    case 'DELETE':
      await uploads.cancel(visit, id)
      return sendNothing(response, 204)
    default:
      throw wrongMethod(method, 'HEAD, PATCH, DELETE')
  }
}

async function goOn(asked: UploadExchange, id: string): Promise<void> {
  const { request } = asked
  const { headers } = request
  if (headers['content-type'] !== PARTIAL_TYPE)
    throw new HttpFailure('usage', `what is appended is ${PARTIAL_TYPE}`, {
      status: 415,
      headers: { 'accept-patch': PARTIAL_TYPE },
    })
  const isLast = flagOf(headers['upload-complete'])
  const offset = countOf(headers['upload-offset'])
  if (isLast === undefined || offset === undefined)
    throw new HttpFailure('usage', 'Upload-Offset is a count of bytes, Upload-Complete ?0 or ?1', {
      status: 400,
    })
  const length = lengthOf(request, { offset, isLast })
  await append(asked, id, { request, offset, isLast, length }, (made) =>
    made.done === undefined ? { status: 204, headers: {} } : doneAnswer(made),
  )
}

interface Answer {
  readonly status: number
  readonly headers: Headers
}

async function append(
  { uploads, visit, response, signal }: UploadExchange,
  id: string,
  what: Omit<Append, 'onWhole'>,
  answerOf: (made: UploadRecord) => Answer,
): Promise<void> {
  let isWhole = false
  try {
    const made = await uploads.append(visit, id, { ...what, onWhole: () => (isWhole = true) })
    // The rest of what was announced has not come.
    signal.throwIfAborted()
    const { status, headers } = answerOf(made)
    sendNothing(response, status, { ...headers, ...progressOf(made) })
  } catch (thrown) {
    // All of it has come, and it is the file that cannot be made: no byte need come again.
    if (isWhole && asShoalError(thrown).permanent) response.setHeader('upload-complete', '?1')
    throw thrown
  }
}

function doneAnswer({ done }: UploadRecord): Answer {
  return { status: done?.isNew === true ? 201 : 204, headers: {} }
}

function progressOf({ offset, done }: UploadRecord): Headers {
  return {
    'upload-offset': offset,
    'upload-complete': flagText(done !== undefined),
    ...(done?.tag !== undefined && { etag: `"${done.tag}"` }),
  }
}

function stateOf(uploads: Uploads, record: UploadRecord): Headers {
  const { length } = record
  return {
    ...progressOf(record),
    ...(length !== undefined && { 'upload-length': length }),
    'upload-limit': uploads.limits(record),
  }
}

function shown(uploads: Uploads, record: UploadRecord): object {
  const { id, path, offset, length } = record
  const location = `${UPLOADS_PATH}/${id}`
  return { location, path, offset, length, endsMs: Math.floor(uploads.endsMs(record)) }
}

/** The length of the whole upload, if the request says it in a way. throws HttpFailure. */
function lengthOf(
  { headers }: IncomingMessage,
  { offset, isLast }: { readonly offset: number; readonly isLast: boolean },
): number | undefined {
  const said = countOf(headers['upload-length'])
  const rest = headers['content-length']
  if (!isLast || rest === undefined) return said
  const summed = offset + Number(rest)
  if (said === undefined || said === summed) return summed
  throw new HttpFailure('EINVAL', 'Upload-Length is not what the content comes to', {
    status: 400,
    type: 'https://iana.org/assignments/http-problem-types#inconsistent-upload-length',
  })
}

/** An interim answer; Node has none of this kind. */
function tellMeanwhile(response: ServerResponse, headers: Headers): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  response.socket?.write(`HTTP/1.1 104 Upload Resumption Supported\r\n${lines.join('')}\r\n`)
}
