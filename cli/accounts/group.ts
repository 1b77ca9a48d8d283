// `shoal group add|ls|rm`: groups, whose grants all in them have.
import { ofVolumeOption } from '../arguments.ts'
import { accountsTable, splitLogin } from './account-options.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

interface OfVolume {
  readonly volume?: string
}

export function addGroup(program: Command, context: Context): void {
  const group = program
    .command('group')
    .description('manage groups of users and keys')
    .addHelpText(
      'after',
      '\nExamples:\n  shoal group add family\n  shoal grant family /photos read,add',
    )
  group
    .command('add <name>')
    .description('make a group')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal group add family')
    .action(async (login: string, options: OfVolume) => {
      const { name, volume } = splitLogin(login, options)
      const made = await context.client.addGroup(name, { volume })
      context.print(made, () => `Made the group ${made.name}.`)
    })
  group
    .command('ls')
    .description('list the groups of a volume, or of all')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal group ls')
    .action(async ({ volume }: OfVolume) => {
      const accounts = await context.client.listAccounts({ volume })
      const groups = accounts.filter(({ kind }) => kind === 'group')
      context.print(groups, () => (groups.length === 0 ? 'No groups.' : accountsTable(groups)))
    })
  group
    .command('rm <name>')
    .description('remove a group: who was in it loses what it was granted')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal group rm family')
    .action(async (login: string, options: OfVolume) => {
      const { name, volume } = splitLogin(login, options)
      await context.client.removeAccount(name, { volume })
      context.print({ name }, () => `Removed ${name}.`)
    })
}
