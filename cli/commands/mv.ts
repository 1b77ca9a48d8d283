// `shoal mv`: rename, or move into a folder.
import { addConsistency } from '../arguments.ts'
import { hasCode } from '../../protocol/errors.ts'
import { baseName, joinPath, namesFolder, refuseLocal } from '../paths.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addMv(program: Command, context: Context): void {
  const command = program
    .command('mv <src> <dest>')
    .description('rename SRC to DEST, or move it into the folder DEST')
    .addHelpText('after', '\nExample:\n  shoal mv /inbox/scan.pdf /papers/')
    .action(async (from: string, dest: string) => {
      for (const path of [from, dest]) await refuseLocal(path)
      const to = (await isFolder(context, dest)) ? joinPath(dest, baseName(from)) : dest
      await context.client.move(from, to)
      context.print({ from, to }, () => '')
    })
  addConsistency(command, context)
}

async function isFolder(context: Context, path: string): Promise<boolean> {
  try {
    return (await context.client.stat(path)).kind === 'folder'
  } catch (error) {
    if (hasCode(error, 'ENOENT') && !namesFolder(path)) return false
    throw error
  }
}
