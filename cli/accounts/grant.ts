// `shoal grant` and `shoal revoke`: what users, groups and keys may do at paths.
import { VERBS } from '../../protocol/accounts/verbs.ts'
import { asPath } from '../paths.ts'
import { describeAccount, parseVerbs, splitLogin } from './account-options.ts'
import type { Command } from 'commander'
import type { Verb } from '../../protocol/accounts/verbs.ts'
import type { Context } from '../context.ts'

const READ: readonly Verb[] = ['read']

const ABOUT = `
What is granted counts for the path and all below it. The verbs are read, add
(make what was not there) and write (replace and remove, too). They replace what
was granted at that path before.

Examples:
  shoal grant anna /photos
  shoal grant family /photos read,add`

export function addGrant(program: Command, context: Context): void {
  program
    .command('grant <name> <path>')
    .argument('[verbs]', `some of ${VERBS.join(',')}`, parseVerbs, READ)
    .description('let a user, group or key do something at a path and below')
    .addHelpText('after', ABOUT)
    .action((login: string, path: string, verbs: readonly Verb[]) =>
      setGrant(context, login, path, verbs),
    )
}

export function addRevoke(program: Command, context: Context): void {
  program
    .command('revoke <name> <path>')
    .description('take back what was granted at a path')
    .addHelpText('after', '\nExample:\n  shoal revoke anna /photos')
    .action((login: string, path: string) => setGrant(context, login, path, []))
}

async function setGrant(
  context: Context,
  login: string,
  path: string,
  verbs: readonly Verb[],
): Promise<void> {
  const { name, volume } = splitLogin(login, {})
  const at = asPath(path)
  const isNamed = volume !== undefined && !at.includes(':')
  const changed = await context.client.setGrant(name, isNamed ? `${volume}:${at}` : at, verbs)
  context.print(changed, () => describeAccount(changed))
}
