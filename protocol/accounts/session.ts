// Sessions: a machine that knows who somebody is says so for a while in a signed token (JWT,
// RFC 7519), and other members take its word up to its own role. A token says who it was and under
// which secret; what that allows is looked up whenever it is used, so nothing that is revoked goes
// on. This is the part that says what tokens mean: their signatures are somebody else's.
import { parsePeerId } from '../ids.ts'
import type { PeerId, VolumeId } from '../ids.ts'
import { GRANT_PATH_MAX, GROUPS_MAX, PROVIDER_URL_MAX } from '../limits.ts'
import type { Role } from '../roles.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../units.ts'
import type { WallTime } from '../units.ts'
import { grantsOf } from './accounts.ts'
import type { Account, Accounts } from './accounts.ts'
import { boundGrants } from './grants.ts'
import type { Grant } from './grants.ts'
import { isAccountName, isKeyId, isToken } from './record.ts'
import { VERBS, isVerb, mayServe } from './verbs.ts'

/** A token is good for so long, and a session with all its tokens. */
export const TOKEN_MS: number = 15 * MINUTE_MS
export const SESSION_MS: number = 12 * HOUR_MS
/** The clocks of two machines differ by no more. */
export const CLOCK_SKEW_MS: number = MINUTE_MS
/** Chars of a token; below the 4096 bytes that browsers keep of a cookie. */
export const SESSION_TOKEN_MAX = 4000
/** Names the kind of token in its header: no other that is signed passes for one. */
export const SESSION_TYPE = 'shoal-session+jwt'
/** As RFC 8725 wants it: one algorithm, whatever a token says. */
export const SESSION_ALGORITHM = 'EdDSA'
export const SESSION_ID_BYTES = 16

/** The holder of a session: an account, or a user of an OpenID provider. */
export type SessionHolder =
  | {
      readonly kind: 'account'
      readonly name: string
      /** As of the account when it came in: with another password or anew, it is another. */
      readonly generation: string
      readonly round: string
    }
  | {
      readonly kind: 'provided'
      /** The URL of the provider, and its name of the user. */
      readonly provider: string
      readonly subject: string
      /** Groups of the volume. */
      readonly groups: readonly string[]
    }

export interface SessionClaims {
  /** The machine that says so. */
  readonly issuer: PeerId
  readonly volume: VolumeId
  /** The one machine at which it counts; absent: at every member. */
  readonly at?: PeerId
  readonly holder: SessionHolder
  /** It may do no more than this. */
  readonly bound: Grant
  /** The ids of this token, and of the session with all its tokens. */
  readonly token: string
  readonly session: string
  /** When somebody showed who it is, whole seconds as all of these. */
  readonly begunMs: WallTime
  readonly issuedMs: WallTime
  readonly endsMs: WallTime
  /** SHA-256, base64url, of a secret of a page, without which it counts nothing. */
  readonly page?: string
}

const ID = /^[0-9a-f]{32}$/
const VOLUME = /^[0-9a-f]{64}$/
const PAGE = /^[\w-]{43}$/
const SUBJECT = /^[\x21-\x7e]{1,255}$/
const FIELDS: ReadonlySet<string> = new Set(
  'iss aud vol sub jti sid auth_time iat exp path verbs page gen rnd idp groups'.split(' '),
)

/** Is it a name that a provider may have for a user? */
export function isSubject(text: string): boolean {
  return SUBJECT.test(text)
}

/** The payload of a token, as JSON has it. */
export function encodeSession(claims: SessionClaims): Readonly<Record<string, unknown>> {
  const { issuer, volume, at, holder, bound, token, session, page } = claims
  return {
    iss: issuer,
    aud: at ?? volume,
    vol: volume,
    sub: holder.kind === 'account' ? holder.name : holder.subject,
    jti: token,
    sid: session,
    auth_time: claims.begunMs / SECOND_MS,
    iat: claims.issuedMs / SECOND_MS,
    exp: claims.endsMs / SECOND_MS,
    path: bound.path,
    verbs: bound.verbs,
    ...(page !== undefined && { page }),
    ...(holder.kind === 'account'
      ? { gen: holder.generation, rnd: holder.round }
      : { idp: holder.provider, groups: holder.groups }),
  }
}

/** Inverse of the above. Undefined: a field is missing, is wrong, or has no meaning. */
export function decodeSession(value: unknown): SessionClaims | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = new Map<string, unknown>(Object.entries(value))
  if ([...fields.keys()].some((name) => !FIELDS.has(name))) return undefined
  const text = (name: string, form: RegExp): string | undefined => {
    const found = fields.get(name)
    return typeof found === 'string' && form.test(found) ? found : undefined
  }
  const issuer = peerOf(fields.get('iss'))
  const volume = text('vol', VOLUME) as VolumeId | undefined
  const [token, session] = [text('jti', ID), text('sid', ID)]
  const [begunMs, issuedMs, endsMs] = ['auth_time', 'iat', 'exp'].map((name) =>
    timeOf(fields.get(name)),
  )
  if (issuer === undefined || volume === undefined || token === undefined || session === undefined)
    return undefined
  if (begunMs === undefined || issuedMs === undefined || endsMs === undefined) return undefined
  const audience = fields.get('aud')
  const at = audience === volume ? undefined : peerOf(audience)
  if (audience !== volume && at === undefined) return undefined
  const [holder, bound, page] = [holderOf(fields), boundOf(fields), text('page', PAGE)]
  if (holder === undefined || bound === undefined) return undefined
  if (fields.has('page') && page === undefined) return undefined
  return {
    issuer,
    volume,
    holder,
    bound,
    token,
    session,
    begunMs,
    issuedMs,
    endsMs,
    ...(at !== undefined && { at }),
    ...(page !== undefined && { page }),
  }
}

/** Does it count at this time? Its issuer makes none that lasts longer than it may. */
export function isSessionTime(
  { begunMs, issuedMs, endsMs }: SessionClaims,
  now: WallTime,
): boolean {
  if (issuedMs > now + CLOCK_SKEW_MS || endsMs <= now - CLOCK_SKEW_MS) return false
  if (begunMs > issuedMs || issuedMs >= endsMs) return false
  return endsMs - issuedMs <= TOKEN_MS && endsMs - begunMs <= SESSION_MS
}

/**
 * The grants of a session now: those of its holder, as far as the machine that says so may do
 * it, within the bound of the session. Undefined: nobody has it any more.
 */
export function sessionGrants(
  accounts: Accounts,
  { issuer, holder, bound }: SessionClaims,
  roleOf: (peer: PeerId) => Role | undefined,
): readonly Grant[] | undefined {
  const role = roleOf(issuer)
  if (role === undefined) return undefined
  const granted =
    holder.kind === 'account'
      ? ofAccount(accounts, holder, issuer)
      : ofGroups(accounts, holder, issuer)
  const verbs = VERBS.filter((verb) => mayServe(role, [verb]))
  return granted && boundGrants(boundGrants(granted, { path: '/', verbs }), bound)
}

/** Groups of a volume that a machine may say somebody of a provider is in, and for which claim. */
export function providedGroups(
  accounts: Accounts,
  provider: string,
  issuer: PeerId,
): readonly { readonly name: string; readonly value: string }[] {
  return Array.from(accounts.values()).flatMap((account) =>
    isProvided(account, provider, issuer)
      ? [{ name: account.name, value: account.provider?.value ?? '' }]
      : [],
  )
}

/** Only a machine that has its secret can know that somebody showed it. */
function ofAccount(
  accounts: Accounts,
  { name, generation, round }: Extract<SessionHolder, { kind: 'account' }>,
  issuer: PeerId,
): readonly Grant[] | undefined {
  const account = accounts.get(name)
  if (account === undefined || account.record.kind === 'group') return undefined
  const { record, secrets } = account
  if (record.generation !== generation || record.round !== round) return undefined
  return secrets.has(issuer) ? grantsOf(accounts, account) : undefined
}

function ofGroups(
  accounts: Accounts,
  { provider, groups }: Extract<SessionHolder, { kind: 'provided' }>,
  issuer: PeerId,
): readonly Grant[] | undefined {
  const found = groups
    .map((name) => accounts.get(name))
    .filter((group) => group !== undefined && isProvided(group, provider, issuer))
  return found.length === 0 ? undefined : found.flatMap((group) => group?.grants ?? [])
}

function isProvided({ record, provider }: Account, url: string, issuer: PeerId): boolean {
  return record.kind === 'group' && provider?.url === url && provider.on.includes(issuer)
}

function holderOf(fields: ReadonlyMap<string, unknown>): SessionHolder | undefined {
  const [subject, generation, round, provider, groups] = ['sub', 'gen', 'rnd', 'idp', 'groups'].map(
    (name) => fields.get(name),
  )
  if (typeof subject !== 'string') return undefined
  if (provider === undefined && groups === undefined) {
    if (!isToken(generation) || !isToken(round)) return undefined
    return isAccountName(subject) || isKeyId(subject)
      ? { kind: 'account', name: subject, generation, round }
      : undefined
  }
  if (generation !== undefined || round !== undefined || !isSubject(subject)) return undefined
  if (typeof provider !== 'string' || provider.length > PROVIDER_URL_MAX) return undefined
  const isList = Array.isArray(groups) && groups.length > 0 && groups.length <= GROUPS_MAX
  if (!isList || !groups.every((name) => typeof name === 'string' && isAccountName(name)))
    return undefined
  return { kind: 'provided', provider, subject, groups }
}

function boundOf(fields: ReadonlyMap<string, unknown>): Grant | undefined {
  const [path, verbs] = [fields.get('path'), fields.get('verbs')]
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > GRANT_PATH_MAX)
    return undefined
  if (!Array.isArray(verbs) || verbs.length > VERBS.length) return undefined
  const isList = verbs.every((verb): verb is Grant['verbs'][number] => isVerb(String(verb)))
  return isList ? { path, verbs } : undefined
}

function peerOf(value: unknown): PeerId | undefined {
  try {
    return typeof value === 'string' ? parsePeerId(value) : undefined
  } catch {
    return undefined // it throws for what is none
  }
}

function timeOf(value: unknown): WallTime | undefined {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return undefined
  const ms = value * SECOND_MS
  return Number.isSafeInteger(ms) ? (ms as WallTime) : undefined
}
