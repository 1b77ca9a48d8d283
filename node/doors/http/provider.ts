// Signing in at a provider of OpenID Connect, over HTTP: POST /v1/session/provider of our own page
// says where to go, and the provider sends the browser back there by GET. The cookie that binds
// both to one browser goes along when another site sends it here, as that of a session never does.
import { ShoalError, asShoalError, hasCode } from '../../../protocol/errors.ts'
import { splitOnce } from '../../../protocol/split-once.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { ignoreFailure } from '../../world/ignore-failure.ts'
import type { Gate, Visitor } from '../gate.ts'
import { SIGN_IN_MS } from '../oidc/provider-sign-in.ts'
import type { ProviderSignIn } from '../oidc/provider-sign-in.ts'
import { sendNothing } from '../web-answers.ts'
import type { Exchange } from '../web-server.ts'
import { sendJson } from './answers.ts'
import { cookieIn } from './cookies.ts'
import { wrongMethod } from './http-failure.ts'
import type { IncomingMessage } from 'node:http'

/** The page is told what there is to sign in by at the first. */
export const WAYS_PATH = '/v1/session/ways'
export const PROVIDER_PATH = '/v1/session/provider'
const SECRET = /^[\w-]{43}$/

export interface ProviderParts {
  readonly gate: Gate
  readonly provider: ProviderSignIn | undefined
}

export async function serveProvider(
  { gate, provider }: ProviderParts,
  visitor: Visitor,
  { request, response }: Exchange,
): Promise<void> {
  if (provider === undefined)
    throw new ShoalError('unsupported', 'this door has no provider of OpenID Connect')
  switch (request.method) {
    case 'POST': {
      const { url, cookie } = await provider.begin(redirectOf(visitor))
      response.setHeader('set-cookie', providerCookie(visitor, request, cookie))
      return sendJson(response, { url })
    }
    case 'GET': {
      const [, query] = splitOnce(request.url ?? '', '?')
      const location = await cameBack({ gate, provider }, visitor, { request, query })
      return sendNothing(response, 303, { location })
    }
    default:
      throw wrongMethod(request.method, 'GET, POST')
  }
}

/** The cookie of a sign-in that is under way. */
export function shownSignIn(request: IncomingMessage): string | undefined {
  const found = cookieIn(request, cookieName(request))
  return found !== undefined && SECRET.test(found) ? found : undefined
}

/** Without a value it is taken away. */
export function providerCookie(
  { isSecure }: Visitor,
  request: IncomingMessage,
  value: string = '',
): string {
  const age = value === '' ? 0 : SIGN_IN_MS / SECOND_MS
  const attributes = `Path=/v1/session; HttpOnly; SameSite=Lax; Max-Age=${age}`
  return `${cookieName(request)}=${value}; ${attributes}${isSecure ? '; Secure' : ''}`
}

/** The page that the browser goes to from here. */
async function cameBack(
  { gate, provider }: { readonly gate: Gate; readonly provider: ProviderSignIn },
  visitor: Visitor,
  { request, query }: { readonly request: IncomingMessage; readonly query: string },
): Promise<string> {
  try {
    return `/#login=${await provider.back(shownSignIn(request) ?? '', query)}`
  } catch (thrown) {
    const error = asShoalError(thrown)
    if (error.code === 'internal') throw error
    if (hasCode(error, 'EACCES'))
      await ignoreFailure(gate.refuse(visitor, error.message), 'the page says it')
    return '/#not-signed-in'
  }
}

/**
 * The address by which the page was asked for: the provider goes to none but those it knows. throws
 * ShoalError 'usage'.
 */
function redirectOf({ host = '', isSecure }: Visitor): string {
  const scheme = isSecure ? 'https' : 'http'
  const redirect = `${scheme}://${host}${PROVIDER_PATH}`
  if (URL.parse(redirect)?.host === host.toLowerCase()) return redirect
  throw new ShoalError('usage', 'ask by a name or an address of this machine')
}

function cookieName({ socket }: IncomingMessage): string {
  return `shoal-provider-${socket.localPort}`
}
