// The session of the console over HTTP: POST /v1/session with a code begins one, DELETE ends it.
// Its cookie is of this port alone by its name, and counts only with the header of the page.
import { z } from 'zod'
import { ShoalError } from '../../../protocol/errors.ts'
import type { Gate, Visitor } from '../gate.ts'
import { readBody } from '../read-body.ts'
import type { SessionSecrets } from '../sessions.ts'
import type { Visit } from '../visit.ts'
import { sendNothing } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { sendJson } from './answers.ts'
import type { IncomingMessage } from 'node:http'

export const SESSION_PATH = '/v1/session'
const PAGE_HEADER = 'shoal-page'
const BODY_BYTES_MAX = 1024
const SECRET = /^[\w-]{43}$/

const codeBody = z.strictObject({ code: z.string().regex(SECRET) })

export async function serveSession(
  gate: Gate,
  visitor: Visitor,
  { request, response }: Exchange,
): Promise<void> {
  checkSite(request)
  const name = cookieName(request)
  const shown = secretsOf(request)
  const secure = visitor.isSecure ? '; Secure' : ''
  const attributes = `Path=/v1/; HttpOnly; SameSite=Strict${secure}`
  switch (request.method) {
    case 'POST': {
      const begun = await gate.beginSession(visitor, await codeOf(request))
      // Whoever had set a cookie before has no part in what begins.
      if (shown !== undefined) gate.endSession(shown)
      response.setHeader('set-cookie', `${name}=${begun.cookie}; ${attributes}`)
      return sendJson(response, { page: begun.page })
    }
    case 'DELETE':
      if (shown !== undefined) gate.endSession(shown)
      response.setHeader('set-cookie', `${name}=; ${attributes}; Max-Age=0`)
      return sendNothing(response, 204)
    default:
      response.setHeader('allow', 'POST, DELETE')
      throw new ShoalError('unsupported', 'a session is begun by POST and ended by DELETE')
  }
}

/** The visit of who sent a request, by its header or its session. throws ShoalError 'EACCES'. */
export async function visitOf(
  gate: Gate,
  visitor: Visitor,
  request: IncomingMessage,
): Promise<Visit> {
  const { authorization } = request.headers
  const secrets = authorization === undefined ? secretsOf(request) : undefined
  if (secrets === undefined) return gate.byHeader(visitor, authorization)
  checkSite(request)
  return gate.bySession(visitor, secrets)
}

/** Browsers say by which page a request is made: none but ours may use a session. */
function checkSite({ headers }: IncomingMessage): void {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin')
    throw new ShoalError('EPERM', 'pages of other origins may ask nothing here')
}

async function codeOf(request: IncomingMessage): Promise<string> {
  const body = await readBody(request as AsyncIterable<Uint8Array>, BODY_BYTES_MAX)
  try {
    return codeBody.parse(JSON.parse(Buffer.from(body).toString('utf8'))).code
  } catch (cause) {
    throw new ShoalError('malformed', 'a session begins with {"code": "..."}', { cause })
  }
}

function secretsOf(request: IncomingMessage): SessionSecrets | undefined {
  const { cookie = '', [PAGE_HEADER]: page } = request.headers
  const begin = `${cookieName(request)}=`
  const found = cookie
    .split('; ')
    .find((one) => one.startsWith(begin))
    ?.slice(begin.length)
  if (found === undefined || typeof page !== 'string') return undefined
  return SECRET.test(found) && SECRET.test(page) ? { cookie: found, page } : undefined
}

/** Cookies are of a host, whatever the port: each node of a machine has one of its own. */
function cookieName({ socket }: IncomingMessage): string {
  return `shoal-${socket.localPort}`
}
