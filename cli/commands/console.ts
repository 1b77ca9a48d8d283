// `shoal console`: a link to the page of the node, for a browser on this machine.
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addConsole(program: Command, context: Context): void {
  program
    .command('console')
    .description('print a link that opens the node in a browser (once, within 10 minutes)')
    .addHelpText('after', '\nExample:\n  shoal console')
    .action(async () => {
      const link = await context.client.openConsole()
      context.print(link, () => link.url)
    })
}
