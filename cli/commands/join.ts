// `shoal join`: become a member of a volume by a ticket.
import { count, printable } from '../output.ts'
import { askAboutTiers } from './cold-trust.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addJoin(program: Command, context: Context): void {
  program
    .command('join <ticket>')
    .description('join the volume of a ticket with the running node')
    .addHelpText(
      'after',
      '\nExample:\n  shoal join shoal1mfrgg...\n\nNo node yet? "shoal up --join TICKET" starts one and joins.',
    )
    .action(async (ticket: string) => {
      const volume = await context.client.join(ticket.trim())
      context.print(
        volume,
        () =>
          `Joined volume "${printable(volume.name)}" as ${volume.role}, with ${count(volume.members.length, 'member')}`,
      )
      await askAboutTiers(context, context.client, volume)
    })
}
