// `shoal loss`: a member replaced or removed much of a volume within minutes.
import { ShoalError } from '../../protocol/errors.ts'
import { addConsistency } from '../arguments.ts'
import { count, formatTime, printable, table } from '../output.ts'
import { broughtJson, broughtText } from './undelete.ts'
import type { Command } from 'commander'
import type { LossInfo } from '../../node/control/losses.ts'
import type { Context } from '../context.ts'

export function addLoss(program: Command, context: Context): void {
  const loss = program
    .command('loss')
    .description('list, undo and dismiss mass losses: much was replaced or removed at once')
    .addHelpText(
      'after',
      `
When one member replaces or removes more than a share of the files of a volume
within ten minutes (see the setting mass-loss, by default half of them, and at
least 1000), all that stood before is kept, whatever the setting versions says,
until it is dismissed.

Example:
  shoal loss ls`,
    )
  loss
    .command('ls [volume]')
    .description('list mass losses that were not dismissed (default: of all volumes)')
    .addHelpText('after', '\nExample:\n  shoal loss ls')
    .action(async (volume?: string) => {
      const all = await context.client.listLosses({ volume })
      context.print(all.map(json), () => lossTable(all, context))
      if (all.length === 0) context.tell('No mass losses.')
    })
  const restore = loss
    .command('restore [volume]')
    .description('bring a volume back as it was before its mass loss')
    .addHelpText(
      'after',
      `
Files that were made since stay. What is written over is a version again, so
this can be undone. The loss is listed until it is dismissed.

Example:
  shoal loss restore main`,
    )
    .action(async (volume?: string) => {
      const { volume: name, atMs } = await oldest(context, volume)
      const done = await context.client.restore(`${name}:/`, { atMs })
      context.print(broughtJson(done), () => broughtText('Restored', done))
    })
  addConsistency(restore, context)
  loss
    .command('dismiss [volume]')
    .description('say that it was meant, or is restored: what stood before may expire')
    .addHelpText('after', '\nExample:\n  shoal loss dismiss main')
    .action(async (volume?: string) => {
      const dismissed = await context.client.dismissLosses({ volume })
      context.print(dismissed.map(json), () => lossTable(dismissed, context))
      const what = dismissed.length === 0 ? 'No mass losses' : 'Dismissed'
      context.tell(
        dismissed.length === 0 ? `${what}.` : `${what} ${count(dismissed.length, 'mass loss')}.`,
      )
    })
}

/** throws ShoalError 'ENOENT' where there is none. */
async function oldest({ client }: Context, volume: string | undefined): Promise<LossInfo> {
  const named = volume ?? (await client.listVolumes()).find(({ isDefault }) => isDefault)?.name
  const [loss] = await client.listLosses({ volume: named })
  if (loss !== undefined) return loss
  throw new ShoalError(
    'ENOENT',
    'no mass loss is known; "shoal restore --at WHEN" brings back any moment that is kept',
  )
}

function lossTable(losses: readonly LossInfo[], { columns }: Context): string {
  return table(
    losses.map(({ volume, member, toldBy, atMs }) => [
      printable(volume),
      `${printable(member)} replaced or removed much after ${formatTime(atMs)}`,
      `told by ${printable(toldBy)}`,
    ]),
    columns,
  )
}

function json({ atMs, toldMs, ...loss }: LossInfo): Record<string, unknown> {
  return { ...loss, at: new Date(atMs).toISOString(), told: new Date(toldMs).toISOString() }
}
