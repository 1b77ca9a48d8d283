// The description of the HTTP door (OpenAPI 3.1), made of the schemas that check its requests.
import { z } from 'zod'
import { schemaOf } from '../../control/fields.ts'
import { HTTP_ROUTES } from './calls.ts'
import { PROVIDER_PATH, WAYS_PATH } from './provider.ts'
import { SESSION_PATH, beginBody } from './session.ts'

type Json = Readonly<Record<string, unknown>>

const PROBLEM: Json = {
  type: 'object',
  description: 'a failure, as RFC 9457 has it',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'stable: programs may rely on it' },
    permanent: { type: 'boolean', description: 'trying again as it is cannot help' },
  },
}
const FAILURE: Json = {
  description: 'it failed',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}
const BYTES: Json = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
const ANY: Json = { 'application/json': { schema: {} } }

export function describeApi(version: string): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'Shoal', version, description: 'The API of a node' },
    security: [{ bearer: [] }, { basic: [] }],
    paths: { ...filePaths(), ...changePaths(), ...sessionPaths(), ...callPaths() },
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'the token of the owner, or of a session of an account',
        },
        basic: { type: 'http', scheme: 'basic', description: 'login and password of an account' },
      },
      schemas: { Problem: PROBLEM },
    },
  }
}

function callPaths(): Json {
  return Object.fromEntries(
    Array.from(HTTP_ROUTES, ([name, route]) => {
      const type = route.answer === 'json' ? 'application/json' : 'application/x-ndjson'
      const body = { 'application/json': { schema: fieldsOf(schemaOf(route)) } }
      const post = {
        operationId: name,
        requestBody: { content: body },
        responses: {
          200: { description: 'done', content: { [type]: { schema: {} } } },
          default: FAILURE,
        },
      }
      return [`/v1/calls/${name}`, { post }]
    }),
  )
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

function filePaths(): Json {
  const parameters = ['volume', 'path'].map((name) => parameter(name, 'path'))
  const header = (name: string): Json => parameter(name, 'header')
  const query = (name: string): Json => parameter(name, 'query')
  const done = { description: 'done' }
  const failed = { 412: { description: 'another content is there' }, default: FAILURE }
  return {
    '/v1/files/{volume}/{path}': {
      parameters,
      get: {
        operationId: 'getFile',
        description: 'the bytes of a file, or a page of a folder',
        parameters: [
          ...['Range', 'If-Match', 'If-None-Match', 'If-Range'].map(header),
          ...['stat', 'version', 'limit', 'after'].map(query),
        ],
        responses: {
          200: { description: 'a file, or a folder', content: { ...BYTES, ...ANY } },
          206: { description: 'a part of a file', content: BYTES },
          304: { description: 'not another than the one that is known' },
          416: { description: 'the range begins beyond the end' },
          ...failed,
        },
      },
      put: {
        operationId: 'putFile',
        description: 'write a whole file, or with a final slash make a folder',
        parameters: [
          ...['If-Match', 'If-None-Match'].map(header),
          ...['mode', 'parents'].map(query),
        ],
        requestBody: { content: BYTES },
        responses: { 201: { description: 'made' }, 204: { description: 'replaced' }, ...failed },
      },
      delete: {
        operationId: 'deleteFile',
        parameters: [header('If-Match'), query('recursive')],
        responses: { 204: done, ...failed },
      },
    },
  }
}

function changePaths(): Json {
  return {
    '/v1/changes/{volume}/{path}': {
      get: {
        operationId: 'followChanges',
        description: 'entries of the log from now on, as server-sent events',
        parameters: ['volume', 'path'].map((name) => parameter(name, 'path')),
        responses: {
          200: {
            description: 'until it is left',
            content: { 'text/event-stream': { schema: {} } },
          },
          default: FAILURE,
        },
      },
    },
  }
}

function sessionPaths(): Json {
  const body = { 'application/json': { schema: fieldsOf(beginBody) } }
  const session = { 200: { description: 'as it is asked for', content: ANY }, default: FAILURE }
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

function parameter(name: string, where: 'path' | 'query' | 'header'): Json {
  return { name, in: where, required: where === 'path', schema: { type: 'string' } }
}
