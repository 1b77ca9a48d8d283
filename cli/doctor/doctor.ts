// `shoal doctor`: what is wrong here, or why a peer is not connected, and the next step for each.
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addDoctor(program: Command, context: Context): void {
  program
    .command('doctor [peer]')
    .description('find out what is wrong here, or why a peer is not connected')
    .option('--bundle <file>', 'also pack logs and state for somebody who helps, without secrets')
    .addHelpText(
      'after',
      `
Without a peer it looks at this machine (home, settings, disk, mounts, clock)
and its node. With one it tries each address of that peer and says where that
fails: name, network, firewall, port, or who answers there. It exits with 1 if
something fails.

The bundle is a .tar.gz with the logs, the status and the findings: it has no
keys, tickets or passwords, but names of files and machines.

Example:
  shoal doctor
  shoal doctor shelf
  shoal doctor --bundle help.tar.gz`,
    )
    .action(async (peer: string | undefined, options: { readonly bundle?: string }) => {
      const { examine } = await import('./examine.ts')
      await examine(context, peer, options)
    })
}
