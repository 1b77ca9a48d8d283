// Sessions of accounts, which this machine or another member of their volume began: tokens that
// this machine signs, takes, renews and ends. Whatever a token says, what it allows is asked of the
// volume as it is now, each time.
import { LRUCache } from 'lru-cache'
import {
  SESSION_ID_BYTES,
  SESSION_MS,
  SESSION_TOKEN_MAX,
  TOKEN_MS,
  decodeSession,
  isSessionTime,
  sessionGrants,
} from '../../protocol/accounts/session.ts'
import type { SessionClaims, SessionHolder } from '../../protocol/accounts/session.ts'
import type { Account } from '../../protocol/accounts/accounts.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { sha256 } from '../../protocol/hash.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Entrant, NodeAccounts } from '../accounts/node-accounts.ts'
import type { NamedVolume, Volumes } from '../log/volumes.ts'
import type { Kv } from '../store/kv.ts'
import type { Clock, Random } from '../world/world.ts'
import { EndedSessions } from './ended-sessions.ts'

/** Tokens whose signature was checked are known again. */
const VERIFIED_MAX = 256
const PAGE_BYTES = 32
const TOKEN = /^[\w-]{1,256}\.[\w-]+\.[\w-]{86}$/

export interface AccountSessionsComponents {
  readonly clock: Pick<Clock, 'wall'>
  readonly random: Pick<Random, 'bytes'>
  readonly kv: Kv
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'all'>
}

/** How far a session is to go, at most; by default as far as its holder may. */
export interface SessionWish {
  /** Its tokens count at this machine alone, and with the secret of the page. */
  readonly isOfPage?: boolean | undefined
  /** Its tokens count at this machine alone. */
  readonly isOfHere?: boolean | undefined
  readonly bound?: Grant | undefined
}

/** A session that begins, or goes on. */
export interface GivenSession {
  readonly token: string
  readonly claims: SessionClaims
  /** The secret of its page, told this once. */
  readonly page?: string
}

export class AccountSessions {
  readonly #c: AccountSessionsComponents
  readonly #ended: EndedSessions
  readonly #verified = new LRUCache<string, SessionClaims>({ max: VERIFIED_MAX })

  constructor(components: AccountSessionsComponents) {
    this.#c = components
    this.#ended = new EndedSessions(components.kv)
  }

  /** For who has just shown its password. */
  begin({ named, account }: Entrant, wish: SessionWish): Promise<GivenSession> {
    const { name, record } = account
    const { generation, round = '' } = record
    return this.beginOf(named, { kind: 'account', name, generation, round }, wish)
  }

  /** For a holder of whom this machine knows by other means. */
  async beginOf(
    named: NamedVolume,
    holder: SessionHolder,
    { isOfPage = false, isOfHere = isOfPage, bound }: SessionWish,
  ): Promise<GivenSession> {
    const { random } = this.#c
    const { id, identity } = named.volume
    const page = isOfPage ? Buffer.from(random.bytes(PAGE_BYTES)).toString('base64url') : undefined
    const given = await this.#give(named, {
      issuer: identity.peer,
      volume: id,
      holder,
      bound: bound ?? { path: '/', verbs: VERBS },
      session: this.#newId(),
      begunMs: wholeSecond(this.#c.clock.wall()),
      ...(isOfHere && { at: identity.peer }),
      ...(page !== undefined && { page: hashOf(page) }),
    })
    return page === undefined ? given : { ...given, page }
  }

  /**
   * The claims of a token that counts here and now. page: the secret that was shown with it. throws
   * ShoalError 'EACCES'. cost: a signature, once for each token.
   */
  async claimsOf(text: string, page?: string): Promise<SessionClaims> {
    const key = hashOf(text)
    const claims = this.#verified.get(key) ?? (await this.#verify(text))
    if (claims === undefined) throw ended()
    // Both are hashes: how far they agree tells nothing of the secret.
    if (claims.page !== (page && hashOf(page))) throw ended()
    this.grants(claims)
    this.#verified.set(key, claims)
    return claims
  }

  /** The grants of a session, as they are now. throws ShoalError 'EACCES'. */
  grants(claims: SessionClaims): readonly Grant[] {
    const { clock, accounts } = this.#c
    const { volume } = this.named(claims)
    const { at, holder } = claims
    if (at !== undefined && at !== volume.identity.peer) throw ended()
    if (!isSessionTime(claims, clock.wall()) || this.#ended.has(claims)) throw ended()
    const account = this.accountOf(claims)
    const isClosed =
      account === undefined
        ? holder.kind === 'account' || accounts.isCutOff(volume)
        : accounts.whyClosed(volume, account) !== undefined
    if (isClosed) throw ended()
    const roleOf = (peer: PeerId): ReturnType<typeof volume.membership.roleOf> =>
      volume.membership.roleOf(peer)
    const granted = sessionGrants(accounts.of(volume).all(), claims, roleOf)
    if (granted === undefined) throw ended()
    return granted
  }

  /** The account that holds a session. Undefined: there is none. */
  accountOf(claims: SessionClaims): Account | undefined {
    const { volume } = this.named(claims)
    const { holder } = claims
    return holder.kind === 'account'
      ? this.#c.accounts.of(volume).all().get(holder.name)
      : undefined
  }

  /** The volume of a session. throws ShoalError 'EACCES'. */
  named({ volume: id }: Pick<SessionClaims, 'volume'>): NamedVolume {
    const found = this.#c.volumes.all().find(({ volume }) => volume.id === id)
    if (found === undefined) throw ended()
    return found
  }

  /** As one who logs in is called: NAME@VOLUME, the id of a key, or a user of a provider. */
  loginOf(claims: SessionClaims): string {
    const { holder } = claims
    const { name } = this.named(claims)
    if (holder.kind === 'provided') return `provider:${holder.subject}@${name}`
    return this.accountOf(claims)?.record.kind === 'key' ? holder.name : `${holder.name}@${name}`
  }

  /**
   * Another token of the session, for a while longer. groups: of a provider's user, as the provider
   * says now. throws ShoalError 'EACCES' for one of another machine, or after its time.
   */
  async renew(claims: SessionClaims, groups?: readonly string[]): Promise<GivenSession> {
    const named = this.named(claims)
    this.grants(claims)
    if (claims.issuer !== named.volume.identity.peer)
      throw new ShoalError('EACCES', 'the machine that began a session renews it, and no other')
    const { holder } = claims
    if (holder.kind === 'account') return this.#give(named, claims)
    // Nobody else knows whether it is as it was.
    if (groups === undefined)
      throw new ShoalError('EACCES', 'the door of its provider renews a session, and no other')
    return this.#give(named, { ...claims, holder: { ...holder, groups } })
  }

  /** Ends it here, and its renewal. */
  async end(claims: SessionClaims): Promise<void> {
    await this.#ended.add(claims, this.#c.clock.wall())
  }

  async #give(
    { volume }: NamedVolume,
    session: Omit<SessionClaims, 'token' | 'issuedMs' | 'endsMs'>,
  ): Promise<GivenSession> {
    const issuedMs = wholeSecond(this.#c.clock.wall())
    const endsMs = Math.min(issuedMs + TOKEN_MS, session.begunMs + SESSION_MS) as WallTime
    const claims = { ...session, token: this.#newId(), issuedMs, endsMs }
    // Also for who may do nothing, or no more.
    this.grants(claims)
    const { signToken } = await import('./session-token.ts')
    return { claims, token: await signToken(volume.identity, claims) }
  }

  /** Bounds first, then who says so, then whether it did. */
  async #verify(text: string): Promise<SessionClaims | undefined> {
    if (text.length > SESSION_TOKEN_MAX || !TOKEN.test(text)) return undefined
    const shown = decodeSession(payloadOf(text))
    if (shown === undefined) return undefined
    const found = this.#c.volumes.all().find(({ volume }) => volume.id === shown.volume)
    if (found?.volume.membership.roleOf(shown.issuer) === undefined) return undefined
    const { verifyToken } = await import('./session-token.ts')
    return verifyToken(text, shown, this.#c.clock.wall())
  }

  #newId(): string {
    return toHex(this.#c.random.bytes(SESSION_ID_BYTES))
  }
}

/** Does it look like a token of a session? */
export function isSessionToken(text: string): boolean {
  return text.length <= SESSION_TOKEN_MAX && TOKEN.test(text)
}

function payloadOf(text: string): unknown {
  const [, payload = ''] = text.split('.')
  try {
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
  } catch {
    return undefined // whoever signed it writes JSON
  }
}

function hashOf(text: string): string {
  return Buffer.from(sha256(utf8(text))).toString('base64url')
}

function wholeSecond(now: WallTime): WallTime {
  return (Math.floor(now / SECOND_MS) * SECOND_MS) as WallTime
}

function ended(): ShoalError {
  return new ShoalError('EACCES', 'the session has ended, or does not count here: sign in again')
}
