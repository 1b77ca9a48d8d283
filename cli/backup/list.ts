// `shoal backup ls` and `rm`: the backup jobs of a node, and the backups at a place.
import type { Command } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import type { BackupJobStatus } from '../../node/control/backups.ts'
import type { NamedBackup } from '../../node/backup/repository.ts'
import { agree } from '../confirm.ts'
import { count, formatDuration, formatTime, printable, table } from '../output.ts'
import type { Context } from '../context.ts'
import { SHOWN_ID_CHARS, chooseBackup, parseWanted } from './choose.ts'
import { PLACE_HELP, addPlaceOptions, broughtBack, findPlace } from './place-options.ts'
import type { PlaceOptions } from './place-options.ts'

const LS_HELP = `
With NAME, lists the backups at its place, oldest first. The exit code is 1 if
one that was there is missing.
${PLACE_HELP}

Examples:
  shoal backup ls
  shoal backup ls daily`

export function addLs(backup: Command, context: Context): void {
  addPlaceOptions(
    backup
      .command('ls')
      .argument('[name]')
      .description('list the backups of this node, or those at the place of one'),
  )
    .addHelpText('after', LS_HELP)
    .action(async (name: string | undefined, options: PlaceOptions) => {
      if (name === undefined && options.from === undefined) return listJobs(context)
      await using found = await findPlace(context, name, options)
      const { Repository } = await import('../../node/backup/repository.ts')
      const { signal } = context
      const repository = await Repository.openRecords(found.opened.place, { signal })
      const shown = repository.backups.filter(({ job }) => name === undefined || job === name)
      const problems = [...repository.problems, ...broughtBack(found, repository)]
      const value = { backups: shown.map(valueOf), problems }
      context.print(value, () => table(shown.map(rowOf), context.columns))
      for (const { what, why } of problems) context.warn(printable(`${what} ${why}`))
      if (problems.length > 0) context.exitCode = 1
    })
}

export function addRm(backup: Command, context: Context): void {
  backup
    .command('rm <name>')
    .description('forget a backup and its key, or remove NAME@WHEN from its place')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nNAME alone leaves what is at the place; it can be read with the key only.\n' +
        '\nExamples:\n  shoal backup rm daily\n  shoal backup rm daily@12',
    )
    .action(async (text: string, { yes }: { readonly yes?: boolean }) => {
      const { name, when } = parseWanted(text)
      if (name === undefined) throw new ShoalError('usage', 'give the name of a backup')
      if (when === undefined) {
        const question =
          `Forget backup ${printable(name)} and its key? What is at the place stays, ` +
          'and can be read with the key only, of which you need a copy.'
        await agree(context, question, { yes, otherwise: 'nothing was changed' })
        const { url } = await context.client.removeBackup(name)
        return context.print({ removed: name, url }, () => {
          return `Forgot backup ${printable(name)}; what is at ${printable(url)} stays`
        })
      }
      const { id, number, timeMs } = await findOne(context, name, when)
      const question = `Remove backup ${number} of ${formatTime(timeMs)} from its place?`
      await agree(context, question, { yes, otherwise: 'nothing was changed' })
      const { removed, freedBytes } = await context.client.removeBackupAt(name, id)
      context.print({ removed, id, freedBytes }, () => {
        return `Removed backup ${number} of ${printable(name)}, ${formatBytes(freedBytes)} freed`
      })
    })
}

async function findOne(context: Context, name: string, when: string): Promise<NamedBackup> {
  await using found = await findPlace(context, name, {})
  const { Repository } = await import('../../node/backup/repository.ts')
  const { signal } = context
  const { backups } = await Repository.openRecords(found.opened.place, { signal })
  return chooseBackup(backups, { name, when })
}

async function listJobs(context: Context): Promise<void> {
  const jobs = await context.client.listBackups()
  context.print(jobs, () => table(jobs.map(jobRow), context.columns))
  if (jobs.length === 0) context.tell('No backups; see "shoal backup add --help".')
}

function jobRow(job: BackupJobStatus): readonly string[] {
  const { name, path, url, mode, everyMs } = job
  const every = everyMs === undefined ? 'when asked for' : `every ${formatDuration(everyMs)}`
  return [printable(name), printable(path), printable(url), mode, every, lastRun(job)]
}

function lastRun({ isRunning, startedMs, endedMs, failure }: BackupJobStatus): string {
  if (isRunning) return 'running'
  if (startedMs === undefined) return 'never ran'
  if (failure !== undefined)
    return `FAILED ${formatTime(endedMs ?? startedMs)}: ${printable(failure.message)}`
  return endedMs === undefined
    ? `broken off after ${formatTime(startedMs)}`
    : `done ${formatTime(endedMs)}`
}

function rowOf(backup: NamedBackup): readonly string[] {
  const { id, number, timeMs, job, mode, files, bytes, addedBytes, failed } = backup
  return [
    String(number),
    id.slice(0, SHOWN_ID_CHARS),
    formatTime(timeMs),
    printable(job),
    mode,
    count(files, 'file'),
    formatBytes(bytes),
    `${formatBytes(addedBytes)} added`,
    failed === 0 ? '' : `${failed} left out`,
  ]
}

function valueOf(backup: NamedBackup): object {
  const { id, number, job, node, volume, path, mode, timeMs, endedMs } = backup
  const { files, folders, specials, bytes, addedBytes, failed } = backup
  const made = { id, number, job, node, volume, path, mode, timeMs, endedMs }
  return { ...made, files, folders, specials, bytes, addedBytes, failed }
}
