// `shoal rm`: remove files and trees.
import { ShoalError } from '../../protocol/errors.ts'
import { addConsistency } from '../arguments.ts'
import { agree, isAsked } from '../confirm.ts'
import { printable } from '../output.ts'
import { inside, joinPath, refuseLocal } from '../paths.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

/** To remove more files than this, somebody at a terminal is asked. */
export const UNASKED_MAX = 1000

interface RmOptions {
  readonly recursive?: boolean
  readonly yes?: boolean
}

export function addRm(program: Command, context: Context): void {
  const command = program
    .command('rm <path...>')
    .description('remove files, symlinks and empty folders')
    .option('-r, --recursive', 'remove folders and their contents')
    .option('-y, --yes', 'remove more than 1,000 files without asking')
    .addHelpText('after', '\nExample:\n  shoal rm --recursive /old-photos')
    .action(async (paths: readonly string[], { recursive, yes = false }: RmOptions) => {
      const root = paths.find((path) => inside(path) === '')
      if (root !== undefined)
        throw new ShoalError('EBUSY', `${root}: the root of a volume cannot be removed`)
      for (const path of paths) await refuseLocal(path)
      if (recursive === true && !yes && isAsked(context)) await ask(context, paths)
      for (const path of paths) await context.client.remove(path, { recursive })
      context.print({ removed: paths }, () => '')
    })
  addConsistency(command, context)
}

/** throws if there are many files, and they are to stay. */
async function ask(context: Context, paths: readonly string[]): Promise<void> {
  if ((await countFiles(context, paths)) <= UNASKED_MAX) return
  const shown = paths.map(printable).join(', ')
  const question = `Remove more than 1,000 files: ${shown}?`
  await agree(context, question, { otherwise: 'nothing was removed' })
}

/** The number of files at these paths and below, counted as far as it matters. */
async function countFiles({ client }: Context, paths: readonly string[]): Promise<number> {
  let files = 0
  const folders: string[] = []
  for (const path of paths) {
    if ((await client.stat(path)).kind === 'folder') folders.push(path)
    else files++
  }
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const page of client.list(folder)) {
      for (const { name, kind } of page) {
        if (kind === 'folder') folders.push(joinPath(folder, name))
        else if (++files > UNASKED_MAX) return files
      }
    }
  }
  return files
}
