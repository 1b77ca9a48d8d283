// `shoal group add|ls|rm`: groups, whose grants all in them have.
import { ofVolumeOption } from '../arguments.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { groupsTable, parseList, splitLogin } from './account-options.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

interface OfVolume {
  readonly volume?: string
}

interface ProviderOf extends OfVolume {
  readonly issuer?: string
  readonly value?: string
  readonly on?: readonly string[]
  readonly none?: boolean
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
      context.print(groups, () => (groups.length === 0 ? 'No groups.' : groupsTable(groups)))
    })
  group
    .command('provider <name>')
    .description('put the users of an OpenID provider into a group, by what it says of them')
    .option('--issuer <url>', 'the provider, as its tokens name it')
    .option('--value <text>', 'what their claim about groups has (default: the name of the group)')
    .option(
      '--on <machines>',
      'machines that may say so, with commas (default: this one)',
      parseList,
    )
    .option('--none', 'nobody any more: the sessions of those who were end')
    .addOption(ofVolumeOption())
    .addHelpText(
      'after',
      '\nExample:\n  shoal group provider family --issuer https://id.example --value home-family',
    )
    .action(async (login: string, options: ProviderOf) => {
      const { name, volume } = splitLogin(login, options)
      const { issuer, value, on, none = false } = options
      if ((issuer === undefined) !== none)
        throw new ShoalError('usage', 'give --issuer, or --none where there is to be none')
      const set = await context.client.setProvider(name, { url: issuer, value, on, volume })
      context.print(set, () =>
        set.provider === undefined
          ? `No provider puts anybody into ${set.name} any more.`
          : `Who is "${set.provider.value}" at ${set.provider.url} is in ${set.name}, as ` +
            `${set.provider.on.join(', ')} may say.`,
      )
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
