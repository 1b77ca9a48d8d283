// `shoal door ls|token`: ways in for programs that are no Shoal node.
import { table } from '../output.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addDoor(program: Command, context: Context): void {
  const door = program
    .command('door')
    .description('list the doors for other programs, and print the token that opens them')
    .addHelpText(
      'after',
      `
A door is opened by "doors" in config.yaml of this machine, such as
  doors:
    - http: 127.0.0.1:4190

Example:
  shoal door ls`,
    )
  door
    .command('ls')
    .description('list the open doors')
    .addHelpText('after', '\nExample:\n  shoal door ls')
    .action(async () => {
      const doors = await context.client.listDoors()
      context.print(doors, () =>
        doors.length === 0
          ? 'No door is open: see "doors" in config.yaml of this home.'
          : table(doors.map(({ kind, url, fingerprint = '' }) => [kind, url, fingerprint])),
      )
    })
  door
    .command('token')
    .description('print the token by which a program is the owner at a door')
    .option('--renew', 'make another first: the one before opens nothing any more')
    .addHelpText(
      'after',
      '\nExample:\n  curl -H "Authorization: Bearer $(shoal door token)" localhost:4190/v1/status',
    )
    .action(async ({ renew = false }: { readonly renew?: boolean }) => {
      const { token } = await context.client.doorToken({ renew })
      context.print({ token }, () => token)
    })
}
