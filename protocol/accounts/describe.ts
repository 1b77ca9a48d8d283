// A policy about accounts in words, for the history of a volume: secrets are never shown, sealed as
// they may be.
import { accountFact } from './record.ts'
import type { AccountFact } from './record.ts'
import type { PeerId } from '../ids.ts'

const ABOUT_ACCOUNTS = /^account(-grant|-secret|-provider)?:([^:]*):?(.*)$/s

/** Undefined: it is about something else. */
export function accountText(
  { key, value }: { readonly key: string; readonly value: string },
  nameOf: (peer: PeerId) => string,
): string | undefined {
  const [matched, about = '', name = '', rest = ''] = ABOUT_ACCOUNTS.exec(key) ?? []
  if (matched === undefined) return undefined
  const fact = accountFact(key, value)
  if (fact !== undefined) return factText(fact, nameOf)
  if (value !== '') return `wrote what means nothing about the account ${name}`
  if (about === '-grant') return `revoked what ${name} might do at ${rest}`
  if (about === '-secret') return `took the secret of ${name} from ${nameOf(rest as PeerId)}`
  if (about === '-provider') return `took ${name} from the users of its provider`
  return `removed the account ${name}`
}

function factText(fact: AccountFact, nameOf: (peer: PeerId) => string): string {
  switch (fact.kind) {
    case 'account': {
      const { kind, label, groups } = fact.record
      const called = label === undefined ? '' : ` (${label})`
      const within = groups.length === 0 ? '' : ` in ${groups.join(', ')}`
      return `set up the ${kind} ${fact.name}${called}${within}`
    }
    case 'grant':
      return `granted ${fact.name} ${fact.verbs.join(', ')} at ${fact.path}`
    case 'provider': {
      const { url, value, on } = fact.provider
      const by = on.map(nameOf).join(', ')
      return `put who is "${value}" at ${url} in ${fact.name}, as ${by} may say`
    }
    case 'secret':
      return `gave the secret of ${fact.name} to ${nameOf(fact.peer)}`
  }
}
