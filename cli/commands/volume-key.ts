// `shoal volume key export`: a key by which a volume survives the loss of every machine.
import { open, rm } from 'node:fs/promises'
import { ShoalError } from '../../protocol/errors.ts'
import { ofVolumeOption } from '../arguments.ts'
import { printable } from '../output.ts'
import type { Command } from 'commander'
import type { ExportedKey } from '../../node/control/recovery.ts'
import type { Context } from '../context.ts'

const HELP = `
With this key and a cold tier, "shoal recover" rebuilds the volume after the
loss of every machine. ANYONE WHO HAS IT CAN READ AND CHANGE THE WHOLE VOLUME:
keep it away from the machines, preferably on paper. It stays valid when members
come and go. The volume lists it as a member; "shoal peer rm recovery-DATE"
revokes it.

Examples:
  shoal volume key export recovery.key
  shoal volume key export --print | lp`

export function addVolumeKey(volume: Command, context: Context): void {
  volume
    .command('key')
    .description('manage keys that recover a volume from a cold tier')
    .addHelpText('after', '\nExample:\n  shoal volume key export recovery.key')
    .command('export [file]')
    .description('create a recovery key in a new file readable only by its owner')
    .option('--print', 'print the key, with a checksum on each line')
    .addOption(ofVolumeOption())
    .addHelpText('after', HELP)
    .action(
      async (
        file: string | undefined,
        { print = false, volume: name }: { readonly print?: boolean; readonly volume?: string },
      ) => {
        if (file === undefined && !print)
          throw new ShoalError('usage', 'give a file for the key, or --print')
        const make = (): Promise<ExportedKey> => context.client.exportRecoveryKey({ volume: name })
        const made = file === undefined ? await make() : await writeNew(file, make)
        const { text, ...rest } = made
        context.print({ ...rest, ...(print && { text }) }, () => (print ? text.trimEnd() : ''))
        tellOf(made, file, context)
      },
    )
}

/** Nothing is made if the file can't be. */
async function writeNew(file: string, make: () => Promise<ExportedKey>): Promise<ExportedKey> {
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    const why = isThere ? 'exists already; keys are not overwritten' : 'cannot be created'
    throw new ShoalError(isThere ? 'EEXIST' : 'usage', `${file} ${why}`, { cause })
  })
  try {
    const made = await make()
    await handle.writeFile(made.text)
    await handle.sync()
    return made
  } catch (error) {
    await rm(file, { force: true })
    throw error
  } finally {
    await handle.close()
  }
}

function tellOf(
  { name, volume, tiers, failures }: ExportedKey,
  file: string | undefined,
  context: Context,
): void {
  const where = file === undefined ? 'This' : file
  context.tell(`${where} is recovery key ${printable(name)} of volume "${printable(volume)}".`)
  context.tell(
    'Anyone who has it can read and change the whole volume: keep it away from the machines.',
  )
  for (const { tier, message } of failures)
    context.tell(`It cannot be used with tier ${printable(tier)} yet: ${printable(message)}`)
  if (tiers.length + failures.length === 0)
    context.tell('The volume has no cold tier yet; recovery needs one: see "shoal cold add".')
}
