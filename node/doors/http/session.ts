// Sessions over HTTP, at /v1/session: POST begins one, with the code of a link or by login and
// password; GET says whose it is, PUT renews it, DELETE ends it. Programs show a token; a page has
// a cookie, of this port alone by its name, which counts only with the header of the page.
import { z } from 'zod'
import { GRANT_PATH_MAX } from '../../../protocol/limits.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { SESSION_MS } from '../../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../../protocol/accounts/session.ts'
import { VERBS } from '../../../protocol/accounts/verbs.ts'
import type { Verb } from '../../../protocol/accounts/verbs.ts'
import { KIB } from '../../../protocol/units.ts'
import { canonicalPath } from '../../volume/paths.ts'
import { isSessionToken } from '../account-sessions.ts'
import type { GivenSession, SessionWish } from '../account-sessions.ts'
import type { DoorComponents } from '../doors.ts'
import type { Visitor } from '../gate.ts'
import type { ProviderSignIn } from '../oidc/provider-sign-in.ts'
import { readBody } from '../read-body.ts'
import type { SessionSecrets } from '../sessions.ts'
import type { Visit } from '../visit.ts'
import { sendNothing } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { sendJson } from './answers.ts'
import { cookieIn } from './cookies.ts'
import { wrongMethod } from './http-failure.ts'
import { PROVIDER_PATH, WAYS_PATH, providerCookie, serveProvider, shownSignIn } from './provider.ts'
import type { ProviderParts } from './provider.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

export const SESSION_PATH = '/v1/session'
const PAGE_HEADER = 'shoal-page'
const BODY_BYTES_MAX: number = 8 * KIB
const LOGIN_MAX = 256
const PASSWORD_MAX = 1024
const SECRET = /^[\w-]{43}$/
const BEARER = /^Bearer (\S+)$/i

type BeginBody =
  | { readonly code: string; readonly page?: boolean | undefined }
  | ({ readonly login: string; readonly password: string } & WishFields)

/** How far the session is to go, and whether it is of a page. */
interface WishFields {
  readonly page?: boolean | undefined
  readonly here?: boolean | undefined
  readonly path?: string | undefined
  readonly verbs?: readonly Verb[] | undefined
}

export const beginBody: z.ZodType<BeginBody> = z.union([
  z.strictObject({ code: z.string().regex(SECRET), page: z.boolean().optional() }),
  z.strictObject({
    login: z.string().min(1).max(LOGIN_MAX),
    password: z.string().min(1).max(PASSWORD_MAX),
    page: z.boolean().optional(),
    here: z.boolean().optional(),
    path: z.string().min(1).max(GRANT_PATH_MAX).optional(),
    verbs: z.array(z.enum(VERBS)).max(VERBS.length).optional(),
  }),
])

type Doors = Pick<DoorComponents, 'gate' | 'accountSessions'> & ProviderParts

/** The session that a request shows, as it shows it. */
type Shown =
  | { readonly kind: 'link'; readonly secrets: SessionSecrets }
  | { readonly kind: 'account'; readonly token: string; readonly page?: string }

/** Answers what is about sessions. returns false for any other request. */
export async function serveSessions(
  doors: Doors,
  visitor: Visitor,
  { path, exchange }: { readonly path: string; readonly exchange: Exchange },
): Promise<boolean> {
  const { request, response } = exchange
  const comesBack = path === PROVIDER_PATH && request.method === 'GET'
  if (![SESSION_PATH, PROVIDER_PATH, WAYS_PATH].includes(path)) return false
  // Another site sends the browser back, to whatever it has begun itself.
  if (!comesBack) checkSite(request)
  if (path === SESSION_PATH) await serveSession(doors, visitor, exchange)
  else if (path === PROVIDER_PATH) await serveProvider(doors, visitor, exchange)
  else sendJson(response, { provider: doors.provider?.name })
  return true
}

async function serveSession(doors: Doors, visitor: Visitor, exchange: Exchange): Promise<void> {
  const { request, response } = exchange
  const cookie = cookieOf(visitor, request)
  const shown = shownBy(request)
  switch (request.method) {
    case 'GET':
      return sendJson(response, await describe(doors, visitor, request))
    case 'POST': {
      const begun = await begin(doors, visitor, request)
      const cookies = begun.cookie === undefined ? [] : [cookie(begun.cookie)]
      // Whoever had set a cookie before has no part in what begins.
      if (begun.cookie !== undefined && shown?.kind !== undefined) await end(doors, shown)
      if (shownSignIn(request) !== undefined) cookies.push(providerCookie(visitor, request))
      if (cookies.length > 0) response.setHeader('set-cookie', cookies)
      return sendJson(response, begun.answer)
    }
    case 'PUT':
      return renew(doors, { visitor, shown, cookie, response })
    case 'DELETE':
      if (shown !== undefined) await end(doors, shown)
      response.setHeader('set-cookie', `${cookie('')}; Max-Age=0`)
      return sendNothing(response, 204)
    default:
      throw wrongMethod(request.method, 'GET, POST, PUT, DELETE')
  }
}

/** The visit of who sent a request, by its header or its session. throws ShoalError 'EACCES'. */
export async function visitOf(
  { gate, accountSessions }: Doors,
  visitor: Visitor,
  request: IncomingMessage,
): Promise<Visit> {
  const { authorization } = request.headers
  const shown = authorization === undefined ? shownBy(request) : undefined
  if (shown === undefined) return gate.byHeader(visitor, authorization)
  checkSite(request)
  if (shown.kind === 'link') return gate.bySession(visitor, shown.secrets)
  const claims = await accountSessions.claimsOf(shown.token, shown.page)
  return gate.bySessionClaims(visitor, claims)
}

/** Browsers say by which page a request is made: none but ours may use a session. */
function checkSite({ headers }: IncomingMessage): void {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin')
    throw new ShoalError('EPERM', 'pages of other origins may ask nothing here')
}

interface Begun {
  readonly answer: object
  /** Absent: it is not of a page. */
  readonly cookie?: string
}

async function begin(
  { gate, provider }: Doors,
  visitor: Visitor,
  request: IncomingMessage,
): Promise<Begun> {
  const body = await bodyOf(request)
  if ('code' in body) {
    const byProvider = await finish(provider, request, body)
    if (byProvider !== undefined) {
      gate.bySessionClaims(visitor, byProvider.claims)
      return begunBy(byProvider)
    }
    const { cookie, page } = await gate.beginSession(visitor, body.code)
    return { cookie, answer: { page } }
  }
  return begunBy(await gate.beginAccountSession(visitor, body, wishOf(body)))
}

/** The session of who comes back from the provider, if the code is one of that. */
async function finish(
  provider: ProviderSignIn | undefined,
  request: IncomingMessage,
  { code, page = true }: { readonly code: string; readonly page?: boolean | undefined },
): Promise<GivenSession | undefined> {
  const cookie = shownSignIn(request)
  if (provider === undefined || cookie === undefined) return undefined
  return provider.finish({ cookie, code }, { isOfPage: page })
}

function begunBy({ token, page, claims }: GivenSession): Begun {
  return page === undefined
    ? { answer: { token, ...timesOf(claims) } }
    : { cookie: token, answer: { page, ...timesOf(claims) } }
}

function wishOf({ page, here, path, verbs }: WishFields): SessionWish {
  const isBound = path !== undefined || verbs !== undefined
  return {
    isOfPage: page,
    isOfHere: here,
    bound: isBound ? { path: boundPath(path), verbs: verbs ?? VERBS } : undefined,
  }
}

/** In its one form, as grants are. throws ShoalError 'usage'. */
function boundPath(path = '/'): string {
  const { volume, path: whole } = canonicalPath(path)
  if (volume === undefined && whole.length <= GRANT_PATH_MAX) return whole
  throw new ShoalError('usage', 'the path of a session is one of its volume, from "/"')
}

interface Renewal {
  readonly visitor: Visitor
  readonly shown: Shown | undefined
  readonly cookie: (value: string) => string
  readonly response: ServerResponse
}

async function renew(
  { gate, accountSessions, provider }: Doors,
  { visitor, shown, cookie, response }: Renewal,
): Promise<void> {
  if (shown?.kind !== 'account')
    throw new ShoalError('unsupported', 'what is renewed is the session of an account')
  const claims = await accountSessions.claimsOf(shown.token, shown.page)
  gate.bySessionClaims(visitor, claims)
  const isProvided = claims.holder.kind === 'provided'
  const { token, claims: renewed } = await (isProvided && provider !== undefined
    ? provider.renew(claims)
    : accountSessions.renew(claims))
  if (shown.page === undefined) return sendJson(response, { token, ...timesOf(renewed) })
  response.setHeader('set-cookie', cookie(token))
  return sendJson(response, timesOf(renewed))
}

/** One that has ended already ends no more. */
async function end({ gate, accountSessions, provider }: Doors, shown: Shown): Promise<void> {
  if (shown.kind === 'link') return gate.endSession(shown.secrets)
  const { token, page } = shown
  const ending = accountSessions
    .claimsOf(token, page)
    .then((claims) => (provider ?? accountSessions).end(claims))
  await ending.catch((error: unknown) => {
    if (!hasCode(error, 'EACCES')) throw error
  })
}

/** The holder of a session and its rights, for a page that shows no more than works. */
async function describe(doors: Doors, visitor: Visitor, request: IncomingMessage): Promise<object> {
  const shown = shownBy(request)
  if (shown?.kind !== 'account') {
    const { who } = await visitOf(doors, visitor, request)
    return { who, isOwner: who === 'owner' }
  }
  const { gate, accountSessions } = doors
  const claims = await accountSessions.claimsOf(shown.token, shown.page)
  gate.bySessionClaims(visitor, claims)
  return {
    who: accountSessions.loginOf(claims),
    isOwner: false,
    volume: accountSessions.named(claims).name,
    grants: accountSessions.grants(claims),
    ...timesOf(claims),
  }
}

function timesOf({ begunMs, endsMs }: SessionClaims): object {
  return { endsMs, renewableUntilMs: begunMs + SESSION_MS }
}

async function bodyOf(request: IncomingMessage): Promise<BeginBody> {
  const body = await readBody(request as AsyncIterable<Uint8Array>, BODY_BYTES_MAX)
  try {
    return beginBody.parse(JSON.parse(Buffer.from(body).toString('utf8')))
  } catch (cause) {
    const form = '{"code": "..."}, or {"login": "NAME@VOLUME", "password": "..."}'
    throw new ShoalError('malformed', `a session begins with ${form}`, { cause })
  }
}

/** A cookie without the header of the page shows nothing, and neither does that without it. */
function shownBy(request: IncomingMessage): Shown | undefined {
  const { authorization, [PAGE_HEADER]: page } = request.headers
  const [, bearer] = BEARER.exec(authorization ?? '') ?? []
  if (bearer !== undefined && isSessionToken(bearer)) return { kind: 'account', token: bearer }
  const found = cookieIn(request, cookieName(request))
  if (found === undefined || typeof page !== 'string' || !SECRET.test(page)) return undefined
  if (isSessionToken(found)) return { kind: 'account', token: found, page }
  return SECRET.test(found) ? { kind: 'link', secrets: { cookie: found, page } } : undefined
}

function cookieOf({ isSecure }: Visitor, request: IncomingMessage): (value: string) => string {
  const secure = isSecure ? '; Secure' : ''
  const name = cookieName(request)
  return (value) => `${name}=${value}; Path=/v1/; HttpOnly; SameSite=Strict${secure}`
}

/** Cookies are of a host, whatever the port: each node of a machine has one of its own. */
function cookieName({ socket }: IncomingMessage): string {
  return `shoal-${socket.localPort}`
}
