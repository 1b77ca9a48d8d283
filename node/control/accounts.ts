// The owner's calls about accounts: people, groups of them and keys of programs that come in by the
// doors of some nodes. They belong to a volume and are the same on each of its members; an admin
// changes them.
import {
  GRANT_PATH_MAX,
  GROUPS_MAX,
  PROVIDER_URL_MAX,
  PROVIDER_VALUE_MAX,
} from '../../protocol/limits.ts'
import { VERBS } from '../../protocol/accounts/verbs.ts'
import { call } from './route.ts'
import type { AccountKind } from '../../protocol/accounts/record.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { CallOptions, VolumeCallOptions } from './api.ts'
import type { RoutesOf } from './route.ts'

const PASSWORD_TEXT_MAX = 1024
const MACHINES_MAX = 64

/**
 * Every one throws 'no-such-volume'; those that change something 'EPERM' on a node that is no
 * admin, or where a machine that is to hold a secret may itself do less than the account.
 */
export interface AccountsApi {
  /** Lists those of a volume, or of all, in order of their names. */
  listAccounts(options?: VolumeCallOptions): Promise<readonly AccountInfo[]>
  /** throws 'EEXIST', 'usage', 'ENOENT' for a group. */
  addUser(name: string, password: string, options?: NewUser): Promise<AccountInfo>
  /** throws 'EEXIST', 'usage'. */
  addGroup(name: string, options?: VolumeCallOptions): Promise<AccountInfo>
  /** Its secret is told this once. throws 'ENOENT' for a group, 'usage'. */
  createKey(label: string, options?: NewKey): Promise<CreatedKey>
  /** throws 'ENOENT'. */
  removeAccount(name: string, options?: VolumeCallOptions): Promise<void>
  /** Another password of a user; it is known to these machines alone from now on. */
  setPassword(name: string, password: string, options?: ServedOptions): Promise<AccountInfo>
  /** The groups of a user or a key from now on. throws 'ENOENT'. */
  setGroups(
    name: string,
    groups: readonly string[],
    options?: VolumeCallOptions,
  ): Promise<AccountInfo>
  /**
   * Put the users of an OpenID provider into a group who have a value in the claim about groups;
   * without a URL, nobody any more. throws 'ENOENT', 'usage' for what is no group.
   */
  setProvider(name: string, options?: ProviderOptions): Promise<AccountInfo>
  /** Set what an account may do at a path of its volume and below; nothing: it is revoked. */
  setGrant(
    name: string,
    path: string,
    verbs: readonly Verb[],
    options?: CallOptions,
  ): Promise<AccountInfo>
}

export const accountsRoutes: RoutesOf<AccountsApi> = {
  listAccounts: call([], ({ volume }) => ({ volume })),
  addUser: call(['name', 'password'], ({ label, text, volume, many, path, oneOf }) => ({
    name: label,
    password: text(1, PASSWORD_TEXT_MAX),
    volume,
    on: many(label, 1, MACHINES_MAX).optional(),
    groups: many(label, 0, GROUPS_MAX).optional(),
    path: path.optional(),
    verbs: many(oneOf(VERBS), 1, VERBS.length).optional(),
  })),
  addGroup: call(['name'], ({ label, volume }) => ({ name: label, volume })),
  createKey: call(['label'], ({ label, volume, many, path, oneOf, wallTime }) => ({
    label,
    volume,
    on: many(label, 1, MACHINES_MAX).optional(),
    groups: many(label, 0, GROUPS_MAX).optional(),
    path: path.optional(),
    verbs: many(oneOf(VERBS), 1, VERBS.length).optional(),
    door: label.optional(),
    expiresMs: wallTime.optional(),
  })),
  removeAccount: call(['name'], ({ label, volume }) => ({ name: label, volume })),
  setPassword: call(['name', 'password'], ({ label, text, volume, many }) => ({
    name: label,
    password: text(1, PASSWORD_TEXT_MAX),
    volume,
    on: many(label, 1, MACHINES_MAX).optional(),
  })),
  setGroups: call(['name', 'groups'], ({ label, volume, many }) => ({
    name: label,
    groups: many(label, 0, GROUPS_MAX),
    volume,
  })),
  setProvider: call(['name'], ({ label, text, volume, many }) => ({
    name: label,
    url: text(1, PROVIDER_URL_MAX).optional(),
    value: text(1, PROVIDER_VALUE_MAX).optional(),
    volume,
    on: many(label, 1, MACHINES_MAX).optional(),
  })),
  setGrant: call(['name', 'path', 'verbs'], ({ label, text, many, oneOf }) => ({
    name: label,
    path: text(1, GRANT_PATH_MAX),
    verbs: many(oneOf(VERBS), 0, VERBS.length),
  })),
}

export interface ServedOptions extends VolumeCallOptions {
  /** The machines that serve it. Default: those of now, for a new one this node. */
  readonly on?: readonly string[] | undefined
}

export interface ProviderOptions extends VolumeCallOptions {
  /** The issuer, as the provider's tokens name it. */
  readonly url?: string | undefined
  /** The value of the claim. Default: the name of the group. */
  readonly value?: string | undefined
  /** The machines that may say so of somebody, up to their own role. Default: this node. */
  readonly on?: readonly string[] | undefined
}

export interface NewUser extends ServedOptions {
  readonly groups?: readonly string[] | undefined
  /** The path at which it is granted the verbs. Default: none. */
  readonly path?: string | undefined
  /** Default: all. */
  readonly verbs?: readonly Verb[] | undefined
}

export interface NewKey extends NewUser {
  /** The kind of door that it opens: 's3', ... Default: every one. */
  readonly door?: string | undefined
  readonly expiresMs?: WallTime | undefined
}

export interface AccountInfo {
  readonly volume: string
  /** As one logs in: NAME@VOLUME, or the id of a key. */
  readonly login: string
  readonly name: string
  readonly kind: AccountKind
  readonly label?: string | undefined
  readonly door?: string | undefined
  readonly expiresMs?: WallTime | undefined
  readonly groups: readonly string[]
  readonly grants: readonly { readonly path: string; readonly verbs: readonly Verb[] }[]
  /** The names of the machines that serve it. */
  readonly on: readonly string[]
  /** The provider whose users are in the group, and by which value of a claim. */
  readonly provider?:
    { readonly url: string; readonly value: string; readonly on: readonly string[] } | undefined
  /** Why nobody comes in by it now. */
  readonly closed?: string | undefined
}

export interface CreatedKey {
  readonly account: AccountInfo
  readonly secret: string
}
