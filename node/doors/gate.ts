// The gate of all doors: who may come in. A door says what a request shows of where it comes from
// and of who sent it; the gate lets it in or says why not, before anything of it is read.
import { ShoalError } from '../../protocol/errors.ts'
import type { VolumeId } from '../../protocol/ids.ts'
import { SECOND_MS } from '../../protocol/units.ts'
import type { NodeApi } from '../control/api.ts'
import type { Volumes } from '../log/volumes.ts'
import type { Clock } from '../world/world.ts'
import type { WriteLog } from '../observe/log-events.ts'
import { isOwnHost } from '../world/own-host.ts'
import type { Account } from '../../protocol/accounts/accounts.ts'
import type { Grant } from '../../protocol/accounts/grants.ts'
import type { SessionClaims } from '../../protocol/accounts/session.ts'
import type { Entrant, NodeAccounts } from '../accounts/node-accounts.ts'
import type { NamedVolume } from '../log/volumes.ts'
import { isSessionToken } from './account-sessions.ts'
import type { AccountSessions, GivenSession, SessionWish } from './account-sessions.ts'
import { limitedApi } from './limited-api.ts'
import { RequestRates } from './request-rates.ts'
import type { OwnerToken } from './owner-token.ts'
import type { SessionSecrets, Sessions } from './sessions.ts'
import type { DoorKey, Visit } from './visit.ts'
import { WrongSecrets } from './wrong-secrets.ts'

/** Whoever showed a wrong secret waits so long for the answer, up to so many at a time. */
const WRONG_MS: number = SECOND_MS
const WRONG_AT_ONCE_MAX = 32
/** The account, or id of a key, of who has the token of the node's owner. */
const OWNER = 'owner' as const
/** A login is written down so far. */
const LOGIN_MAX = 128
const BEARER = /^Bearer ([\w.-]+)$/i
const OWNER_TOKEN_MAX = 256
const BASIC = /^Basic +([A-Za-z0-9+/]{1,4096}={0,2}) *$/i

export interface Visitor {
  readonly door: string
  /** The address of the other end. */
  readonly address: string
  /** Headers of HTTP, where the door speaks it. */
  readonly host?: string | undefined
  readonly origin?: string | undefined
  /** It came by TLS. */
  readonly isSecure: boolean
  readonly passage: Passage
}

/** The outcome at the gate of one request, which the gate writes down. */
export interface Passage {
  /** As the request says; it was proven where `isAdmitted`. */
  who?: string
  isAdmitted: boolean
  /** Called when the request is answered. */
  onEnd?: () => void
}

export interface GateComponents {
  readonly api: NodeApi
  readonly clock: Clock
  readonly token: OwnerToken
  readonly sessions: Sessions
  readonly accountSessions: AccountSessions
  readonly accounts: NodeAccounts
  readonly volumes: Pick<Volumes, 'find'>
  readonly log: WriteLog
  /** Requests a second of one account. */
  readonly requestRate?: number | undefined
}

export class Gate {
  readonly #c: GateComponents
  readonly #owner: Visit
  readonly #guessed: WrongSecrets
  readonly #rates: RequestRates
  #wrong = 0
  /** All calls of the node. */
  readonly api: NodeApi
  /** By kind of door, how many were refused. */
  readonly refused: Map<string, number> = new Map()

  constructor(components: GateComponents) {
    this.#c = components
    const api = (this.api = components.api)
    this.#owner = { who: OWNER, account: OWNER, api, within: (other) => other }
    this.#guessed = new WrongSecrets(components.clock)
    this.#rates = new RequestRates(components.clock, components.requestRate)
  }

  /**
   * Refuse what a page of another origin asks, and what was sent to another name than one of this
   * machine (DNS rebinding). throws ShoalError 'EPERM'.
   */
  checkOrigin(visitor: Visitor): void {
    this.checkHost(visitor)
    if (isOfOtherPage(visitor))
      throw new ShoalError('EPERM', 'pages of other origins may ask nothing here')
  }

  /** The second alone. throws ShoalError 'EPERM'. */
  checkHost({ host, isSecure }: Visitor): void {
    // By TLS a page that was led here by its name server finds no certificate of its name.
    if (!isSecure && !isOwnHost(host))
      throw new ShoalError('EPERM', 'this door is for programs of this machine: ask for localhost')
  }

  /** With the rights of the owner: for what a door tells to those who are not in yet. */
  get forAnybody(): Pick<NodeApi, 'stat' | 'listVolumes' | 'volumeInfo'> {
    return this.#c.api
  }

  /**
   * authorization: the header of HTTP, with the token of the owner or of a session (RFC 6750), or
   * with login and password (RFC 7617). throws ShoalError 'EACCES', 'too-many'.
   */
  async byHeader(visitor: Visitor, authorization: string = ''): Promise<Visit> {
    const [, encoded] = BASIC.exec(authorization) ?? []
    if (encoded !== undefined) {
      const text = Buffer.from(encoded, 'base64').toString('utf8')
      const colon = text.indexOf(':')
      if (colon >= 0) return this.byPassword(visitor, text.slice(0, colon), text.slice(colon + 1))
    }
    const [, shown] = BEARER.exec(authorization) ?? []
    if (shown !== undefined && isSessionToken(shown))
      return this.bySessionClaims(visitor, await this.#c.accountSessions.claimsOf(shown))
    if (shown !== undefined && shown.length <= OWNER_TOKEN_MAX)
      if (await this.#c.token.opensWith(shown)) return this.#admit(visitor, this.#owner)
    return this.refuse(visitor, 'show the token of the owner, or login and password of an account')
  }

  /** login: 'owner', NAME@VOLUME or the id of a key. throws ShoalError 'EACCES', 'too-many'. */
  async byPassword(visitor: Visitor, login: string, password: string): Promise<Visit> {
    const entrant = await this.#prove(visitor, login, password)
    return this.#admit(visitor, entrant === OWNER ? this.#owner : this.#visitOf(entrant))
  }

  /** Begin a session of an account. throws as byPassword, ShoalError 'usage' for the owner. */
  async beginAccountSession(
    visitor: Visitor,
    { login, password }: { readonly login: string; readonly password: string },
    wish: SessionWish,
  ): Promise<GivenSession> {
    const entrant = await this.#prove(visitor, login, password)
    if (entrant === OWNER)
      throw new ShoalError('usage', 'the owner has no session by its token, which opens as it is')
    this.#admit(visitor, this.#visitOf(entrant))
    return this.#c.accountSessions.begin(entrant, wish)
  }

  /** throws ShoalError 'EACCES' where it does not count, or is not for such a door; 'too-many'. */
  bySessionClaims(visitor: Visitor, claims: SessionClaims): Visit {
    const { accountSessions } = this.#c
    const account = accountSessions.accountOf(claims)
    if (account !== undefined && !opens(account, visitor.door))
      throw new ShoalError('EACCES', 'the session is for another kind of door')
    const { holder } = claims
    const visit = this.#limited(accountSessions.named(claims), {
      who: accountSessions.loginOf(claims),
      account:
        holder.kind === 'account' ? holder.generation : `${holder.provider} ${holder.subject}`,
      grants: () => accountSessions.grants(claims),
    })
    return this.#admit(visitor, visit)
  }

  /** A code by which a page begins a session of the owner. */
  newCode(): string {
    return this.#c.sessions.newCode(this.#owner)
  }

  /** throws ShoalError 'EACCES', 'too-many'. */
  async beginSession(visitor: Visitor, code: string): Promise<SessionSecrets> {
    const begun = this.#c.sessions.begin(code)
    if (begun !== undefined) {
      this.#admit(visitor, this.#owner)
      return begun
    }
    return this.refuse(visitor, 'this link was used or is too old: "shoal console" prints another')
  }

  /** throws ShoalError 'EACCES', 'too-many'. */
  bySession(visitor: Visitor, secrets: SessionSecrets): Visit {
    const visit = this.#c.sessions.visitOf(secrets)
    // No need to slow anybody down: nobody guesses 64 bytes.
    if (visit !== undefined) return this.#admit(visitor, visit)
    throw new ShoalError('EACCES', 'the session has ended: "shoal console" prints a new link')
  }

  endSession(secrets: SessionSecrets): void {
    this.#c.sessions.end(secrets)
  }

  /**
   * The key by which a request is signed; undefined: none of that id comes in here. The signature
   * is the door's to check, and to refuse() where it is wrong. throws ShoalError 'too-many' after
   * many of those.
   */
  async keyOf(visitor: Visitor, id: string): Promise<DoorKey | undefined> {
    const { door, address, passage } = visitor
    passage.who = id
    this.#guessed.check(id, address)
    const admit = (visit: Visit) => (): Visit => this.#admit(visitor, visit)
    if (id === OWNER) return { secret: await this.#c.token.current(), admit: admit(this.#owner) }
    const entrant = this.#c.accounts.find(id)
    const { secret, account } = entrant ?? {}
    if (entrant === undefined || secret === undefined || account?.record.kind !== 'key')
      return undefined
    if (!opens(entrant.account, door)) return undefined
    const visit = this.#visitOf(entrant)
    return { secret: Buffer.from(secret).toString(), admit: admit(visit) }
  }

  /** It has shown who it is. throws ShoalError 'too-many'. */
  #admit({ passage }: Visitor, visit: Visit): Visit {
    passage.who = visit.who
    passage.isAdmitted = true
    // A request may show twice who it is.
    const { onEnd } = passage
    passage.onEnd = () => undefined
    onEnd?.()
    if (visit !== this.#owner) passage.onEnd = this.#rates.begin(visit.who)
    return visit
  }

  /** Whoever signed by the secret of a key is not among those who guess it. */
  showedSecret({ address }: Visitor, id: string): void {
    this.#guessed.right(id, address)
  }

  /** The account, or the owner, that has this password. throws ShoalError 'EACCES', 'too-many'. */
  async #prove(visitor: Visitor, login: string, password: string): Promise<Entrant | typeof OWNER> {
    const { address, passage } = visitor
    passage.who = login.slice(0, LOGIN_MAX)
    this.#guessed.check(login, address)
    const entrant = await this.#entrantBy(visitor, login, password)
    if (entrant === undefined)
      return this.refuse(visitor, 'the account or its password is wrong', login)
    this.#guessed.right(login, address)
    return entrant
  }

  async #entrantBy(
    { door }: Visitor,
    login: string,
    password: string,
  ): Promise<Entrant | typeof OWNER | undefined> {
    const { token, accounts } = this.#c
    if (login === OWNER) return (await token.opensWith(password)) ? OWNER : undefined
    const entrant = await accounts.byPassword(login, password)
    return entrant !== undefined && opens(entrant.account, door) ? entrant : undefined
  }

  #visitOf({ login, named, account: { record } }: Entrant): Visit {
    const { accounts } = this.#c
    const grants = (): Entrant['grants'] => {
      const now = accounts.find(login)
      const isSame =
        now?.account.record.generation === record.generation &&
        now.account.record.round === record.round
      if (isSame) return now.grants
      throw new ShoalError('EACCES', `${login} was removed, or has another secret by now`)
    }
    return this.#limited(named, { who: login, account: record.generation, grants })
  }

  #limited(
    { name, volume }: NamedVolume,
    { who, account, grants }: Pick<Visit, 'who' | 'account'> & { grants: () => readonly Grant[] },
  ): Visit {
    const { api, volumes } = this.#c
    const volumeOf = (text: string | undefined): VolumeId => volumes.find(text).volume.id
    const limits = { login: who, volume: volume.id, volumeName: name, grants, volumeOf }
    const within = (other: NodeApi): NodeApi => limitedApi(other, limits)
    return { who, account: `${volume.id} ${account}`, api: within(api), within }
  }

  /**
   * Slow down who showed a wrong secret, of `who` as it says. throws ShoalError 'EACCES' with the
   * text, 'too-many'.
   */
  async refuse(visitor: Visitor, text: string, who?: string): Promise<never> {
    const { clock, log } = this.#c
    const { door, address } = visitor
    if (this.#wrong >= WRONG_AT_ONCE_MAX) throw new ShoalError('too-many', 'too many wrong secrets')
    this.#wrong++
    this.refused.set(door, (this.refused.get(door) ?? 0) + 1)
    // No page locks out whoever sits at its browser, wherever it is from.
    if (who !== undefined && !isOfOtherPage(visitor)) this.#guessed.wrong(who, address)
    log('door.refused', { door, address, who })
    try {
      await clock.sleep(WRONG_MS)
    } finally {
      this.#wrong--
    }
    throw new ShoalError('EACCES', text)
  }
}

/** Did a page send it that is not of this door? */
function isOfOtherPage({ host, origin, isSecure }: Visitor): boolean {
  return origin !== undefined && origin !== `${isSecure ? 'https' : 'http'}://${host}`
}

/** Is a key for this kind of door? */
function opens({ record }: Account, door: string): boolean {
  return record.door === undefined || record.door === door
}
