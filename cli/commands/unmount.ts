// `shoal unmount`: take a mount away.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addUnmount(program: Command, context: Context): void {
  program
    .command('unmount <dir>')
    .alias('umount')
    .description('unmount a folder')
    .option('--force', 'unmount even if files are open')
    .addHelpText('after', '\nExample:\n  shoal unmount ~/Shoal')
    .action(async (dir: string, options: { force?: boolean }) => {
      const folder = resolve(dir)
      await context.client.unmount(folder, { force: options.force })
      context.print({ unmounted: folder }, () => '')
    })
}
