// Options, names and tables that the commands about accounts share.
import { InvalidArgumentError } from 'commander'
import { VERBS, isVerb } from '../../protocol/accounts/verbs.ts'
import { formatTime, printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import type { Command } from 'commander'
import type { AccountInfo, NewUser } from '../../node/control/accounts.ts'
import type { Verb } from '../../protocol/accounts/verbs.ts'

const READ: readonly Verb[] = ['read']

/** Options of an account that is to be made. */
export interface NewAccountOptions {
  readonly volume?: string
  readonly on?: readonly string[]
  readonly group?: readonly string[]
  readonly path?: string
  readonly verbs?: readonly Verb[]
  readonly readOnly?: boolean
}

export function addNewAccountOptions(command: Command): Command {
  return command
    .option('--path <path>', 'folder or file that it may use, and all below')
    .option('--verbs <list>', `what it may do there: ${VERBS.join(',')} (default: all)`, parseVerbs)
    .option('--read-only', 'the same as --verbs read')
    .option('--group <names>', 'groups whose grants it has too, with commas', parseList)
    .option('--on <machines>', ON_HELP, parseList)
    .option('--volume <name>', "volume that it belongs to (default: the node's first)")
}

export const ON_HELP = 'machines that serve it, with commas (default: this one)'

export function newAccount(
  { volume, on, group, path, verbs, readOnly = false }: NewAccountOptions,
  defaultPath?: string,
): NewUser {
  return {
    volume,
    on,
    groups: group,
    path: path === undefined ? defaultPath : asPath(path),
    verbs: readOnly ? READ : verbs,
  }
}

/** throws InvalidArgumentError. */
export function parseVerbs(text: string): Verb[] {
  const verbs = text.split(',')
  if (verbs.every(isVerb)) return verbs
  throw new InvalidArgumentError(`Give some of ${VERBS.join(', ')}, with commas.`)
}

export function parseList(text: string): string[] {
  return text.split(',').filter((part) => part !== '')
}

/** NAME or NAME@VOLUME. */
export function splitLogin(
  login: string,
  { volume }: { readonly volume?: string | undefined },
): { readonly name: string; readonly volume: string | undefined } {
  const at = login.lastIndexOf('@')
  return at < 0
    ? { name: login, volume }
    : { name: login.slice(0, at), volume: login.slice(at + 1) }
}

export function describeAccount({ login, grants, on, groups, closed }: AccountInfo): string {
  const lines = [
    `Account  ${login}`,
    ...(on.length === 0 ? [] : [`Served by ${on.join(', ')}`]),
    ...(groups.length === 0 ? [] : [`Groups   ${groups.join(', ')}`]),
    `May      ${grantsText(grants)}`,
    ...(closed === undefined ? [] : [`Closed: ${closed}`]),
  ]
  return lines.map(printable).join('\n')
}

export function accountsTable(accounts: readonly AccountInfo[]): string {
  return table([
    ['LOGIN', 'LABEL', 'MAY', 'GROUPS', 'SERVED BY', 'STATE'],
    ...accounts.map(({ login, label = '', grants, groups, on, ...rest }) =>
      [login, label, grantsText(grants), groups.join(','), on.join(','), stateText(rest)].map(
        printable,
      ),
    ),
  ])
}

export function groupsTable(groups: readonly AccountInfo[]): string {
  return table([
    ['GROUP', 'MAY', 'OF A PROVIDER', 'AS SAID BY'],
    ...groups.map(({ login, grants, provider }) =>
      [
        login,
        grantsText(grants),
        provider === undefined ? '' : `${provider.value} at ${provider.url}`,
        provider?.on.join(',') ?? '',
      ].map(printable),
    ),
  ])
}

function stateText({ closed, expiresMs }: Pick<AccountInfo, 'closed' | 'expiresMs'>): string {
  if (closed !== undefined) return `closed: ${closed}`
  return expiresMs === undefined ? '' : `until ${formatTime(expiresMs)}`
}

function grantsText(grants: AccountInfo['grants']): string {
  if (grants.length === 0) return 'nothing by itself'
  return grants.map(({ path, verbs }) => `${verbs.join('+')} ${path}`).join('; ')
}
