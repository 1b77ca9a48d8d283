// The accounts of one volume at this node: who they are, the secrets that this machine was given,
// and how an admin changes them.
import { toHex, utf8 } from '../../protocol/bytes.ts'
import { openFrom, sealTo } from '../../protocol/cipher.ts'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { publicKeyOf } from '../../protocol/ids.ts'
import type { PeerId, VolumeId } from '../../protocol/ids.ts'
import { accountsOf, grantsOf, whyClosed } from '../../protocol/accounts/accounts.ts'
import type { Account, Accounts } from '../../protocol/accounts/accounts.ts'
import { verbsOf } from '../../protocol/accounts/grants.ts'
import {
  accountPolicy,
  encodeAccount,
  encodeGrant,
  encodeProvider,
  encodeSecret,
  grantPolicy,
  isProvider,
  providerPolicy,
  secretPolicy,
} from '../../protocol/accounts/record.ts'
import type { AccountRecord, ProviderRecord } from '../../protocol/accounts/record.ts'
import { mayServe } from '../../protocol/accounts/verbs.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import { aRole } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { Volume } from '../log/volume.ts'
import type { Random } from '../world/world.ts'

const TOKEN_BYTES = 8
const SEED_BYTES = 32

/** An account that is to be, with the machines that serve it. */
export interface NewAccount {
  readonly name: string
  readonly record: Pick<AccountRecord, 'kind' | 'groups' | 'label' | 'door' | 'expiresMs'>
  readonly grants: readonly { readonly path: string; readonly verbs: readonly Verb[] }[]
  readonly secret?: NewSecret | undefined
}

export interface NewSecret {
  readonly bytes: Uint8Array
  readonly on: readonly PeerId[]
}

/** A policy that is to be set. */
type Setting = readonly [key: string, value: string]

export class VolumeAccounts {
  readonly #volume: Volume
  readonly #random: Pick<Random, 'bytes'>
  #known: { readonly of: unknown; readonly accounts: Accounts } | undefined

  constructor(volume: Volume, random: Pick<Random, 'bytes'>) {
    this.#volume = volume
    this.#random = random
  }

  /** cost: O(policies), once for each state of them. */
  all(): Accounts {
    const { state } = this.#volume.membership
    if (this.#known?.of !== state)
      this.#known = { of: state, accounts: accountsOf(state.policies()) }
    return this.#known.accounts
  }

  /** throws ShoalError 'ENOENT'. */
  find(name: string): Account {
    const account = this.all().get(name)
    if (account !== undefined) return account
    throw new ShoalError(
      'ENOENT',
      `there is no account ${name}; see "shoal user ls" and "shoal key ls"`,
    )
  }

  /** Why nobody comes in by it; undefined: it is good. */
  whyClosed(account: Account, now: WallTime): string | undefined {
    const { membership } = this.#volume
    const why = whyClosed(this.all(), account, { now, roleOf: (peer) => membership.roleOf(peer) })
    return why?.replace(/^\S+(?=, which)/, (peer) => membership.nameOf(peer as PeerId))
  }

  /** Its secret; undefined: this machine does not serve it. */
  secretOf({ name, record: { round }, secrets }: Account): Uint8Array | undefined {
    const { identity, id } = this.#volume
    const sealed = secrets.get(identity.peer)
    if (sealed === undefined || round === undefined) return undefined
    try {
      const opened = openFrom(identity.seed, sealed)
      const head = headOf(id, name, round)
      const isItsOwn = Buffer.from(opened.subarray(0, head.length)).equals(head)
      return isItsOwn ? opened.subarray(head.length) : undefined
    } catch (error) {
      if (hasCode(error, 'corrupt')) return undefined
      throw error
    }
  }

  /** throws ShoalError 'EEXIST', 'ENOENT' for a group, 'EPERM' for a machine of too low a role. */
  async add({ name, record, grants, secret }: NewAccount): Promise<void> {
    if (this.all().has(name)) throw new ShoalError('EEXIST', `there is an account ${name} already`)
    for (const group of record.groups) this.#findGroup(group)
    const generation = this.#token()
    const round = secret && this.#token()
    const made = { ...record, generation, ...(round !== undefined && { round }) }
    const account: Account = { name, record: made, grants, secrets: new Map() }
    await this.#set(account, [
      [accountPolicy(name), encodeAccount(made)],
      ...grants.map(({ path, verbs }): Setting => [
        grantPolicy(name, path),
        encodeGrant(generation, verbs),
      ]),
      ...this.#sealed(account, secret),
    ])
  }

  async remove(name: string): Promise<void> {
    const { grants, secrets, provider } = this.find(name)
    await this.#set(undefined, [
      [accountPolicy(name), ''],
      ...grants.map(({ path }): Setting => [grantPolicy(name, path), '']),
      ...[...secrets.keys()].map((peer): Setting => [secretPolicy(name, peer), '']),
      ...(provider === undefined ? [] : [[providerPolicy(name), ''] as const]),
    ])
  }

  /** Another secret, at these machines alone. */
  async setSecret(name: string, secret: NewSecret): Promise<void> {
    const account = this.find(name)
    if (account.record.kind === 'group')
      throw new ShoalError('usage', `${name} is a group: it has no password`)
    const record = { ...account.record, round: this.#token() }
    const gone = [...account.secrets.keys()].filter((peer) => !secret.on.includes(peer))
    const next = { ...account, record, secrets: new Map() }
    await this.#set(next, [
      [accountPolicy(name), encodeAccount(record)],
      ...this.#sealed(next, secret),
      ...gone.map((peer): Setting => [secretPolicy(name, peer), '']),
    ])
  }

  /** verbs: all that it may do there and below from now on; none: that is revoked. */
  async grant(name: string, path: string, verbs: readonly Verb[]): Promise<void> {
    const account = this.find(name)
    const others = account.grants.filter((grant) => grant.path !== path)
    if (verbs.length === 0 && others.length === account.grants.length)
      throw new ShoalError('ENOENT', `${name} has no grant for ${path}; see "shoal user ls"`)
    const grants = verbs.length === 0 ? others : [...others, { path, verbs }]
    await this.#set({ ...account, grants }, [
      [grantPolicy(name, path), encodeGrant(account.record.generation, verbs)],
    ])
  }

  /** The groups of a user or a key from now on. */
  async setGroups(name: string, groups: readonly string[]): Promise<void> {
    const account = this.find(name)
    if (account.record.kind === 'group')
      throw new ShoalError('usage', `${name} is a group: groups have no groups`)
    for (const group of groups) this.#findGroup(group)
    const record = { ...account.record, groups }
    await this.#set({ ...account, record }, [[accountPolicy(name), encodeAccount(record)]])
  }

  /** The provider whose users are in a group by their claim, from now on; undefined: none. */
  async setProvider(name: string, provider: ProviderRecord | undefined): Promise<void> {
    this.#findGroup(name)
    if (provider !== undefined && !isProvider(provider))
      throw new ShoalError('usage', 'a provider has a URL, a value of a claim, and machines')
    const account = this.find(name)
    await this.#set(undefined, [
      [providerPolicy(name), encodeProvider(account.record.generation, provider)],
    ])
  }

  #findGroup(name: string): void {
    if (this.find(name).record.kind !== 'group')
      throw new ShoalError('usage', `${name} is no group; see "shoal user ls"`)
  }

  /**
   * All of it or nothing, once no machine holds a secret that opens more than it may do itself.
   * changed: the account as it will be.
   */
  async #set(changed: Account | undefined, settings: readonly Setting[]): Promise<void> {
    if (changed !== undefined) this.#checkServing(changed)
    this.#volume.atomically(() => {
      for (const [key, value] of settings) this.#volume.submit({ kind: 'policy', key, value })
    })
    await this.#volume.commit()
  }

  /** Also of those that the change of a group concerns. */
  #checkServing(changed: Account): void {
    const accounts = new Map(this.all()).set(changed.name, changed)
    for (const account of accounts.values()) {
      const isConcerned =
        account === changed || account.record.groups.some((group) => group === changed.name)
      if (!isConcerned) continue
      for (const peer of account.secrets.keys())
        if (this.#servesNow(account.name, peer)) this.#checkServer(accounts, account, peer)
    }
  }

  /** One that may not serve it as it is has closed it already: it keeps nothing from changing. */
  #servesNow(name: string, peer: PeerId): boolean {
    const [accounts, role] = [this.all(), this.#volume.membership.roleOf(peer)]
    const account = accounts.get(name)
    return account === undefined || mayServe(role, verbsOf(grantsOf(accounts, account)))
  }

  /** throws ShoalError 'EPERM' naming the machine. */
  #checkServer(accounts: Accounts, account: Account, peer: PeerId): void {
    const { membership } = this.#volume
    const role = membership.roleOf(peer)
    if (mayServe(role, verbsOf(grantsOf(accounts, account)))) return
    throw new ShoalError(
      'EPERM',
      `${membership.nameOf(peer)} is ${role === undefined ? 'no member' : aRole(role)}, and ` +
        `${account.name} may do more than that: a secret is never given to a machine of a lower role`,
    )
  }

  #sealed(account: Account, secret: NewSecret | undefined): Setting[] {
    const { round } = account.record
    if (secret === undefined || round === undefined) return []
    const plain = Buffer.concat([headOf(this.#volume.id, account.name, round), secret.bytes])
    return secret.on.map((peer): Setting => {
      this.#checkServer(this.all(), account, peer)
      const sealed = sealTo(publicKeyOf(peer), plain, this.#random.bytes(SEED_BYTES))
      return [secretPolicy(account.name, peer), encodeSecret(round, sealed)]
    })
  }

  #token(): string {
    return toHex(this.#random.bytes(TOKEN_BYTES))
  }
}

/** Begins a sealed secret: says what it is for, so that none passes for that of another account. */
function headOf(volume: VolumeId, name: string, round: string): Uint8Array {
  return utf8(`${volume} ${name} ${round}\n`)
}
