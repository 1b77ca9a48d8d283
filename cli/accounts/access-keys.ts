// `shoal key create|ls|rm`: keys of programs that come in by the doors of some nodes.
import { Option } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { ofVolumeOption, parseDuration } from '../arguments.ts'
import { agree } from '../confirm.ts'
import { printable } from '../output.ts'
import {
  accountsTable,
  addNewAccountOptions,
  describeAccount,
  newAccount,
} from './account-options.ts'
import type { Command } from 'commander'
import type { AccountInfo } from '../../node/control/accounts.ts'
import type { Context } from '../context.ts'
import type { WallTime } from '../../protocol/units.ts'
import type { NewAccountOptions } from './account-options.ts'

const CREATE_HELP = `
Prints the id of the key and its secret, which is shown this once: the access
key and secret key of S3, or login and password at other doors.

Examples:
  shoal key create backup --door s3 --path /backup
  shoal key create phone --path /photos --read-only --expires 90d`

interface CreateOptions extends NewAccountOptions {
  readonly door?: string
  readonly expires?: number
}

interface OfVolume {
  readonly volume?: string
}

export function addAccessKeys(key: Command, context: Context): void {
  addCreate(key, context)
  key
    .command('ls')
    .description('list the keys of programs of a volume, or of all')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal key ls')
    .action(async ({ volume }: OfVolume) => {
      const keys = await keysOf(context, volume)
      context.print(keys, () => (keys.length === 0 ? 'No keys.' : accountsTable(keys)))
    })
  addRm(key, context)
}

function addCreate(key: Command, context: Context): void {
  const create = key.command('create <label>').description('make a key for a program')
  addNewAccountOptions(create)
    .addOption(
      new Option('--door <kind>', 'the one kind of door that it opens (default: any)').choices([
        'http',
        's3',
        'webdav',
      ]),
    )
    .addOption(
      new Option('--expires <time>', 'time after which it opens nothing, such as 90d').argParser(
        parseDuration,
      ),
    )
    .addHelpText('after', CREATE_HELP)
    .action(async (label: string, { door, expires, ...options }: CreateOptions) => {
      const { account, secret } = await context.client.createKey(label, {
        ...newAccount(options, '/'),
        door,
        expiresMs: expires === undefined ? undefined : ((Date.now() + expires) as WallTime),
      })
      context.tell(describeAccount(account))
      context.print({ ...account, secret }, () => `Key      ${account.name}\nSecret   ${secret}`)
    })
}

function addRm(key: Command, context: Context): void {
  key
    .command('rm <key>')
    .description('remove a key of a program, by its id or label')
    .addOption(ofVolumeOption())
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  shoal key rm backup')
    .action(async (text: string, { volume, yes }: OfVolume & { readonly yes?: boolean }) => {
      const found = await findKey(context, text, volume)
      const called = printable(found.label ?? found.name)
      await agree(context, `Remove the key ${called}?`, {
        yes,
        otherwise: `${called} stays as it was`,
      })
      await context.client.removeAccount(found.name, { volume: found.volume })
      context.print({ name: found.name }, () => `Removed ${called}.`)
    })
}

async function keysOf(context: Context, volume: string | undefined): Promise<AccountInfo[]> {
  const accounts = await context.client.listAccounts({ volume })
  return accounts.filter(({ kind }) => kind === 'key')
}

async function findKey(
  context: Context,
  text: string,
  volume: string | undefined,
): Promise<AccountInfo> {
  const keys = await keysOf(context, volume)
  const found = keys.filter(({ name, label }) => name === text || label === text)
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  const ids = found.map(({ name }) => name).join(', ')
  throw new ShoalError(
    'ENOENT',
    found.length === 0
      ? `there is no key ${text}; see "shoal key ls"`
      : `${text} may be any of ${ids}; give its id`,
  )
}
