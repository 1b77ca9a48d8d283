// `shoal backup add|run|ls|verify|restore|rm`: copies of a folder at another place, under a key of
// their own.
import { open, rm } from 'node:fs/promises'
import { Option } from 'commander'
import type { Command } from 'commander'
import { ShoalError } from '../../protocol/errors.ts'
import { BACKUP_MODES } from '../../protocol/backup/mode.ts'
import type { BackupMode } from '../../protocol/backup/mode.ts'
import type { Retention } from '../../protocol/backup/retention.ts'
import { parseSize } from '../../protocol/size.ts'
import type { AddedBackup } from '../../node/control/backups.ts'
import { addAccessOptions, findAccess, tellKept } from '../access-key.ts'
import type { AccessOptions } from '../access-key.ts'
import { countBetween, parseDuration, parseTierUrl } from '../arguments.ts'
import { printable } from '../output.ts'
import type { Context } from '../context.ts'
import { addLs, addRm } from './list.ts'
import { readKey } from './place-options.ts'
import { addRestore } from './restore.ts'
import { runBackup } from './run.ts'
import { addVerify } from './verify.ts'

const ADD_HELP = `
PATH is a folder, as VOLUME:/path, /path, or VOLUME: for all of it; by default
all of the node's first volume. It is copied with all metadata, encrypted with a
key of its own, which is printed once: KEEP IT AWAY FROM THE MACHINES. With the
place and this key a backup is restored on any machine; without it nothing at
the place can be read. The node keeps it too, to make backups.

URLs are those of "cold add": s3://BUCKET/PREFIX, rclone:REMOTE:PATH, dir:PATH.

An incremental backup stores what no earlier one has. A differential one stores
what the last full one does not have. A full one shares nothing with others. Any
of them is restored in one step.

With --every the node makes them by itself; those missed while it was off are
made up for by one. The --keep options say which backups stay, as the newest of
each of the last N days, weeks, and so on; the others are removed after each
run. Without any, all stay.

Commands to run before and after, such as to quiesce a database, are set in
config.yaml of this machine:
  backups: {daily: {before: 'systemctl stop wiki', after: 'systemctl start wiki'}}
If the first fails, no backup is made.

Examples:
  shoal backup add daily main:/docs --to s3://backups/shoal --region eu \\
    --every 1d --keep-daily 7 --keep-weekly 4 --save-key daily.key
  shoal backup add disk --to dir:/mnt/usb/shoal`

const RUN_HELP = `
It is safe to interrupt: what was uploaded is used by the next run. Files that
cannot be read are listed and left out, and the exit code is 1.

Example:
  shoal backup run daily`

const KEPT: readonly (keyof Retention)[] = [
  'last',
  'hourly',
  'daily',
  'weekly',
  'monthly',
  'yearly',
]
const KEPT_MAX = 1_000_000

interface AddOptions extends AccessOptions {
  readonly to: string
  readonly endpoint?: string
  readonly region?: string
  readonly storageClass?: string
  readonly limit?: number
  readonly every?: number
  readonly mode: BackupMode
  readonly keyFile?: string
  readonly saveKey?: string
  readonly keepLast?: number
  readonly keepHourly?: number
  readonly keepDaily?: number
  readonly keepWeekly?: number
  readonly keepMonthly?: number
  readonly keepYearly?: number
}

export function addBackup(program: Command, context: Context): void {
  const backup = program
    .command('backup')
    .description('back up folders to another place, under a key of their own')
    .addHelpText('after', '\nExample:\n  shoal backup add daily main:/docs --to dir:/mnt/usb/shoal')
  addAdd(backup, context)
  backup
    .command('run <name>')
    .description('make a backup now')
    .addOption(
      new Option('--mode <mode>', 'instead of the mode it was added with').choices(BACKUP_MODES),
    )
    .addHelpText('after', RUN_HELP)
    .action((name: string, { mode }: { readonly mode?: BackupMode }) =>
      runBackup(context, name, mode),
    )
  addLs(backup, context)
  addVerify(backup, context)
  addRestore(backup, context)
  addRm(backup, context)
}

function addAdd(backup: Command, context: Context): void {
  const add = backup
    .command('add')
    .argument('<name>')
    .argument('[path]', 'folder (default: all of the first volume)', asFolder, '/')
    .description('set up the backup of a folder (access is tested first)')
    .requiredOption('--to <url>', 'place of the backups', parseTierUrl)
    .option('--every <time>', 'make a backup each such time, as 6h or 1d', parseDuration)
  for (const kept of KEPT)
    add.option(
      `--keep-${kept} <n>`,
      kept === 'last' ? 'keep the last N backups' : `keep N ${kept} backups`,
      countBetween(1, KEPT_MAX),
    )
  add
    .addOption(
      new Option('--mode <mode>', 'what a backup builds upon')
        .choices(BACKUP_MODES)
        .default('incremental'),
    )
    .option('--key-file <file>', 'use a key that the place has backups of (-: read stdin)')
    .option('--save-key <file>', 'write the new key to a new file instead of printing it')
    .option('--endpoint <url>', 'URL of the S3 server (default: AWS)')
    .option('--region <region>', 'region of the bucket')
    .option('--storage-class <class>', 'storage class of objects, such as STANDARD_IA')
  addAccessOptions(add)
    .option('--limit <size>', 'limit per second of uploads, and of downloads', parseSize)
    .addHelpText('after', ADD_HELP)
    .action(async (name: string, path: string, options: AddOptions) => {
      const { to: url, every: everyMs, limit: bytesPerSecond, mode, keyFile, saveKey } = options
      const { endpoint, region, storageClass } = options
      const { access, source } = await findAccess(url, options)
      const key = keyFile === undefined ? undefined : await readKey(keyFile)
      const kept = {
        last: options.keepLast,
        hourly: options.keepHourly,
        daily: options.keepDaily,
        weekly: options.keepWeekly,
        monthly: options.keepMonthly,
        yearly: options.keepYearly,
      }
      const request = { name, path, url, endpoint, region, storageClass, ...access, ...kept }
      const make = (): Promise<AddedBackup> =>
        context.client.addBackup({ ...request, key, mode, everyMs, bytesPerSecond })
      const added = saveKey === undefined ? await make() : await writeKey(saveKey, make)
      tellAdded(context, added, { isNew: key === undefined, saveKey })
      tellKept(context, source)
    })
}

function tellAdded(
  context: Context,
  { job, key }: AddedBackup,
  { isNew, saveKey }: { readonly isNew: boolean; readonly saveKey: string | undefined },
): void {
  const isPrinted = isNew && saveKey === undefined
  context.print({ ...job, ...(isPrinted && { key }) }, () => (isPrinted ? key.trimEnd() : ''))
  const { name, path, url } = job
  context.tell(`Added backup ${printable(name)} of ${printable(path)} at ${printable(url)}.`)
  if (!isNew) return
  const where = saveKey === undefined ? 'The lines above are' : `${saveKey} has`
  context.tell(
    `${where} its key, shown this once. Keep it away from the machines: ` +
      'without it nothing can be restored.',
  )
}

/** A path that is only the name of a volume is all of it. */
function asFolder(text: string): string {
  return text.endsWith(':') ? `${text}/` : text
}

/** Nothing is made if the file can't be. */
async function writeKey(file: string, make: () => Promise<AddedBackup>): Promise<AddedBackup> {
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    const isThere = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    const why = isThere ? 'exists already; keys are not overwritten' : 'cannot be created'
    throw new ShoalError(isThere ? 'EEXIST' : 'usage', `${file} ${why}`, { cause })
  })
  try {
    const added = await make()
    await handle.writeFile(added.key)
    await handle.sync()
    return added
  } catch (error) {
    await rm(file, { force: true })
    throw error
  } finally {
    await handle.close()
  }
}
