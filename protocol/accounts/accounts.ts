// The accounts of a volume, as its policies tell of them: the same on every member. What an account
// may do is what it and its groups were granted. Its secrets count only while each machine that
// they are sealed to is a member that could do the same by itself: one that was removed, or is of a
// lower role by now, has them still.
import type { PeerId } from '../ids.ts'
import { isPathWithin } from '../path-within.ts'
import { aRole } from '../roles.ts'
import type { Role } from '../roles.ts'
import type { WallTime } from '../units.ts'
import { accountFact } from './record.ts'
import type { AccountRecord } from './record.ts'
import { VERBS, includesVerb, mayServe } from './verbs.ts'
import type { Verb } from './verbs.ts'

export interface Grant {
  /** As a volume's paths are, from '/'. */
  readonly path: string
  readonly verbs: readonly Verb[]
}

export interface Account {
  readonly name: string
  readonly record: AccountRecord
  /** In order of their paths. */
  readonly grants: readonly Grant[]
  /** Its secret, sealed to each machine that serves it. */
  readonly secrets: ReadonlyMap<PeerId, Uint8Array>
}

export type Accounts = ReadonlyMap<string, Account>

/** cost: O(policies). */
export function accountsOf(policies: Iterable<readonly [key: string, value: string]>): Accounts {
  const facts = Array.from(policies, ([key, value]) => accountFact(key, value))
  const accounts = new Map<
    string,
    Account & { readonly grants: Grant[]; readonly secrets: Map<PeerId, Uint8Array> }
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

/** The verbs of all its grants. */
export function verbsOf(grants: readonly Grant[]): readonly Verb[] {
  return VERBS.filter((verb) => grants.some(({ verbs }) => verbs.includes(verb)))
}

/** May one with these grants do this at a path? Paths are compared part by part. */
export function isGranted(grants: readonly Grant[], verb: Verb, path: string): boolean {
  return grants.some((grant) => includesVerb(grant.verbs, verb) && isPathWithin(path, grant.path))
}

/** Does a path lead to something that is granted, though it is not itself? */
export function leadsToGrant(grants: readonly Grant[], path: string): boolean {
  return grants.some((grant) => isPathWithin(grant.path, path))
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
