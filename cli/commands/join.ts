// `shoal join`: become a member of a volume by a ticket.
import { count } from '../output.ts'
import { TICKET_HELP, readTicketText } from '../ticket-text.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addJoin(program: Command, context: Context): void {
  program
    .command('join')
    .description('join the volume of a ticket with the running node')
    .argument('[ticket]', TICKET_HELP, '-')
    .addHelpText(
      'after',
      '\nExample:\n  shoal join\n  ssh anna shoal invite | shoal join -\n\nNo node yet? "shoal up --join -" starts one and joins.',
    )
    .action(async (ticket: string) => {
      const volume = await context.client.join(await readTicketText(context, ticket))
      context.print(
        volume,
        () =>
          `Joined volume "${volume.name}" as ${volume.role}, with ${count(volume.members.length, 'member')}`,
      )
    })
}
