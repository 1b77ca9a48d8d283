// How a volume's log tells of accounts: people, groups of them and programs that come in by a door
// of some node. An admin says so by policies, which are kept for good and verified one by one:
//   account:NAME                what it is, as JSON; empty once it is removed
//   account-grant:NAME:/PATH    the verbs that it has there and below; empty once they are revoked
//   account-secret:NAME:PEER    its secret, or its verifier, sealed to a machine that serves it
//   account-provider:NAME       of a group: the OpenID provider whose users are in it by a claim,
//                               and the machines that may say so; empty: nobody is any more
// An account that is made again has another generation, and a secret that is replaced another
// round: grants and secrets of those before do not count.
import { fromHex, toHex } from '../bytes.ts'
import { ShoalError } from '../errors.ts'
import { parsePeerId } from '../ids.ts'
import type { PeerId } from '../ids.ts'
import { GRANT_PATH_MAX, GROUPS_MAX, PROVIDER_URL_MAX, PROVIDER_VALUE_MAX } from '../limits.ts'
import { splitOnce } from '../split-once.ts'
import type { WallTime } from '../units.ts'
import { isVerb } from './verbs.ts'
import type { Verb } from './verbs.ts'

export type AccountKind = 'user' | 'group' | 'key'

/** The account itself, as an admin says it. */
export interface AccountRecord {
  readonly kind: AccountKind
  readonly generation: string
  /** The round of the secrets that count; absent: it has none. */
  readonly round?: string
  /** Groups whose grants it has too. */
  readonly groups: readonly string[]
  /** The purpose of a key, in a word. */
  readonly label?: string
  /** The kind of door that a key opens; absent: every one. */
  readonly door?: string
  readonly expiresMs?: WallTime
}

/** The provider of a group, as an admin says it. */
export interface ProviderRecord {
  /** The issuer, as the provider's tokens name it. */
  readonly url: string
  /** One of the values of the claim, which those have who are in the group. */
  readonly value: string
  /** Machines that may say that somebody is, up to their own role. */
  readonly on: readonly PeerId[]
}

const ACCOUNT = 'account:'
const GRANT = 'account-grant:'
const SECRET = 'account-secret:'
const PROVIDER = 'account-provider:'
const NAME = /^[a-z0-9][a-z0-9_.-]{0,62}$/
/** Begins the ids of keys; the rest tells the volume, and is chance. */
const KEY_ID = /^SHOAL[A-Z2-7]{23}$/
const TOKEN = /^[0-9a-f]{16}$/
const KINDS: readonly AccountKind[] = ['user', 'group', 'key']
const PROVIDER_PEERS_MAX = 32
const PROVIDER_URL = /^https?:\/\/[\x21-\x7e]+$/
const LABEL = /^[A-Za-z0-9][A-Za-z0-9 _.-]{0,62}$/
const FIELDS: readonly string[] = [
  'kind',
  'generation',
  'round',
  'groups',
  'label',
  'door',
  'expires',
]

const PROVIDER_FIELDS: readonly string[] = ['generation', 'url', 'value', 'on']

/** A name that a person or a group may have. */
export function isAccountName(text: string): boolean {
  return NAME.test(text) && text !== 'owner'
}

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text)
}

export function isKeyLabel(text: string): boolean {
  return LABEL.test(text)
}

export function accountPolicy(name: string): string {
  return ACCOUNT + name
}

/** path: as a volume's paths are, from '/'. throws ShoalError 'ENAMETOOLONG'. */
export function grantPolicy(name: string, path: string): string {
  if (path.length > GRANT_PATH_MAX)
    throw new ShoalError('ENAMETOOLONG', `a grant is for a path of at most ${GRANT_PATH_MAX} chars`)
  return `${GRANT}${name}:${path}`
}

export function secretPolicy(name: string, peer: PeerId): string {
  return `${SECRET}${name}:${peer}`
}

export function providerPolicy(group: string): string {
  return PROVIDER + group
}

/** Can it be said of a group? The bounds are those of what is read. */
export function isProvider({ url, value, on }: ProviderRecord): boolean {
  if (url.length > PROVIDER_URL_MAX || !PROVIDER_URL.test(url)) return false
  if (value === '' || value.length > PROVIDER_VALUE_MAX) return false
  return on.length > 0 && on.length <= PROVIDER_PEERS_MAX
}

export function encodeProvider(generation: string, provider: ProviderRecord | undefined): string {
  return provider === undefined ? '' : JSON.stringify({ generation, ...provider })
}

export function encodeAccount({ kind, generation, expiresMs, ...rest }: AccountRecord): string {
  return JSON.stringify({ kind, generation, expires: expiresMs, ...rest })
}

export function encodeGrant(generation: string, verbs: readonly Verb[]): string {
  return verbs.length === 0 ? '' : `${generation} ${verbs.join(',')}`
}

export function encodeSecret(round: string, sealed: Uint8Array): string {
  return `${round} ${toHex(sealed)}`
}

/** A statement of a policy about an account. */
export type AccountFact =
  | { readonly kind: 'account'; readonly name: string; readonly record: AccountRecord }
  | {
      readonly kind: 'grant'
      readonly name: string
      readonly path: string
      readonly generation: string
      readonly verbs: readonly Verb[]
    }
  | {
      readonly kind: 'secret'
      readonly name: string
      readonly peer: PeerId
      readonly round: string
      readonly sealed: Uint8Array
    }
  | {
      readonly kind: 'provider'
      readonly name: string
      readonly generation: string
      readonly provider: ProviderRecord
    }

/** Inverse of the above: what cannot be read says nothing. */
export function accountFact(key: string, value: string): AccountFact | undefined {
  if (value === '') return undefined
  if (key.startsWith(ACCOUNT)) {
    const name = key.slice(ACCOUNT.length)
    const record = decodeAccount(value)
    if (record === undefined) return undefined
    const isNamed = record.kind === 'key' ? isKeyId(name) : isAccountName(name)
    return isNamed ? { kind: 'account', name, record } : undefined
  }
  if (key.startsWith(GRANT)) return grantFact(key.slice(GRANT.length), value)
  if (key.startsWith(PROVIDER)) return providerFact(key.slice(PROVIDER.length), value)
  return key.startsWith(SECRET) ? secretFact(key.slice(SECRET.length), value) : undefined
}

function grantFact(rest: string, value: string): AccountFact | undefined {
  const [name, path] = splitOnce(rest, ':')
  const [generation, verbs] = splitOnce(value, ' ')
  const all = verbs.split(',')
  if (!path.startsWith('/') || !TOKEN.test(generation) || !all.every(isVerb)) return undefined
  return { kind: 'grant', name, path, generation, verbs: all }
}

function secretFact(rest: string, value: string): AccountFact | undefined {
  const [name, peer] = splitOnce(rest, ':')
  const [round, text] = splitOnce(value, ' ')
  if (!TOKEN.test(round)) return undefined
  try {
    return { kind: 'secret', name, peer: parsePeerId(peer), round, sealed: fromHex(text) }
  } catch {
    // It is no id or no hexadecimal, as only who means nothing by it writes it.
    return undefined
  }
}

function providerFact(name: string, text: string): AccountFact | undefined {
  const fields = fieldsOf(text, PROVIDER_FIELDS)
  const [generation, url, value, on] = PROVIDER_FIELDS.map((field) => fields?.get(field))
  if (!isToken(generation) || typeof url !== 'string' || typeof value !== 'string') return undefined
  if (!Array.isArray(on) || !on.every(isPeerId)) return undefined
  const provider = { url, value, on }
  return isProvider(provider) ? { kind: 'provider', name, generation, provider } : undefined
}

/** Field by field: what is not named here has no meaning, and makes the whole mean nothing. */
function decodeAccount(text: string): AccountRecord | undefined {
  const fields = fieldsOf(text, FIELDS)
  if (fields === undefined) return undefined
  const [kind, generation, round, groups, label, door, expires] = FIELDS.map((name) =>
    fields.get(name),
  )
  const known = KINDS.find((one) => one === kind)
  if (known === undefined || !isToken(generation) || !isListOfNames(groups)) return undefined
  if (round !== undefined && !isToken(round)) return undefined
  if (label !== undefined && !isShort(label)) return undefined
  if (door !== undefined && !isShort(door)) return undefined
  if (expires !== undefined && !Number.isSafeInteger(expires)) return undefined
  return {
    kind: known,
    generation,
    groups,
    ...(round !== undefined && { round }),
    ...(label !== undefined && { label }),
    ...(door !== undefined && { door }),
    ...(expires !== undefined && { expiresMs: expires as WallTime }),
  }
}

/** The fields of JSON text, none of them another than these. */
function fieldsOf(
  text: string,
  names: readonly string[],
): ReadonlyMap<string, unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // JSON.parse throws for nothing else than text that is none.
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const fields = new Map<string, unknown>(Object.entries(value))
  return [...fields.keys()].every((name) => names.includes(name)) ? fields : undefined
}

/** Is it a generation or a round? */
export function isToken(value: unknown): value is string {
  return typeof value === 'string' && TOKEN.test(value)
}

function isPeerId(value: unknown): value is PeerId {
  try {
    return typeof value === 'string' && parsePeerId(value) === value
  } catch {
    return false // it throws for what is none
  }
}

function isShort(value: unknown): value is string {
  return typeof value === 'string' && isKeyLabel(value)
}

function isListOfNames(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length <= GROUPS_MAX &&
    value.every((name) => typeof name === 'string' && isAccountName(name))
  )
}
