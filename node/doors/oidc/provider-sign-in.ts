// People sign in at a provider of OpenID Connect in place of here: each sign-in is of the browser
// that began it, by a cookie, goes once to the provider and back, and ends in one session. What the
// provider says makes somebody a member of groups of the volume, whose grants are all it gives.
import { timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { utf8 } from '../../../protocol/bytes.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'
import { sha256 } from '../../../protocol/hash.ts'
import { GROUPS_MAX } from '../../../protocol/limits.ts'
import { SESSION_MS, isSubject, providedGroups } from '../../../protocol/accounts/session.ts'
import type { SessionClaims } from '../../../protocol/accounts/session.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import type { NodeAccounts } from '../../accounts/node-accounts.ts'
import type { OidcConfig } from '../../door-config.ts'
import type { NamedVolume, Volumes } from '../../log/volumes.ts'
import type { OpenIdProvider, ProviderUser, SignInSecrets } from './openid-provider.ts'
import type { Clock, Random } from '../../world/world.ts'
import type { AccountSessions, GivenSession, SessionWish } from '../account-sessions.ts'

const SECRET_BYTES = 32
/** Sign-ins that are under way: of more the oldest are forgotten. */
const UNDER_WAY_MAX = 256
export const SIGN_IN_MS: number = 10 * MINUTE_MS
/** Sessions whose renewal asks the provider. */
const ASKED_MAX = 1024

export interface ProviderSignInComponents {
  readonly clock: Pick<Clock, 'now'>
  readonly random: Pick<Random, 'bytes'>
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'find'>
  readonly sessions: AccountSessions
}

export interface ProviderSignInOptions {
  readonly config: OidcConfig
  /** The secret of the client. */
  readonly secret: string | undefined
}

type UnderWay =
  | { readonly kind: 'away'; readonly redirect: string; readonly secrets: SignInSecrets }
  | { readonly kind: 'back'; readonly codeHash: Uint8Array; readonly user: ProviderUser }

export class ProviderSignIn {
  readonly #c: ProviderSignInComponents
  readonly #options: ProviderSignInOptions
  /** By hashes of cookies. */
  readonly #underWay: LRUCache<string, UnderWay>
  /** By ids of sessions. */
  readonly #users: LRUCache<string, Promise<ProviderUser>>
  #provider: Promise<OpenIdProvider> | undefined

  constructor(components: ProviderSignInComponents, options: ProviderSignInOptions) {
    const { clock } = (this.#c = components)
    this.#options = options
    const passing = { ttlResolution: 0, perf: { now: () => clock.now() } }
    this.#underWay = new LRUCache({ max: UNDER_WAY_MAX, ttl: SIGN_IN_MS, ...passing })
    this.#users = new LRUCache({ max: ASKED_MAX, ttl: SESSION_MS, ...passing })
  }

  /** The provider, for people. */
  get name(): string {
    return new URL(this.#options.config.issuer).host
  }

  /**
   * Begin a sign-in that comes back to `redirect`: where to go, and the cookie that shows whose it
   * is. throws ShoalError 'unreachable'.
   */
  async begin(redirect: string): Promise<{ readonly url: string; readonly cookie: string }> {
    const provider = await this.#open()
    const cookie = this.#secret()
    const secrets = { state: this.#secret(), nonce: this.#secret(), verifier: this.#secret() }
    this.#underWay.set(keyOf(cookie), { kind: 'away', redirect, secrets })
    return { cookie, url: await provider.signInUrl(redirect, secrets) }
  }

  /**
   * Take who comes back from the provider. query: as the provider has sent it. returns a code that
   * begins its session once, with the same cookie. throws ShoalError 'EACCES', 'unreachable'.
   */
  async back(cookie: string, query: string): Promise<string> {
    const found = this.#underWay.get(keyOf(cookie))
    // Whatever it was, it comes back once.
    this.#underWay.delete(keyOf(cookie))
    if (found?.kind !== 'away')
      throw new ShoalError('EACCES', 'this sign-in has not begun here, or has ended: begin again')
    const provider = await this.#open()
    const user = await provider.userOf(new URL(`${found.redirect}?${query}`), found.secrets)
    if (!isSubject(user.subject))
      throw new ShoalError('EACCES', 'the provider calls you by what cannot be a name here')
    const code = this.#secret()
    this.#underWay.set(keyOf(cookie), { kind: 'back', codeHash: sha256(utf8(code)), user })
    return code
  }

  /**
   * Begin the session of a code. Undefined: it is not of this cookie. throws ShoalError 'EACCES'.
   */
  async finish(
    { cookie, code }: { readonly cookie: string; readonly code: string },
    wish: SessionWish,
  ): Promise<GivenSession | undefined> {
    const found = this.#underWay.get(keyOf(cookie))
    if (found?.kind !== 'back' || !timingSafeEqual(found.codeHash, sha256(utf8(code))))
      return undefined
    this.#underWay.delete(keyOf(cookie))
    const { user } = found
    const { issuer: provider } = this.#options.config
    const named = this.#named()
    const groups = this.#groupsOf(named, user)
    const holder = { kind: 'provided', provider, subject: user.subject, groups } as const
    const given = await this.#c.sessions.beginOf(named, holder, wish)
    this.#users.set(given.claims.session, Promise.resolve(user))
    return given
  }

  /**
   * Another token of a session, once the provider has said that its holder is in groups still. It
   * ends where the provider says no. throws ShoalError 'EACCES', 'unreachable'.
   */
  async renew(claims: SessionClaims): Promise<GivenSession> {
    const { sessions } = this.#c
    sessions.grants(claims)
    const { issuer, holder } = claims
    const isOwn =
      issuer === sessions.named(claims).volume.identity.peer &&
      holder.kind === 'provided' &&
      holder.provider === this.#options.config.issuer
    // Those of other machines and doors are not for this one to renew, or to end.
    if (!isOwn) return sessions.renew(claims)
    if (!this.#users.has(claims.session))
      throw new ShoalError('EACCES', 'this door has been opened since: sign in again')
    try {
      const user = await this.#userNow(claims.session)
      return await sessions.renew(claims, this.#groupsOf(sessions.named(claims), user))
    } catch (error) {
      if (hasCode(error, 'EACCES')) await this.end(claims)
      throw error
    }
  }

  async end(claims: SessionClaims): Promise<void> {
    this.#users.delete(claims.session)
    await this.#c.sessions.end(claims)
  }

  /** One after the other: many a provider takes it for theft that a token is shown twice. */
  async #userNow(session: string): Promise<ProviderUser> {
    const provider = await this.#open()
    const before = this.#users.get(session)
    if (before === undefined) throw new ShoalError('EACCES', 'the session has ended')
    const asking = before.then((user) => provider.userNow(user))
    // One that does not answer now may do so later.
    const kept = asking.catch((error: unknown) => {
      if (hasCode(error, 'unreachable')) return before
      throw error
    })
    kept.catch(() => this.#users.delete(session))
    this.#users.set(session, kept)
    return asking
  }

  /** throws ShoalError 'EACCES' where it is in none. */
  #groupsOf({ volume }: NamedVolume, { values }: ProviderUser): readonly string[] {
    const { issuer } = this.#options.config
    const all = this.#c.accounts.of(volume).all()
    const groups = providedGroups(all, issuer, volume.identity.peer)
      .filter(({ value }) => values.includes(value))
      .map(({ name }) => name)
    if (groups.length > 0) return groups.slice(0, GROUPS_MAX)
    throw new ShoalError('EACCES', `${this.name} puts you in no group of the volume`)
  }

  #named(): NamedVolume {
    return this.#c.volumes.find(this.#options.config.volume)
  }

  /** Asked for what it is when it is needed first, and again where it did not say. */
  async #open(): Promise<OpenIdProvider> {
    const { config, secret } = this.#options
    this.#provider ??= import('./openid-provider.ts').then(({ OpenIdProvider: Provider }) =>
      Provider.open(config, secret),
    )
    try {
      return await this.#provider
    } catch (error) {
      this.#provider = undefined
      throw error
    }
  }

  #secret(): string {
    return Buffer.from(this.#c.random.bytes(SECRET_BYTES)).toString('base64url')
  }
}

function keyOf(cookie: string): string {
  return Buffer.from(sha256(utf8(cookie))).toString('base64')
}
