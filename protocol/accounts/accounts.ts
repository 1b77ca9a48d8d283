// The accounts of a volume, as its policies tell of them: the same on every member. What an account
// may do is what it and its groups were granted. Its secrets count only while each machine that
// they are sealed to is a member that could do the same by itself: one that was removed, or is of a
// lower role by now, has them still.
import type { PeerId } from '../ids.ts'
import { aRole } from '../roles.ts'
import type { Role } from '../roles.ts'
import type { WallTime } from '../units.ts'
import { verbsOf } from './grants.ts'
import type { Grant } from './grants.ts'
import { accountFact } from './record.ts'
import type { AccountRecord, ProviderRecord } from './record.ts'
import { mayServe } from './verbs.ts'

export interface Account {
  readonly name: string
  readonly record: AccountRecord
  /** In order of their paths. */
  readonly grants: readonly Grant[]
  /** Its secret, sealed to each machine that serves it. */
  readonly secrets: ReadonlyMap<PeerId, Uint8Array>
  /** Names members of a group; no other account has one. */
  readonly provider?: ProviderRecord
}

export type Accounts = ReadonlyMap<string, Account>

/** cost: O(policies). */
export function accountsOf(policies: Iterable<readonly [key: string, value: string]>): Accounts {
  const facts = Array.from(policies, ([key, value]) => accountFact(key, value))
  const accounts = new Map<
    string,
    Account & {
      readonly grants: Grant[]
      readonly secrets: Map<PeerId, Uint8Array>
      provider?: ProviderRecord
    }
  >()
  for (const fact of facts)
    if (fact?.kind === 'account')
      accounts.set(fact.name, {
        name: fact.name,
        record: fact.record,
        grants: [],
        secrets: new Map(),
      })
  for (const fact of facts) {
    const account = fact && accounts.get(fact.name)
    if (account === undefined) continue
    const { generation, round } = account.record
    if (fact?.kind === 'grant' && fact.generation === generation)
      account.grants.push({ path: fact.path, verbs: fact.verbs })
    if (fact?.kind === 'provider' && fact.generation === generation)
      account.provider = fact.provider
    if (fact?.kind === 'secret' && fact.round === round) account.secrets.set(fact.peer, fact.sealed)
  }
  for (const { grants } of accounts.values()) grants.sort((a, b) => (a.path < b.path ? -1 : 1))
  return accounts
}

/** All that an account may do: its own grants, and those of its groups. */
export function grantsOf(accounts: Accounts, { grants, record }: Account): readonly Grant[] {
  const ofGroups = record.groups.map((name) => accounts.get(name))
  return [
    grants,
    ...ofGroups.map((group) => (group?.record.kind === 'group' ? group.grants : [])),
  ].flat()
}

/** Why nobody comes in by an account now; undefined: it is good. */
export function whyClosed(
  accounts: Accounts,
  account: Account,
  { now, roleOf }: { readonly now: WallTime; readonly roleOf: (peer: PeerId) => Role | undefined },
): string | undefined {
  const { record, secrets, name } = account
  const { expiresMs } = record
  if (record.kind === 'group') return 'it is a group'
  if (secrets.size === 0) return 'it has no secret'
  if (expiresMs !== undefined && now >= expiresMs) return 'it has expired'
  const verbs = verbsOf(grantsOf(accounts, account))
  for (const peer of secrets.keys()) {
    const role = roleOf(peer)
    if (role === undefined) return `${peer}, which has its secret, is no member any more`
    if (!mayServe(role, verbs))
      return `${peer}, which has its secret, is ${aRole(role)}, and ${name} may do more`
  }
  return undefined
}
