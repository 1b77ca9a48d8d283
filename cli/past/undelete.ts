// `shoal undelete`: what was removed, and back.
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency } from '../arguments.ts'
import { count, formatTime, printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import type { Command } from 'commander'
import type { BroughtBack, RemovedItem } from '../../node/control/versions.ts'
import type { Context } from '../context.ts'

export function addUndelete(program: Command, context: Context): void {
  const command = program
    .command('undelete [path]')
    .description('list what was removed in a folder, or bring back what was removed at a path')
    .option('--to <path>', 'bring it back under this path')
    .addHelpText(
      'after',
      `
A PATH at which nothing is now is brought back: a file as it was, a folder with
all that was removed with it in one go. With a folder that is there, or without
a PATH, what was removed in it and below is listed.

Examples:
  shoal undelete
  shoal undelete /docs/plan.txt
  shoal undelete /photos --to /photos-as-they-were`,
    )
    .action(async (path: string | undefined, { to }: { readonly to?: string }) => {
      const at = asPath(path ?? '/')
      if (to === undefined && (await isFolder(context, at))) return list(context, at)
      const done = await context.client.undelete(at, { to })
      context.print(broughtJson(done), () => broughtText('Brought back', done))
    })
  addConsistency(command, context)
}

async function isFolder({ client }: Context, path: string): Promise<boolean> {
  try {
    return (await client.stat(path)).kind === 'folder'
  } catch (error) {
    if (error instanceof ShoalError && (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')))
      return false
    throw error
  }
}

async function list(context: Context, path: string): Promise<void> {
  const all: RemovedItem[] = []
  for await (const page of context.client.listRemoved(path)) all.push(...page)
  const newest = all.sort((a, b) => b.removedMs - a.removedMs)
  context.print(newest.map(json), () => table(newest.map(row), context.columns))
  if (all.length === 0) context.tell('Nothing that was removed there is kept.')
}

function row({ path, kind, sizeBytes, removedMs, removedBy }: RemovedItem): string[] {
  const size = kind === 'file' ? formatBytes(sizeBytes) : kind
  return [formatTime(removedMs), printable(removedBy), size.padStart(8), printable(path)]
}

function json({ removedMs, ...item }: RemovedItem): Record<string, unknown> {
  return { ...item, removed: new Date(removedMs).toISOString() }
}

/** "Brought back 3 files (1.2 MB) in /docs, as of 2026-11-21 14:00:00". */
export function broughtText(verb: string, done: BroughtBack): string {
  const { path, files, folders, sizeBytes, unchanged, nearest, atMs } = done
  const made = folders === 0 ? '' : `, made ${count(folders, 'folder')}`
  const same = unchanged === 0 ? '' : `, ${unchanged} unchanged`
  const near = nearest === 0 ? '' : `; of ${count(nearest, 'file')} the nearest that is kept`
  const what = `${verb} ${count(files, 'file')} (${formatBytes(sizeBytes)})${made}${same}`
  return `${what}: ${printable(path)} as of ${formatTime(atMs)}${near}`
}

export function broughtJson({ atMs, ...done }: BroughtBack): Record<string, unknown> {
  return { ...done, at: new Date(atMs).toISOString() }
}
