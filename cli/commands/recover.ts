// `shoal recover`: rebuild a volume on an empty machine from its cold tier and a recovery key.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { InvalidArgumentError } from 'commander'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { addAccessOptions, findAccess } from '../access-key.ts'
import type { AccessOptions } from '../access-key.ts'
import { formatBytes } from '../../protocol/size.ts'
import { parseCount, parseTierUrl, parseTime } from '../arguments.ts'
import { timeOf } from '../../protocol/moment.ts'
import { count, formatDuration, formatTime, printable } from '../output.ts'
import { addHomeOptions, homeOptions } from './init.ts'
import { readSecret } from '../secret.ts'
import type { Command } from 'commander'
import type { WallTime } from '../../protocol/units.ts'
import type {
  RecoverRequest,
  Recovered,
  Rehearsal,
  RehearseRequest,
  UsedBackup,
} from '../../node/control/recovery.ts'
import type { Context } from '../context.ts'
import type { HomeOptions } from './init.ts'

interface RecoverOptions extends HomeOptions, AccessOptions {
  readonly from: string
  readonly key: string
  readonly endpoint?: string
  readonly region?: string
  readonly atLeast?: Least
  readonly asOf?: WallTime
  readonly dryRun?: boolean
  readonly sample?: number
}

type Least = Pick<RecoverRequest, 'atLeastNumber' | 'atLeastMs'>

const HELP = `
Uses the newest complete backup made by a member, and reports its date and any
backups that were skipped. Someone with write access to the tier can delete the
newest backup, but not forge one: if you know the number or date of a later one,
give --at-least. The metadata of the volume is read and verified first; files
are fetched when they are read. This node becomes an admin of the volume. Its
home is created if there is none. If anything fails, nothing is changed.

Afterwards remove lost members with "shoal peer rm NAME --now", and invite new
ones.

If objects in an S3 bucket with versioning (such as one with Object Lock) were
removed or overwritten, give a time before that with --as-of: those objects are
restored first.

With --dry-run this is a drill that can run on any machine at any time: the
volume is rebuilt in a temporary folder, its tree is checked and some files are
read from the tier. It changes neither the tier nor the volume. Exits with 1 if
anything cannot be read.

Example:
  shoal recover --from s3://backups/shoal --endpoint http://nas:9000 \\
    --region eu --key recovery.key`

export function addRecover(program: Command, context: Context): void {
  const command = program
    .command('recover')
    .description('rebuild a volume from its cold tier with a recovery key')
    .requiredOption('--from <url>', 'URL of the tier, as for "cold add"', parseTierUrl)
    .requiredOption('--key <file>', 'recovery key from "volume key export" (-: read stdin)')
    .option('--endpoint <url>', 'URL of the S3 server (default: AWS)')
    .option('--region <region>', 'region of the bucket')
  addHomeOptions(
    addAccessOptions(command)
      .option('--at-least <backup>', 'refuse backups older than this number or date', parseLeast)
      .option('--as-of <time>', 'first restore the bucket to this time', parseTime)
      .option('--dry-run', 'test the recovery without changing anything')
      .option('--sample <n>', 'number of files that --dry-run reads (default: 20)', parseCount),
  )
    .addHelpText('after', HELP)
    .action(async (options: RecoverOptions) => {
      const { from: url, endpoint, region, atLeast, asOf: asOfMs } = options
      const key = await readKey(options.key)
      const { access } = await findAccess(url, options)
      const request = { url, key, endpoint, region, ...access, ...atLeast, asOfMs }
      if (options.dryRun === true && asOfMs !== undefined)
        throw new ShoalError(
          'usage',
          '--dry-run cannot be combined with --as-of, which changes the bucket',
        )
      if (options.dryRun === true) return rehearse(context, { ...request, sample: options.sample })
      const { volume, isUp } = await recover(context, request, options)
      const next = isUp ? 'ls' : 'up'
      tellSkipped(context, volume.backup)
      context.print(
        volume,
        () =>
          `Recovered volume "${printable(volume.name)}" as of ${backupText(volume.backup)}, ` +
          `with this node as ${volume.role}. Next: ${context.commandLine(next)}`,
      )
    })
}

/** By a node that runs for this only, in a folder that is gone in the end. */
async function rehearse(context: Context, request: RehearseRequest): Promise<void> {
  const { initHome } = await import('../../node/home.ts')
  const { createNode } = await import('../../node/index.ts')
  const home = await mkdtemp(join(tmpdir(), 'shoal-drill-'))
  try {
    await initHome(home, { name: 'drill', listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false })
    const node = await createNode({ home, tell: (text) => context.tell(text) })
    try {
      await node.start()
      const { signal } = context
      const found = await node.api.rehearseRecovery(request, { signal })
      tellSkipped(context, found.backup)
      for (const { path, message } of found.problems)
        context.tell(`Cannot read ${printable(path)}: ${printable(message)}`)
      context.print(found, () => drillText(found))
      if (found.problems.length === 0) return
      if (context.json) return void (context.exitCode = 1)
      const message =
        `${count(found.problems.length, 'file')} of the sample cannot be read from the tier; ` +
        'upload them again with "shoal cold push"'
      throw new ShoalError('chunk-unavailable', message)
    } finally {
      await node.stop()
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

function drillText({ volume, backup, ...found }: Rehearsal): string {
  const { folders, files, others, bytes, readFiles, readBytes } = found
  return [
    `Volume "${printable(volume)}" can be recovered as of ${backupText(backup)}:`,
    `  ${count(files, 'file')} (${formatBytes(bytes)}), ${count(folders, 'folder')}, ${others} other`,
    `  ${count(readFiles, 'file')} read in full (${formatBytes(readBytes)})`,
  ].join('\n')
}

function tellSkipped(context: Context, { skipped }: UsedBackup): void {
  for (const { key: object, why } of skipped)
    context.tell(`Skipped: ${printable(object)} ${printable(why)}`)
}

/** "2026-11-21 07:14:05 (3 d ago, backup 41 by anna)" */
function backupText({ timeMs, number, author }: UsedBackup): string {
  const age = formatDuration(Math.max(0, Date.now() - timeMs))
  return `${formatTime(timeMs)} (${age} ago, backup ${number} by ${printable(author)})`
}

function parseLeast(text: string): Least {
  if (/^[1-9]\d{0,14}$/.test(text)) return { atLeastNumber: Number(text) }
  const atLeastMs = timeOf(text)
  if (atLeastMs !== undefined) return { atLeastMs }
  throw new InvalidArgumentError('Give a number, or a date as 2026-11-21.')
}

async function readKey(file: string): Promise<string> {
  const { parseRecoveryKey } = await import('../../protocol/membership/recovery-key.ts')
  try {
    const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')
    parseRecoveryKey(text)
    return text
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause
    throw new ShoalError('usage', `the recovery key ${file} cannot be read`, { cause })
  }
}

/** By the running node, or by one that runs for this only. */
async function recover(
  context: Context,
  request: RecoverRequest,
  options: RecoverOptions,
): Promise<{ volume: Recovered; isUp: boolean }> {
  try {
    return { volume: await context.client.recover(request), isUp: true }
  } catch (error) {
    if (!hasCode(error, 'not-running')) throw error
  }
  const { initHome, isHome } = await import('../../node/home.ts')
  const { createNode } = await import('../../node/index.ts')
  const { home, signal } = context
  const isNew = await isNowhere(home)
  if (!(await isHome(home))) await initHome(home, homeOptions(options))
  try {
    const node = await createNode({
      home,
      askSecret: (lock) => readSecret(context, {}, lock),
      tell: (text) => context.tell(text),
    })
    try {
      await node.start()
      return { volume: await node.api.recover(request, { signal }), isUp: false }
    } finally {
      await node.stop()
    }
  } catch (error) {
    if (isNew) await rm(home, { recursive: true, force: true })
    throw error
  }
}

function isNowhere(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT',
  )
}
