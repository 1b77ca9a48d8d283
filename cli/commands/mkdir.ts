// `shoal mkdir`: make folders.
import { addConsistency } from '../arguments.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addMkdir(program: Command, context: Context): void {
  const command = program
    .command('mkdir <path...>')
    .description('create folders')
    .option('-p, --parents', 'create missing parents; no error if the folder exists')
    .addHelpText('after', '\nExample:\n  shoal mkdir --parents /photos/2026/november')
    .action(async (paths: readonly string[], options: { parents?: boolean }) => {
      for (const path of paths) await context.client.makeFolder(path, { parents: options.parents })
      context.print({ made: paths }, () => '')
    })
  addConsistency(command, context)
}
