// `shoal backup restore`: a backup, or a part of it, onto this machine, with the place and the key
// alone.
import { dirname } from 'node:path'
import { textOfPlain } from '../../protocol/byte-text.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { NamedBackup, Repository } from '../../node/backup/repository.ts'
import { timeOf } from '../../protocol/moment.ts'
import { GetTree } from '../get-tree.ts'
import { LocalAttributes } from '../local-attributes.ts'
import { makeLocalFolders } from '../local-path.ts'
import { count, formatDuration, formatTime, printable } from '../output.ts'
import { Transfer } from '../transfer.ts'
import type { Context } from '../context.ts'
import { SHOWN_ID_CHARS, chooseBackup, parseWanted } from './choose.ts'
import type { Wanted } from './choose.ts'
import { PLACE_HELP, addPlaceOptions, findPlace } from './place-options.ts'
import type { PlaceOptions } from './place-options.ts'
import { RestoredExtras } from './restored-extras.ts'
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'

interface RestoreOptions extends PlaceOptions {
  readonly path?: string
  readonly preserve: boolean
  readonly atLeast?: Least
}

type Least = { readonly number: number } | { readonly timeMs: number }

const HELP = `
The backup is copied into TARGET, which is created if it does not exist; files
that are there with the same size and time are skipped, so an interrupted
restore is continued by running it again. Modes, times, symlinks, hard links,
extended attributes and ACLs are restored; owners and devices only by root.
If a pack is damaged, the files it concerns are listed, the others are restored,
and the exit code is 1.

WHEN is a time (the newest backup before it), an age as 2d, "yesterday", or the
id or number of a backup; without it, the newest is restored.
${PLACE_HELP}

Whoever can write to the place can take the newest backups away. The node
notices; with --from, --at-least refuses anything older than you know of.

Examples:
  shoal backup restore daily ~/restored
  shoal backup restore daily@2026-11-21 ~/restored --path /photos/2019
  shoal backup restore --from s3://backups/shoal --key-file daily.key /target`

export function addRestore(backup: Command, context: Context): void {
  addPlaceOptions(
    backup
      .command('restore')
      .argument('<name>', 'backup, as NAME or NAME@WHEN (optional with --from)')
      .argument('[target]', 'folder to restore into')
      .description('restore a backup to this machine'),
  )
    .option('--path <path>', 'restore only this file or folder of the backup')
    .option('--at-least <backup>', 'refuse backups older than this number or date', parseLeast)
    .option('--no-preserve', 'limit modes by the umask, and do not set owners')
    .addHelpText('after', HELP)
    .action(async (first: string, second: string | undefined, options: RestoreOptions) => {
      const isAlone = options.from !== undefined && second === undefined
      const target = isAlone ? first : second
      if (target === undefined) throw new ShoalError('usage', 'give the folder to restore into')
      const wanted = isAlone ? { name: undefined, when: undefined } : parseWanted(first)
      await using found = await findPlace(context, wanted.name, options)
      const { Repository: Repositories } = await import('../../node/backup/repository.ts')
      const { signal } = context
      const repository = await Repositories.open(found.opened.place, { signal })
      for (const { what, why } of repository.problems) context.warn(printable(`${what} ${why}`))
      const chosen = chooseBackup(repository.backups, wanted)
      checkAge(chosen, wanted, options.atLeast, found.access?.number, repository)
      await restore(context, repository, chosen, target, options)
    })
}

async function restore(
  context: Context,
  repository: Repository,
  chosen: NamedBackup,
  target: string,
  { path = '/', preserve }: RestoreOptions,
): Promise<void> {
  const { signal } = context
  const { PackReader } = await import('../../node/backup/pack-reader.ts')
  const { TreeReader } = await import('../../node/backup/tree-reader.ts')
  const { RestoredTree } = await import('../../node/backup/restored-tree.ts')
  const { openNativeFiles } = await import('../../node/world/native-files.ts')
  const tree = new TreeReader(new PackReader({ repository }))
  const client = new RestoredTree(chosen.root, tree, signal)
  const extras = new RestoredExtras(await openNativeFiles())
  const from = { client, extras, warn: (text: string) => context.warn(text) }
  const transfer = new Transfer(context, { label: 'restore', done: 'restored' })
  const rules = { byContent: false, leavesConflicts: false }
  const copy = new GetTree(from, transfer, new LocalAttributes({ preserve }), rules)
  const within = `/${path.split('/').filter(Boolean).join('/')}`
  try {
    const stat = await client.stat(within)
    const place = textOfPlain(target)
    if (stat.kind !== 'folder') await makeLocalFolders(dirname(place))
    await transfer.attempt(() => copy.get({ path: within, relativePath: '', stat, target: place }))
    await copy.drain()
  } finally {
    await copy.end()
    await transfer.end()
  }
  if (extras.failed > 0)
    context.warn(
      `${count(extras.failed, 'extended attribute or link')} could not be restored: ` +
        printable(extras.firstFailure ?? ''),
    )
  transfer.check()
  if (chosen.failed > 0)
    context.warn(
      `${count(chosen.failed, 'file')} could not be read when this backup was made, ` +
        'and is not in it',
    )
  const { id, number, timeMs } = chosen
  context.summarize({ id, number, timeMs, ...transfer.tally }, () => {
    const age = formatDuration(Math.max(0, Date.now() - timeMs))
    const what = `backup ${number} (${id.slice(0, SHOWN_ID_CHARS)})`
    return `${transfer.summary('Restored')} from ${what} of ${formatTime(timeMs)} (${age} ago)`
  })
}

/** throws ShoalError 'ESTALE' for the newest one that is older than is known of. */
function checkAge(
  chosen: NamedBackup,
  wanted: Wanted,
  least: Least | undefined,
  known: number | undefined,
  { newest }: Repository,
): void {
  const isTooOld =
    least !== undefined &&
    ('number' in least ? chosen.number < least.number : chosen.timeMs < least.timeMs)
  const isRolledBack =
    wanted.when === undefined && known !== undefined && (newest?.number ?? 0) < known
  if (!isTooOld && !isRolledBack) return
  throw new ShoalError(
    'ESTALE',
    `the newest backup there is number ${chosen.number} of ${formatTime(chosen.timeMs)}, but ` +
      `there was ${isTooOld ? 'to be a later one' : `number ${known}`}: somebody took backups ` +
      'away, or brought an older state of the place back; to restore it nevertheless, say so ' +
      `with @${chosen.number}`,
  )
}

function parseLeast(text: string): Least {
  if (/^[1-9]\d{0,14}$/.test(text)) return { number: Number(text) }
  const timeMs = timeOf(text)
  if (timeMs !== undefined) return { timeMs }
  throw new InvalidArgumentError('Give a number, or a date as 2026-11-21.')
}
