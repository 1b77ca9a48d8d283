// `shoal join`: become a member of a volume by a ticket.
import { TICKET_HELP, readTicketText } from '../ticket-text.ts'
import { count, printable } from '../output.ts'
import { askAboutTiers } from './cold-trust.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addJoin(program: Command, context: Context): void {
  program
    .command('join')
    .description('join a volume with a ticket')
    .argument('[ticket]', TICKET_HELP, '-')
    .addHelpText(
      'after',
      '\n' +
        'The node must be running; "shoal up --join -" starts one and joins.\n\n' +
        'Examples:\n' +
        '  shoal join\n' +
        '  ssh anna shoal invite | shoal join -',
    )
    .action(async (ticket: string) => {
      const volume = await context.client.join(await readTicketText(context, ticket))
      context.print(
        volume,
        () =>
          `Joined volume "${printable(volume.name)}" as ${volume.role}, with ${count(volume.members.length, 'member')}`,
      )
      await askAboutTiers(context, context.client, volume)
    })
}
