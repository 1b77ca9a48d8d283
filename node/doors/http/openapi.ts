// The description of the HTTP door (OpenAPI 3.1), made of the schemas that check its requests.
import { z } from 'zod'
import { schemaOf } from '../../control/fields.ts'
import type { NodeApi } from '../../control/api.ts'
import { HTTP_ROUTES } from './calls.ts'
import { LOOKING_CALLS } from './idempotency.ts'
import { ANSWERS, componentSchemas } from './schemas.ts'
import type { SchemaName } from './schemas.ts'
import { PROVIDER_PATH, WAYS_PATH } from './provider.ts'
import { SESSION_PATH, beginBody } from './session.ts'
import { PARTIAL_TYPE, UPLOADS_PATH } from './upload-requests.ts'

type Json = Readonly<Record<string, unknown>>

const FAILURE: Json = {
  description: 'it failed',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}
const BYTES: Json = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }

export function describeApi(version: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Shoal', version, description: 'The API of a node' },
    security: [{ bearer: [] }, { basic: [] }],
    paths: {
      ...filePaths(),
      ...uploadPaths(),
      ...streamPaths(),
      ...sessionPaths(),
      ...callPaths(),
    },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'the token of the owner, or of a session of an account',
        },
        basic: { type: 'http', scheme: 'basic', description: 'login and password of an account' },
      },
      schemas: componentSchemas(),
    },
  }
}

function callPaths(): Json {
  return Object.fromEntries(
    Array.from(HTTP_ROUTES, ([name, route]) => {
      const type = route.answer === 'json' ? 'application/json' : 'application/x-ndjson'
      const body = { 'application/json': { schema: fieldsOf(schemaOf(route)) } }
      const isLooking = LOOKING_CALLS.has(name as keyof NodeApi)
      const post = {
        operationId: name,
        parameters: [
          ...(isLooking ? [] : [header('Idempotency-Key')]),
          ...(route.answer === 'pages' ? [query('limit')] : []),
        ],
        requestBody: { content: body },
        responses: {
          200: { description: 'done', content: { [type]: { schema: answerOf(name) } } },
          default: FAILURE,
        },
      }
      return [`/v1/calls/${name}`, { post }]
    }),
  )
}

/** The schema of the answer of a call: for one that answers in lines, of each. */
function answerOf(name: string): Json {
  const schema = ANSWERS[name as keyof NodeApi]
  if (schema === undefined) return {}
  return typeof schema === 'string' ? ref(schema) : { type: 'array', items: ref(schema[0]) }
}

function ref(schema: SchemaName): Json {
  return { $ref: `#/components/schemas/${schema}` }
}

/** In JSON nanoseconds are decimal text: they are beyond what a number holds exactly. */
function fieldsOf(schema: z.ZodType): unknown {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type !== 'bigint') return
      Object.assign(jsonSchema, { type: 'string', pattern: '^-?[0-9]{1,19}$' })
    },
  })
}

const DONE: Json = { description: 'done' }
const UPLOAD_HEADERS: readonly Json[] = ['Upload-Complete', 'Upload-Length'].map(header)

function filePaths(): Json {
  const failed = { 412: { description: 'another content is there' }, default: FAILURE }
  const page = { oneOf: [ref('FolderPage'), ref('FileStat')] }
  return {
    '/v1/files/{volume}/{path}': {
      parameters: ['volume', 'path'].map((name) => parameter(name, 'path')),
      get: {
        operationId: 'getFile',
        description: 'the bytes of a file, a page of a folder, or with "stat" what there is of it',
        parameters: [
          ...['Range', 'If-Match', 'If-None-Match', 'If-Range'].map(header),
          ...['stat', 'version', 'limit', 'after'].map(query),
        ],
        responses: {
          200: {
            description: 'a file, or a folder',
            content: { ...BYTES, 'application/json': { schema: page } },
          },
          206: { description: 'a part of a file', content: BYTES },
          304: { description: 'not another than the one that is known' },
          416: { description: 'the range begins beyond the end' },
          ...failed,
        },
      },
      put: {
        operationId: 'putFile',
        description:
          'write a whole file, or with a final slash make a folder; with Upload-Complete begin an ' +
          'upload that can be gone on with',
        parameters: [
          ...['If-Match', 'If-None-Match', 'Idempotency-Key'].map(header),
          ...UPLOAD_HEADERS,
          ...['mode', 'parents'].map(query),
        ],
        requestBody: { content: BYTES },
        responses: { 201: { description: 'made' }, 204: { description: 'replaced' }, ...failed },
      },
      delete: {
        operationId: 'deleteFile',
        parameters: [...['If-Match', 'Idempotency-Key'].map(header), query('recursive')],
        responses: { 204: DONE, ...failed },
      },
    },
  }
}

function uploadPaths(): Json {
  const partial = { [PARTIAL_TYPE]: { schema: { type: 'string', format: 'binary' } } }
  return {
    [UPLOADS_PATH]: {
      get: {
        operationId: 'listUploads',
        description: "one's own that are not complete",
        responses: { 200: jsonOf('Uploads'), default: FAILURE },
      },
    },
    [`${UPLOADS_PATH}/{id}`]: {
      parameters: [parameter('id', 'path')],
      head: {
        operationId: 'lookAtUpload',
        description: 'how much is there, as Upload-Offset',
        responses: { 204: DONE, default: FAILURE },
      },
      patch: {
        operationId: 'appendToUpload',
        parameters: [header('Upload-Offset'), ...UPLOAD_HEADERS],
        requestBody: { content: partial },
        responses: {
          201: { description: 'the file is made' },
          204: { description: 'gone on, or the file is replaced' },
          409: { description: 'it is at another offset' },
          default: FAILURE,
        },
      },
      delete: { operationId: 'deleteUpload', responses: { 204: DONE, default: FAILURE } },
    },
  }
}

function streamPaths(): Json {
  const events = { 'text/event-stream': { schema: ref('LogItem') } }
  return {
    '/v1/changes/{volume}/{path}': {
      get: {
        operationId: 'followChanges',
        description: 'entries of the log from now on, as server-sent events',
        parameters: ['volume', 'path'].map((name) => parameter(name, 'path')),
        responses: { 200: { description: 'until it is left', content: events }, default: FAILURE },
      },
    },
  }
}

function sessionPaths(): Json {
  const body = { 'application/json': { schema: fieldsOf(beginBody) } }
  const session = {
    200: { description: 'as it is asked for', content: { 'application/json': { schema: {} } } },
    default: FAILURE,
  }
  return {
    [SESSION_PATH]: {
      post: {
        operationId: 'beginSession',
        security: [],
        requestBody: { content: body },
        responses: session,
      },
      get: { operationId: 'showSession', responses: session },
      put: { operationId: 'renewSession', responses: session },
      delete: {
        operationId: 'endSession',
        responses: { 204: { description: 'it has ended' }, default: FAILURE },
      },
    },
    [WAYS_PATH]: {
      get: { operationId: 'showProvider', security: [], responses: session },
    },
    [PROVIDER_PATH]: {
      post: { operationId: 'beginAtProvider', security: [], responses: session },
      get: {
        operationId: 'comeBackFromProvider',
        security: [],
        responses: { 303: { description: 'to the console' }, default: FAILURE },
      },
    },
  }
}

function jsonOf(schema: SchemaName): Json {
  return { description: 'done', content: { 'application/json': { schema: ref(schema) } } }
}

function header(name: string): Json {
  return parameter(name, 'header')
}

function query(name: string): Json {
  return parameter(name, 'query')
}

function parameter(name: string, where: 'path' | 'query' | 'header'): Json {
  return { name, in: where, required: where === 'path', schema: { type: 'string' } }
}
