// A provider of OpenID Connect, as its client sees it: authorization code with PKCE, tokens whose
// signatures are checked, answers bounded in time and size. Loaded by the door that has one, when
// somebody signs in by it.
import {
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  None,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
  AuthorizationResponseError,
  ClientError,
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  fetchUserInfo,
  refreshTokenGrant,
} from 'openid-client'
import type { ClientAuth, CustomFetch, IDToken } from 'openid-client'
import { ShoalError } from '../../../protocol/errors.ts'
import { MIB } from '../../../protocol/units.ts'
import type { OidcConfig } from '../../door-config.ts'
import { boundedFetch } from '../../world/web/bounded-fetch.ts'

const TIMEOUT_S = 10
const ANSWER_BYTES_MAX: number = MIB
/** Groups of somebody, and chars of one, that are looked at. */
const VALUES_MAX = 1000
const VALUE_MAX = 256

/** The secrets of one sign-in, made here and shown to nobody but where they belong. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  /** The code verifier of PKCE (RFC 7636). */
  readonly verifier: string
}

/** Somebody whom the provider knows. */
export interface ProviderUser {
  readonly subject: string
  /** The values of the claim about groups. */
  readonly values: readonly string[]
  readonly tokens: ProviderTokens
}

/** Tokens by which the provider is asked again. */
export interface ProviderTokens {
  readonly access: string
  readonly refresh?: string | undefined
}

export class OpenIdProvider {
  readonly #client: Configuration
  readonly #config: OidcConfig

  private constructor(client: Configuration, config: OidcConfig) {
    this.#client = client
    this.#config = config
  }

  /** throws ShoalError 'unreachable' where it does not say what it is. */
  static async open(config: OidcConfig, secret: string | undefined): Promise<OpenIdProvider> {
    const { issuer, client } = config
    const isPlain = issuer.startsWith('http:')
    const options = {
      timeout: TIMEOUT_S,
      [customFetch]: ask,
      execute: isPlain ? [allowInsecureRequests] : [],
    }
    const found = await asked(() => discovery(new URL(issuer), client, undefined, None(), options))
    const server = found.serverMetadata()
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const auth = authOf(methods, secret)
    const configuration = new Configuration(server, client, undefined, auth)
    configuration.timeout = TIMEOUT_S
    configuration[customFetch] = ask
    if (isPlain) allowInsecureRequests(configuration)
    enableNonRepudiationChecks(configuration)
    return new OpenIdProvider(configuration, config)
  }

  /** The URL at which somebody signs in, and is sent back to `redirect` from. */
  async signInUrl(redirect: string, { state, nonce, verifier }: SignInSecrets): Promise<string> {
    return buildAuthorizationUrl(this.#client, {
      response_type: 'code',
      redirect_uri: redirect,
      scope: ['openid', ...this.#config.scopes.filter((scope) => scope !== 'openid')].join(' '),
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    }).href
  }

  /**
   * The user that a code is of. back: the URL with what the provider sent. throws ShoalError
   * 'EACCES' for whatever is not as it must be, 'unreachable'.
   */
  async userOf(back: URL, { state, nonce, verifier }: SignInSecrets): Promise<ProviderUser> {
    return asked(async () => {
      const granted = await authorizationCodeGrant(this.#client, back, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      })
      const claims = granted.claims()
      if (claims === undefined) throw refused('it gave no ID token')
      const tokens = { access: granted.access_token, refresh: granted.refresh_token }
      return { subject: claims.sub, values: await this.#values(claims, tokens), tokens }
    })
  }

  /** The same user as the provider knows it now. throws ShoalError 'EACCES', 'unreachable'. */
  async userNow({ subject, tokens }: Omit<ProviderUser, 'values'>): Promise<ProviderUser> {
    return asked(async () => {
      const { access, refresh } = tokens
      if (refresh === undefined) {
        const values = await this.#values({ sub: subject }, { access })
        return { subject, values, tokens }
      }
      const granted = await refreshTokenGrant(this.#client, refresh)
      const claims: Pick<IDToken, 'sub'> = granted.claims() ?? { sub: subject }
      if (claims.sub !== subject) throw refused('it tells of somebody else')
      const renewed = { access: granted.access_token, refresh: granted.refresh_token ?? refresh }
      return { subject, values: await this.#values(claims, renewed), tokens: renewed }
    })
  }

  /** As the ID token says that has just come, or else the provider itself. */
  async #values(
    claims: Pick<IDToken, 'sub'> & Partial<IDToken>,
    { access }: ProviderTokens,
  ): Promise<readonly string[]> {
    const { groupsClaim } = this.#config
    if (Object.hasOwn(claims, groupsClaim)) return valuesIn(claims[groupsClaim])
    if (this.#client.serverMetadata().userinfo_endpoint === undefined) return []
    const told = await fetchUserInfo(this.#client, access, claims.sub)
    return Object.hasOwn(told, groupsClaim) ? valuesIn(told[groupsClaim]) : []
  }
}

function valuesIn(claim: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return all
    .slice(0, VALUES_MAX)
    .filter((value) => typeof value === 'string')
    .filter((value) => value.length <= VALUE_MAX)
}

function authOf(methods: readonly string[], secret: string | undefined): ClientAuth {
  if (secret === undefined) return None()
  return methods.includes('client_secret_basic')
    ? ClientSecretBasic(secret)
    : ClientSecretPost(secret)
}

const ask: CustomFetch = (url, { method, headers, body, signal }) => {
  const options = {
    method,
    headers,
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
  }
  return boundedFetch(url, options, ANSWER_BYTES_MAX)
}

/** Whatever is wrong, in two kinds: it says no or something impossible, or it does not answer. */
async function asked<Value>(run: () => Promise<Value>): Promise<Value> {
  try {
    return await run()
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause
    const isWrong = cause instanceof ClientError && !NO_ANSWER.has(cause.code ?? '')
    if (isWrong || REFUSALS.some((kind) => cause instanceof kind))
      throw refused('what it answered does not hold', cause)
    throw new ShoalError('unreachable', 'the provider does not answer; try again later', { cause })
  }
}

const REFUSALS = [ResponseBodyError, AuthorizationResponseError, WWWAuthenticateChallengeError]
/** As where what stands before the provider answers in its place. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  'OAUTH_TIMEOUT',
  'OAUTH_ABORT',
  'OAUTH_RESPONSE_IS_NOT_CONFORM',
])

function refused(why: string, cause?: unknown): ShoalError {
  return new ShoalError('EACCES', `the provider did not confirm who you are: ${why}`, { cause })
}
