// `shoal versions`: what a file was, and when.
import { formatBytes } from '../../protocol/size.ts'
import { addConsistency } from '../arguments.ts'
import { agree } from '../confirm.ts'
import { count, formatTime, printable, table } from '../output.ts'
import type { Command } from 'commander'
import type { VersionEnd, VersionInfo } from '../../node/control/versions.ts'
import type { Context } from '../context.ts'

const END_TEXTS: Readonly<Record<VersionEnd, string>> = {
  current: 'current',
  conflict: 'conflict copy',
  overwritten: 'overwritten',
  removed: 'removed',
  replaced: 'replaced',
  dropped: 'conflict copy, removed',
}

export function addVersions(program: Command, context: Context): void {
  const versions = program
    .command('versions <path>')
    .description('list the versions of a file that are kept, newest first')
    .addHelpText(
      'after',
      `
Shows when each was written, by whom, its size and id, and how it ended. Also
for files that were removed, and for files of that name before. What is kept,
and for how long, is said by the volume setting versions.

Example:
  shoal versions /docs/plan.txt
  shoal cat --at 2h /docs/plan.txt`,
    )
    .action(async (path: string) => {
      const all: VersionInfo[] = []
      for await (const page of context.client.listVersions(path)) all.push(...page)
      context.print(all.map(json), () => table(all.map(row), context.columns))
    })
  const purge = versions
    .command('purge <path>')
    .description('forget the former versions of a file on all nodes: for admins')
    .option('--id <version>', 'only this one')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
For a secret that was saved by mistake. What a file holds now stays; of a file
that was removed, all goes. This cannot be undone. The data leaves the disks
after the time in the trash, and the log at its next checkpoints; what was
copied into a snapshot or a backup stays there.

Example:
  shoal versions purge /docs/plan.txt`,
    )
    .action(async (path: string, { id, yes }: { readonly id?: string; readonly yes?: boolean }) => {
      const what = id === undefined ? 'all former versions' : `version ${printable(id)}`
      const question = `Forget ${what} of ${printable(path)} on all nodes, for good?`
      await agree(context, question, { yes, otherwise: 'nothing was forgotten' })
      const done = await context.client.purgeVersions(path, { version: id })
      const size = formatBytes(done.sizeBytes)
      context.print(done, () => `Purged ${count(done.versions, 'version')} (${size})`)
    })
  addConsistency(purge, context)
}

function row({
  id,
  timeMs,
  author,
  kind,
  sizeBytes,
  end,
  endedMs,
  endedBy,
}: VersionInfo): string[] {
  const by = endedBy === undefined ? '' : ` by ${printable(endedBy)}`
  const ended = endedMs === undefined ? '' : ` ${formatTime(endedMs)}${by}`
  const size = kind === 'file' ? formatBytes(sizeBytes) : kind
  return [id, formatTime(timeMs), printable(author), size.padStart(8), END_TEXTS[end] + ended]
}

function json({ timeMs, endedMs, ...version }: VersionInfo): Record<string, unknown> {
  const ended = endedMs === undefined ? {} : { ended: new Date(endedMs).toISOString() }
  return { ...version, time: new Date(timeMs).toISOString(), ...ended }
}
