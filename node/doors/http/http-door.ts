// The HTTP door: a server on this machine for programs that know the token of the owner, and for
// the page of people (the console), which asks the same by a session.
import { ShoalError, asShoalError } from '../../../protocol/errors.ts'
import { splitOnce } from '../../../protocol/split-once.ts'
import type { DoorConfig, OidcConfig } from '../../door-config.ts'
import type { LocalServer } from '../../world/local-server.ts'
import { readText } from '../../world/certificates.ts'
import type { DoorComponents } from '../doors.ts'
import { ProviderSignIn } from '../oidc/provider-sign-in.ts'
import { askForBody } from '../web-answers.ts'
import { visitorOf } from '../web-server.ts'
import type { Exchange } from '../web-server.ts'
import { sendEvents, sendFailure, sendJson } from './answers.ts'
import { serveCall } from './calls.ts'
import { keyOf } from './idempotency.ts'
import { serveFile } from './files.ts'
import { serveConsole } from './console.ts'
import { wrongMethod } from './http-failure.ts'
import { describeApi } from './openapi.ts'
import { requestPath } from './request-path.ts'
import { serveSessions, visitOf } from './session.ts'
import type { ProviderParts } from './provider.ts'
import { UPLOADS_PATH, serveUpload } from './upload-requests.ts'
import type { UploadExchange } from './upload-requests.ts'

/** throws ShoalError 'usage' naming the address. */
export async function openHttpDoor(
  components: DoorComponents,
  { oidc }: Extract<DoorConfig, { kind: 'http' }>,
): Promise<LocalServer> {
  // The rest of the last run is looked after, whether somebody asks or not.
  await components.httpState()
  const provider = oidc && (await providerOf(components, oidc))
  const parts = { ...components, provider }
  return components.serve('the HTTP door', (exchange) => respond(parts, exchange))
}

async function providerOf(
  { clock, random, accounts, volumes, accountSessions: sessions }: DoorComponents,
  config: OidcConfig,
): Promise<ProviderSignIn> {
  const { secretFile } = config
  const secret =
    secretFile && (await readText(secretFile, 'the secret of the client of OpenID Connect'))
  const parts = { clock, random, accounts, volumes, sessions }
  return new ProviderSignIn(parts, { config, secret: secret?.trim() })
}

/** Never rejects. */
async function respond(
  components: DoorComponents & ProviderParts,
  exchange: Exchange,
): Promise<void> {
  const { gate } = components
  const { request, response } = exchange
  await answered(components, exchange, async () => {
    const visitor = visitorOf('http', exchange)
    gate.checkOrigin(visitor)
    const [path] = splitOnce(request.url ?? '/', '?')
    if (await serveConsole(exchange, path)) return
    if (await serveSessions(components, visitor, { path, exchange })) return
    const visit = await visitOf(components, visitor, request)
    askForBody({ request, response })
    const { uploads, idempotency } = await components.httpState()
    const run = (made: Exchange): Promise<void> =>
      answered(components, made, () => serve({ ...made, visit, uploads }, components))
    const key = keyOf(request)
    if (key === undefined) return run(exchange)
    return idempotency.once({ account: visit.account, key }, exchange, run)
  })
}

/** Never rejects: a failure is the answer. */
async function answered(
  { onError }: Pick<DoorComponents, 'onError'>,
  { response, signal }: Exchange,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run()
  } catch (thrown) {
    const error = asShoalError(signal.aborted ? signal.reason : thrown)
    if (error.code === 'internal') onError(error)
    sendFailure(response, error)
  }
}

async function serve(
  asked: UploadExchange,
  { clock, version }: Pick<DoorComponents, 'clock' | 'version'>,
): Promise<void> {
  const { request, response, signal, visit } = asked
  const { api } = visit
  // Not by URL, which takes dots and backslashes out of a path before anybody has seen them.
  const [path, search] = splitOnce(request.url ?? '/', '?')
  const query = new URLSearchParams(search)
  const after = (prefix: string): string | undefined =>
    path.startsWith(prefix) ? path.slice(prefix.length) : undefined
  const file = after('/v1/files/')
  if (file !== undefined) return serveFile({ ...asked, rest: file, query })
  const upload = after(UPLOADS_PATH)
  if (upload === '' || upload?.startsWith('/')) return serveUpload(asked, upload)
  const name = after('/v1/calls/')
  if (name !== undefined) return serveCall(api, name, { ...asked, query })
  const changes = after('/v1/changes/')
  if (changes !== undefined) {
    checkRead(request)
    const log = api.readLog(requestPath(changes).path, { follow: true, limit: 0, signal })
    return sendEvents(response, log, { clock, signal })
  }
  switch (path) {
    case '/v1/watch':
      checkRead(request)
      return sendEvents(response, api.watch({ signal }), { clock, signal })
    case '/v1/openapi.json':
      checkRead(request)
      return sendJson(response, describeApi(version))
    case '/v1/status':
      checkRead(request)
      return sendJson(response, await api.status({ signal }))
    default:
      throw nothingAt(path)
  }
}

function checkRead({ method }: Exchange['request']): void {
  if (method !== 'GET') throw wrongMethod(method, 'GET')
}

function nothingAt(path: string): ShoalError {
  return new ShoalError('unsupported', `there is no ${path} here; see /v1/openapi.json`)
}
