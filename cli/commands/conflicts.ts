// `shoal conflicts ls|show|keep`: what several wrote at once, and which of it is to stay.
import { shellWord } from '../../protocol/shell-word.ts'
import { formatBytes } from '../../protocol/size.ts'
import { count, formatTime, printable, table } from '../output.ts'
import { asPath, inside, volumeOf } from '../paths.ts'
import type { Command } from 'commander'
import type { Conflict, ConflictSide } from '../../node/control/conflicts.ts'
import type { FileKind } from '../../protocol/op/file-kind.ts'
import type { Context } from '../context.ts'

/** The command that opens what is of a kind; of any other kind `stat`. */
const OPENERS: Readonly<Partial<Record<FileKind, string>>> = { file: 'cat', folder: 'ls' }

export function addConflicts(program: Command, context: Context): void {
  const conflicts = program
    .command('conflicts')
    .description('list, show and resolve conflicts between concurrent changes')
    .addHelpText('after', '\nExample:\n  shoal conflicts ls')
  conflicts
    .command('ls [path]')
    .description("list conflicts in a folder or VOLUME: (default: the node's first volume)")
    .addHelpText('after', '\nExample:\n  shoal conflicts ls /docs')
    .action(async (path = '/') => {
      const all: Conflict[] = []
      for await (const page of context.client.listConflicts(asPath(path))) all.push(...page)
      context.print(all, () => all.map((one) => listed(context, one)).join('\n'))
      if (all.length === 0) context.tell('No conflicts.')
      const hidden = all.flatMap(({ sides }) => sides).filter((side) => side.hidden).length
      if (hidden > 0)
        context.tell(
          `${count(hidden, 'copy')} hidden: not listed in folders, not counted by status.`,
        )
    })
  conflicts
    .command('show <path>')
    .description('show the versions in a conflict, and how to open or keep each')
    .option('--all', 'include versions that are too many to show in their folder')
    .addHelpText('after', '\nExample:\n  shoal conflicts show /docs/plan.txt')
    .action(async (path: string, { all = false }: { readonly all?: boolean }) => {
      const shown = await context.client.showConflict(path)
      const conflict = all ? await wholeOf(context, path, shown) : shown
      const folder = context.json ? undefined : await mountOf(context, path)
      context.print(conflict, () => described(context, conflict, folder))
    })
  conflicts
    .command('keep <path>')
    .description('resolve a conflict: keep the version at this path, remove the others')
    .addHelpText(
      'after',
      '\nExample:\n  shoal conflicts keep /docs/plan.conflict-20261121T114250Z-anna-7471db76.txt',
    )
    .action(async (path: string) => {
      const kept = await context.client.keepConflict(path)
      context.print(kept, () =>
        [
          `Kept as ${printable(kept.path)}`,
          ...kept.removed.map((path) =>
            path === kept.path ? 'Replaced what had that name' : `Removed ${printable(path)}`,
          ),
        ].join('\n'),
      )
    })
}

/** With the sides that are too many to show in their folder. */
async function wholeOf(context: Context, path: string, shown: Conflict): Promise<Conflict> {
  const sides = [...shown.sides]
  for (let [from, moreCount] = [0, shown.moreCount]; moreCount > 0;) {
    const page = await context.client.showConflict(path, { from })
    sides.push(...page.sides)
    from += page.sides.length
    moreCount = page.moreCount
  }
  return { ...shown, sides, moreCount: 0 }
}

/** "and 5 more, ...", a line of its own. */
function moreText(context: Context, { path, moreCount }: Conflict): string {
  if (moreCount === 0) return ''
  const how = context.commandLine(`conflicts show ${shellWord(path)} --all`)
  return `\n  and ${moreCount} more, not shown in their folder: ${how}`
}

function listed(context: Context, conflict: Conflict): string {
  const { path, sides } = conflict
  const rows = sides.map((side) => [
    '',
    printable(side.author),
    formatTime(side.writtenMs),
    (side.kind === 'folder' ? '' : formatBytes(side.sizeBytes)).padStart(8),
    printable(side.path) +
      (side.kind === 'folder' ? '/' : '') +
      (side.hidden ? ' (hidden by conflicts=lww)' : ''),
  ])
  return `${printable(path)}\n${table(rows)}${moreText(context, conflict)}`
}

function described(context: Context, conflict: Conflict, folder: string | undefined): string {
  const { path, sides } = conflict
  const parts = sides.map((side) => {
    const { author, writtenMs, kind, sizeBytes, hidden } = side
    const has = side.path === path ? ', current' : hidden ? ', hidden by conflicts=lww' : ''
    const what = kind === 'folder' ? kind : `${kind} of ${formatBytes(sizeBytes)}`
    const title = `${author}, ${formatTime(writtenMs)}, ${what}${has}`
    return `${printable(title)}\n${table(waysTo(context, side, folder))}`
  })
  const count = sides.length + conflict.moreCount
  const head = `${printable(path)} has ${count} versions${moreText(context, conflict)}`
  return [head, ...parts].join('\n\n')
}

function waysTo(
  context: Context,
  { path, kind, moveTo }: ConflictSide,
  folder: string | undefined,
): string[][] {
  const word = shellWord(path)
  return [
    ['  Open', context.commandLine(`${OPENERS[kind] ?? 'stat'} ${word}`)],
    ...(folder === undefined ? [] : [['', shellWord(folder + inside(path))]]),
    moveTo === undefined
      ? ['  Keep', context.commandLine(`conflicts keep ${word}`)]
      : ['  Move', context.commandLine(`mv ${word} ${shellWord(moveTo)}`)],
  ]
}

/** The folder at which the volume of a path is mounted, if any. */
async function mountOf(context: Context, path: string): Promise<string | undefined> {
  const name = volumeOf(path).slice(0, -1)
  const volumes = await context.client.listVolumes()
  const volume = volumes.find((one) =>
    name === '' ? one.isDefault : one.name === name || one.id === name,
  )
  const mounts = await context.client.listMounts()
  return mounts.find((mount) => mount.volume === volume?.name)?.folder
}
