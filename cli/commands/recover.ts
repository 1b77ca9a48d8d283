// `shoal recover`: rebuild a volume on an empty machine from its cold tier and a recovery key.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { InvalidArgumentError } from 'commander'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { parseCount, parseTime, timeOf } from '../arguments.ts'
import { count, formatBytes, formatDuration, formatTime, printable } from '../output.ts'
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

interface RecoverOptions extends HomeOptions {
  readonly from: string
  readonly key: string
  readonly endpoint?: string
  readonly region?: string
  readonly credentials?: string
  readonly profile?: string
  readonly atLeast?: Least
  readonly asOf?: WallTime
  readonly dryRun?: boolean
  readonly sample?: number
}

type Least = Pick<RecoverRequest, 'atLeastNumber' | 'atLeastMs'>

const HELP = `
Takes the newest backup that a member made and that is whole, and says of when it is and what it passed over. Whoever can
write to the tier can take the newest away, but make none: if you know the number or the day of a later one, say --at-least.
All that the volume is made of is read and checked first; files are fetched as they are read. This node is an admin of
the volume then. Makes a home if there is none. If anything is wrong, nothing is changed.

Then: remove members that are gone for good with "shoal peer rm NAME --now", and invite new ones.

If somebody removed or replaced what lay in an S3 bucket that keeps versions, as one with Object Lock does, name a time before
that with --as-of: what the bucket held then is brought back first.

With --dry-run it is a drill, on any machine and at any time: the volume is rebuilt in a folder of its own, its whole tree
looked at and some files read out of the tier, and forgotten again. The tier and the members notice nothing of it. Exits with
1 if anything cannot be read.

Example:
  shoal recover --from s3://backups/shoal --endpoint http://nas:9000 --region eu --key recovery.key`

export function addRecover(program: Command, context: Context): void {
  addHomeOptions(
    program
      .command('recover')
      .description('rebuild a volume from its cold tier and a recovery key, on an empty machine')
      .requiredOption('--from <url>', 'the tier, as for "cold add"')
      .requiredOption('--key <file>', 'from "volume key export", or what it printed ("-": stdin)')
      .option('--endpoint <url>', 'the S3 server (default: AWS)')
      .option('--region <region>', 'of the bucket')
      .option('--credentials <file>', 'access key of S3, in a file that its owner only can read')
      .option('--profile <name>', 'of the AWS profile files')
      .option('--at-least <what>', 'refuse a backup older than this number, or date', parseLeast)
      .option('--as-of <time>', 'first bring back what the bucket held at this time', parseTime)
      .option('--dry-run', 'a drill: rebuild it elsewhere, look at it, and forget it')
      .option('--sample <n>', 'files that a drill reads (default: 20)', parseCount),
  )
    .addHelpText('after', HELP)
    .action(async (options: RecoverOptions) => {
      const { from: url, credentials, endpoint, region, profile, atLeast, asOf: asOfMs } = options
      const key = await readKey(options.key)
      const access = credentials === undefined ? {} : { credentialsFile: resolve(credentials) }
      const request = { url, key, endpoint, region, profile, ...access, ...atLeast, asOfMs }
      if (options.dryRun === true && asOfMs !== undefined)
        throw new ShoalError('usage', '--dry-run changes nothing in the bucket, --as-of does')
      if (options.dryRun === true) return rehearse(context, { ...request, sample: options.sample })
      const { volume, isUp } = await recover(context, request, options)
      const next = isUp ? 'ls' : 'up'
      tellSkipped(context, volume.backup)
      context.print(
        volume,
        () =>
          `Recovered volume "${printable(volume.name)}" as of ${backupText(volume.backup)}, with this node as ${volume.role}. Next: ${context.commandLine(next)}`,
      )
    })
}

/** By a node that runs for this only, in a folder that is gone in the end. */
async function rehearse(context: Context, request: RehearseRequest): Promise<void> {
  const { initHome } = await import('../../node/config.ts')
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
        context.tell(`Not read: ${printable(path)}: ${printable(message)}`)
      context.print(found, () => drillText(found))
      if (found.problems.length === 0) return
      if (context.json) return void (process.exitCode = 1)
      const message = `${count(found.problems.length, 'file')} of the sample cannot be read from the tier: push them, with shoal cold push`
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
    `  ${count(files, 'file')} (${formatBytes(bytes)}), ${count(folders, 'folder')}, ${others} others`,
    `  ${count(readFiles, 'file')} read whole (${formatBytes(readBytes)})`,
  ].join('\n')
}

function tellSkipped(context: Context, { skipped }: UsedBackup): void {
  for (const { key: object, why } of skipped)
    context.tell(`Passed over: ${printable(object)} ${printable(why)}`)
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
  const { initHome, isHome } = await import('../../node/config.ts')
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
