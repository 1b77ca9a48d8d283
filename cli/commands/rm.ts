// `shoal rm`: remove files and trees.
import { addConsistency } from '../arguments.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addRm(program: Command, context: Context): void {
  const command = program
    .command('rm <path...>')
    .description('remove files, symlinks and empty folders')
    .option('-r, --recursive', 'remove folders and their contents')
    .addHelpText('after', '\nExample:\n  shoal rm --recursive /old-photos')
    .action(async (paths: readonly string[], options: { recursive?: boolean }) => {
      for (const path of paths) await context.client.remove(path, { recursive: options.recursive })
      context.print({ removed: paths }, () => '')
    })
  addConsistency(command, context)
}
