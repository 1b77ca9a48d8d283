// `shoal user add|ls|rm|passwd|group`: people who come in by the doors of some nodes.
import { ofVolumeOption } from '../arguments.ts'
import { agree } from '../confirm.ts'
import { readNewPassword } from '../secret.ts'
import {
  ON_HELP,
  accountsTable,
  addNewAccountOptions,
  describeAccount,
  newAccount,
  parseList,
  splitLogin,
} from './account-options.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'
import type { NewAccountOptions } from './account-options.ts'

const PASSWORD_FILE_HELP = 'file with the password (default: prompt)'

const ABOUT = `
A user logs in as NAME@VOLUME at a door (see "shoal door") of the machines that
serve it. Those alone hold what its password is checked against; none may have a
lower role in the volume than the user's grants need. Where a user may do
something is said by "shoal grant".

Examples:
  shoal user add anna --path /anna
  shoal user ls`

interface OfVolume {
  readonly volume?: string
}

export function addUser(program: Command, context: Context): void {
  const user = program
    .command('user')
    .description('manage people who come in by the doors of a node')
    .addHelpText('after', ABOUT)
  addAdd(user, context)
  user
    .command('ls')
    .description('list the users of a volume, or of all')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal user ls')
    .action(async ({ volume }: OfVolume) => {
      const accounts = await context.client.listAccounts({ volume })
      const users = accounts.filter(({ kind }) => kind === 'user')
      context.print(users, () => (users.length === 0 ? 'No users.' : accountsTable(users)))
    })
  addRm(user, context)
  addPasswd(user, context)
  addGroups(user, context)
}

function addAdd(user: Command, context: Context): void {
  const add = user.command('add <name>').description('make a user')
  addNewAccountOptions(add)
    .option('--password-file <file>', PASSWORD_FILE_HELP)
    .addHelpText(
      'after',
      '\nExamples:\n  shoal user add anna --path /anna\n  shoal user add guest --path /photos --read-only --on attic',
    )
    .action(
      async (
        login: string,
        { passwordFile, ...options }: NewAccountOptions & { readonly passwordFile?: string },
      ) => {
        const { name, volume } = splitLogin(login, options)
        const password = await readNewPassword(context, { passwordFile })
        const made = await context.client.addUser(name, password, {
          ...newAccount(options),
          volume,
        })
        context.print(made, () => describeAccount(made))
      },
    )
}

function addRm(user: Command, context: Context): void {
  user
    .command('rm <name>')
    .description('remove a user: what they wrote stays')
    .addOption(ofVolumeOption())
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  shoal user rm anna')
    .action(async (login: string, options: OfVolume & { readonly yes?: boolean }) => {
      const { name, volume } = splitLogin(login, options)
      await agree(context, `Remove the user ${name}?`, {
        yes: options.yes,
        otherwise: `${name} stays as it was`,
      })
      await context.client.removeAccount(name, { volume })
      context.print({ name }, () => `Removed ${name}.`)
    })
}

function addPasswd(user: Command, context: Context): void {
  user
    .command('passwd <name>')
    .description('set another password, and end what the one before opened')
    .option('--password-file <file>', PASSWORD_FILE_HELP)
    .option('--on <machines>', `${ON_HELP.replace('this one', 'those of now')}`, parseList)
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal user passwd anna --on attic,cellar')
    .action(
      async (
        login: string,
        options: OfVolume & { readonly passwordFile?: string; readonly on?: readonly string[] },
      ) => {
        const { name, volume } = splitLogin(login, options)
        const password = await readNewPassword(context, options)
        const changed = await context.client.setPassword(name, password, {
          volume,
          on: options.on,
        })
        context.print(changed, () => describeAccount(changed))
      },
    )
}

function addGroups(user: Command, context: Context): void {
  user
    .command('groups <name> [groups...]')
    .description('set the groups of a user: those that are named, and no others')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal user groups anna family')
    .action(async (login: string, groups: readonly string[], options: OfVolume) => {
      const { name, volume } = splitLogin(login, options)
      const changed = await context.client.setGroups(name, groups, { volume })
      context.print(changed, () => describeAccount(changed))
    })
}
