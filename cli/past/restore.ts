// `shoal restore`: a file or a folder as it was.
import { addConsistency } from '../arguments.ts'
import { parseWhen, WHEN_HELP } from './when.ts'
import { broughtJson, broughtText } from './undelete.ts'
import type { Command } from 'commander'
import type { When } from './when.ts'
import type { Context } from '../context.ts'

export function addRestore(program: Command, context: Context): void {
  const command = program
    .command('restore <path>')
    .description('bring a file or a folder back as it was at a time, in place or elsewhere')
    .requiredOption('--at <when>', 'time, age, snapshot, or id of a version', parseWhen)
    .option('--to <path>', 'put it here, where nothing is yet')
    .addHelpText(
      'after',
      `${WHEN_HELP}
Of a file that was not kept as it was then, the nearest version is taken, and
that is said. In place, only what differs is written, and what was made since
stays; what is written over is a version again, so a restore can be undone.

Examples:
  shoal restore --at 2h /docs/plan.txt
  shoal restore --at yesterday /photos --to /photos-yesterday`,
    )
    .action(async (path: string, { at, to }: { readonly at: When; readonly to?: string }) => {
      const done = await context.client.restore(path, { ...at, to })
      context.print(broughtJson(done), () => broughtText('Restored', done))
    })
  addConsistency(command, context)
}
