// A real provider of OpenID Connect in this process, with people whose groups a test sets, that can
// be told to answer with another ID token than it should; and a browser without a screen, which
// follows redirects and fills in the forms.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { SignJWT, decodeJwt, importJWK } from 'jose'
import Provider from 'oidc-provider'
import { asked } from '../cli/ask-http.ts'
import type { Answer, Ask } from '../cli/ask-http.ts'
import type { JWK, JWTPayload } from 'jose'
import type { Configuration } from 'oidc-provider'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage, ServerResponse } from 'node:http'

export const CLIENT = 'shoal'
export const CLIENT_SECRET = 'secret of the client'
const REDIRECT = 'http://127.0.0.1/v1/session/provider'
const STEPS_MAX = 12
const HOUR_S = 3600

type Tamper = (claims: JWTPayload) => JWTPayload

export class TestProvider {
  readonly issuer: string
  /** By the names of people, their groups. */
  readonly groups: Map<string, readonly string[]> = new Map()
  /** Changes what the next ID tokens say, before they are signed. */
  tamper: Tamper | undefined
  /** Signs ID tokens with a key that the provider does not name. */
  isForged = false
  readonly #close: () => Promise<void>

  private constructor(issuer: string, close: () => Promise<void>) {
    this.issuer = issuer
    this.#close = close
  }

  /** refreshes: gives tokens for renewal; else its client asks by the access token. */
  static async open({ refreshes = true }: { refreshes?: boolean } = {}): Promise<TestProvider> {
    const [own, other] = [newKey(), newKey()]
    let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {}
    const server = createServer((request, response) => answer(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const made = new TestProvider(issuer, async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    })
    const provider = new Provider(issuer, made.#configuration(own, refreshes))
    const callback = provider.callback()
    answer = (request, response) => {
      if (request.url === '/token') made.#tamperWith(response, made.isForged ? other : own)
      void callback(request, response)
    }
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }

  #configuration(key: JWK, refreshes: boolean): Configuration {
    return {
      clients: [
        {
          client_id: CLIENT,
          client_secret: CLIENT_SECRET,
          application_type: 'native',
          redirect_uris: [REDIRECT],
          grant_types: ['authorization_code', 'refresh_token'],
          id_token_signed_response_alg: 'ES256',
        },
      ],
      jwks: { keys: [key] },
      claims: { openid: ['sub'], profile: ['groups'] },
      // With tokens for renewal they have the groups in ID tokens too, without in answers alone.
      conformIdTokenClaims: !refreshes,
      issueRefreshToken: () => refreshes,
      findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, groups: [...(this.groups.get(id) ?? [])] }),
      }),
      cookies: { keys: ['a key of this test'] },
      ttl: {
        AccessToken: HOUR_S,
        Grant: HOUR_S,
        IdToken: HOUR_S,
        Interaction: HOUR_S,
        RefreshToken: HOUR_S,
        Session: HOUR_S,
      },
    }
  }

  /** The ID token of an answer becomes another. */
  #tamperWith(response: ServerResponse, key: JWK): void {
    const { tamper, isForged } = this
    if (tamper === undefined && !isForged) return
    const end = response.end.bind(response)
    const changed = async (text: string): Promise<void> => {
      const body = JSON.parse(text) as { id_token?: string }
      if (body.id_token !== undefined) {
        const claims = decodeJwt(body.id_token)
        const signed = new SignJWT(tamper === undefined ? claims : tamper(claims))
        signed.setProtectedHeader({ alg: 'ES256', kid: String(key.kid) })
        body.id_token = await signed.sign(await importJWK(key, 'ES256'))
      }
      const json = JSON.stringify(body)
      response.setHeader('content-length', Buffer.byteLength(json))
      end(json)
    }
    response.end = ((body: unknown) => {
      void changed(String(body))
      return response
    }) as typeof response.end
  }
}

/** An ES256 key of a provider, with its secret part. */
function newKey(): JWK {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...(privateKey.export({ format: 'jwk' }) as JWK), use: 'sig', alg: 'ES256', kid: 'one' }
}

/** A browser: keeps cookies of each host and port, and goes where it is sent. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>()

  /** One request, with the cookies of where it goes. */
  async ask(url: URL, ask: Ask = {}): Promise<Answer> {
    const jar = this.cookiesOf(url)
    const cookie = Array.from(jar, ([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie !== '' && { cookie }), ...ask.headers }
    const answer = await asked(url, url.pathname + url.search, { ...ask, headers })
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    return answer
  }

  cookiesOf({ host }: URL): Map<string, string> {
    const known = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, known)
    return known
  }

  /** Sign in at the provider as somebody, from where it sent us. returns where it sends us back. */
  async signIn(start: string, name: string): Promise<URL> {
    const { host } = new URL(start)
    let at = new URL(start)
    let answer = await this.ask(at)
    for (let step = 0; step < STEPS_MAX; step++) {
      const { location } = answer.headers
      if (location !== undefined) {
        at = new URL(location, at)
        if (at.host !== host) return at
        answer = await this.ask(at)
        continue
      }
      const [, action] = /action="([^"]+)"/.exec(answer.text) ?? []
      if (action === undefined) throw new Error(`the provider shows no form: ${answer.text}`)
      const isLogin = answer.text.includes('value="login"')
      const fields = isLogin
        ? { prompt: 'login', login: name, password: 'x' }
        : { prompt: 'consent' }
      at = new URL(action, at)
      const body = new URLSearchParams(fields as Record<string, string>).toString()
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      answer = await this.ask(at, { method: 'POST', headers, body })
    }
    throw new Error('the provider does not come to an end')
  }
}
