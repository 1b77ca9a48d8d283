// Files over HTTP (RFC 9110): /v1/files/VOLUME/PATH. A file is its bytes, with ranges and
// conditions; a folder is a list in JSON, in pages.
import { ShoalError } from '../../../protocol/errors.ts'
import type { NodeApi } from '../../control/api.ts'
import type { FileStat } from '../../control/files.ts'
import { sendFile } from '../send-file.ts'
import { statIfThere } from '../stat-if-there.ts'
import { sendNothing } from '../web-answers.ts'
import type { Headers } from '../web-answers.ts'
import { sendJson } from './answers.ts'
import { limitOf } from './limit.ts'
import { requestPath } from './request-path.ts'
import { PARTIAL_TYPE, beginUpload, isResumable } from './upload-requests.ts'
import { HttpFailure, wrongMethod } from './http-failure.ts'
import type { RequestPath } from './request-path.ts'
import type { UploadExchange } from './upload-requests.ts'
import type { IncomingMessage } from 'node:http'

const METHODS = 'GET, HEAD, PUT, DELETE, OPTIONS'

/** A request about one path. */
export interface FileRequest extends UploadExchange {
  /** After '/v1/files/', as it came. */
  readonly rest: string
  readonly query: URLSearchParams
}

export async function serveFile(asked: FileRequest): Promise<void> {
  const { api } = asked.visit
  const at = requestPath(asked.rest)
  switch (asked.request.method) {
    case 'GET':
    case 'HEAD':
      return get(api, at, asked)
    case 'PUT':
      return put(api, at, asked)
    case 'POST':
      // Programs that begin uploads by nothing else.
      if (isResumable(asked.request)) return put(api, at, asked)
      throw wrongMethod('POST', METHODS)
    case 'OPTIONS':
      return sendNothing(asked.response, 204, {
        allow: METHODS,
        'accept-patch': PARTIAL_TYPE,
        'upload-limit': asked.uploads.limits(),
      })
    case 'DELETE':
      return remove(api, at, asked)
    default:
      throw wrongMethod(asked.request.method, METHODS)
  }
}

async function get(
  api: NodeApi,
  { path, isFolder }: RequestPath,
  asked: FileRequest,
): Promise<void> {
  const { response, query, signal } = asked
  const version = query.get('version') ?? undefined
  const stat = version === undefined ? await api.stat(path, { signal }) : undefined
  if (query.has('stat') && stat !== undefined) return sendJson(response, stat)
  if (stat?.kind === 'folder') return sendFolder(api, path, asked)
  if (isFolder) throw new ShoalError('ENOTDIR', `${path}: is not a folder`)
  await sendFile(api, asked, { path, stat, version, headersOf, outOfRange })
}

function headersOf({ mode }: FileStat): Headers {
  return {
    'content-type': 'application/octet-stream',
    'content-disposition': 'attachment',
    'shoal-mode': mode.toString(8),
  }
}

function outOfRange(headers: Headers): HttpFailure {
  return new HttpFailure('EINVAL', 'the range begins beyond the end', { status: 416, headers })
}

async function sendFolder(api: NodeApi, path: string, asked: FileRequest): Promise<void> {
  const { query, response, signal } = asked
  const page = await api.listPage(path, {
    signal,
    after: query.get('after') ?? undefined,
    limit: limitOf(query),
  })
  sendJson(response, page)
}

async function put(
  api: NodeApi,
  { path, isFolder }: RequestPath,
  asked: FileRequest,
): Promise<void> {
  const { request, response, query, signal } = asked
  if (isFolder) {
    await api.makeFolder(path, { parents: true, signal })
    request.resume()
    return sendNothing(response, 201)
  }
  if (request.headers['content-range'] !== undefined)
    throw new ShoalError('usage', 'a part of a file cannot be put: send the whole file')
  const parents = query.get('parents') === 'true'
  const ifTag = ifTagOf(request)
  const mode = modeOf(query)
  if (isResumable(request)) return beginUpload(asked, { path, mode, parents, ifTag })
  if (parents)
    await api.makeFolder(path.slice(0, path.lastIndexOf('/') + 1), { parents: true, signal })
  const before = await statIfThere(api, path, { signal })
  const attributes = { mode, sizeBytes: lengthOf(request) }
  const body = request as AsyncIterable<Uint8Array>
  await api.writeFile(path, body, attributes, { ifTag, signal })
  const tag = (await statIfThere(api, path, { signal }))?.tag
  sendNothing(response, before === undefined ? 201 : 204, {
    ...(tag !== undefined && { etag: `"${tag}"` }),
  })
}

async function remove(api: NodeApi, { path }: RequestPath, asked: FileRequest): Promise<void> {
  const { request, response, query, signal } = asked
  const recursive = query.get('recursive') === 'true'
  await api.remove(path, { recursive, ifTag: ifTagOf(request), signal })
  sendNothing(response, 204)
}

/** As Condition has it; several tags are more than one write can be about. */
function ifTagOf({ headers }: IncomingMessage): string | undefined {
  const { 'if-match': is, 'if-none-match': isNot } = headers
  if (isNot !== undefined && isNot !== '*')
    throw new ShoalError('usage', 'If-None-Match of a write is "*"')
  if (isNot === '*') return ''
  if (is === undefined || is === '*') return is
  const [, tag] = /^"([\w-]{1,64})"$/.exec(is) ?? []
  if (tag === undefined) throw new ShoalError('usage', 'If-Match of a write is one strong ETag')
  return tag
}

function modeOf(query: URLSearchParams): number | undefined {
  const text = query.get('mode')
  if (text === null) return undefined
  if (/^[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8)
  throw new ShoalError('usage', '"mode" is in octal digits, such as 644')
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  return length === undefined ? undefined : Number(length)
}
