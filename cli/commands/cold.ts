// `shoal cold add|trust|ls|rm|rollback|push|recall|verify`: tiers outside the swarm for data that nobody reads.
import { resolve } from 'node:path'
import { ofVolumeOption, parseTime } from '../arguments.ts'
import { count, formatBytes, formatTime, printable, table } from '../output.ts'
import { parseSize } from '../../protocol/size.ts'
import { asPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import { addTrust } from './cold-trust.ts'
import { addVerify } from './cold-verify.ts'
import type { Command } from 'commander'
import type { ColdProgress, TierStatus } from '../../node/control/cold.ts'
import type { Context } from '../context.ts'
import type { WallTime } from '../../protocol/units.ts'

interface AddOptions {
  readonly endpoint?: string
  readonly region?: string
  readonly storageClass?: string
  readonly credentials?: string
  readonly profile?: string
  readonly limit?: number
  readonly volume?: string
}

const ADD_HELP = `
URLs:
  s3://BUCKET/PREFIX    any S3 server; credentials from the environment, the AWS profile files, or --credentials
  rclone:REMOTE:PATH    any remote that rclone on this machine knows
  dir:/PATH             a folder, such as a mounted disk

All members learn where the tier is, and each node uses it once its owner has agreed ("cold trust"). What lets a node in to
it, and its limit, stay on that node. What goes there is encrypted.

Example:
  shoal cold add attic s3://backups/shoal --endpoint http://nas:9000 --region eu`

const PUSH_HELP = `
What lies in a tier is read back and verified before peers give up any of it ("keep" of a volume says how much stays).
To do this by itself: shoal volume set main cold-tier=attic cold-after=90d; to pause that: cold=paused. To end it with
Ctrl-C is safe.

Example:
  shoal cold push /photos/2019`

const ROLLBACK_HELP = `
For an S3 bucket that keeps versions, as one with Object Lock does: what was removed or replaced since then is what it was.
What came later stays. Look at it afterwards: shoal cold verify.

Example:
  shoal cold rollback attic --to 2026-11-21T14:00`

export function addCold(program: Command, context: Context): void {
  const cold = program
    .command('cold')
    .description('keep data that nobody reads outside the swarm: S3, rclone remotes, folders')
    .addHelpText('after', '\nExample:\n  shoal cold add attic s3://backups/shoal --region eu')
  cold
    .command('add <name> <url>')
    .description('tell a volume of a tier, once it was seen to work from here')
    .option('--endpoint <url>', 'the S3 server (default: AWS)')
    .option('--region <region>', 'of the bucket')
    .option('--storage-class <class>', 'of objects put there, such as STANDARD_IA or GLACIER')
    .option('--credentials <file>', 'access key of S3, in a file that its owner only can read')
    .option('--profile <name>', 'of the AWS profile files')
    .option('--limit <size>', 'what this node sends, and what it gets, a second', parseSize)
    .addOption(ofVolumeOption())
    .addHelpText('after', ADD_HELP)
    .action(async (name: string, url: string, options: AddOptions) => {
      const { credentials, limit: bytesPerSecond, ...rest } = options
      const file = credentials === undefined ? {} : { credentialsFile: resolve(credentials) }
      const tier = await context.client.addTier({ name, url, bytesPerSecond, ...rest, ...file })
      context.print(tier, () => `Added cold tier ${printable(tier.name)} at ${printable(tier.url)}`)
    })
  addTrust(cold, context)
  cold
    .command('ls')
    .description('list the tiers of a volume, and what lies there')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal cold ls')
    .action(async ({ volume }: { readonly volume?: string }) => {
      const tiers = await context.client.listTiers({ volume })
      context.print(tiers, () => table(tiers.map(rowOf)))
      if (tiers.length === 0) context.tell('No cold tiers.')
    })
  cold
    .command('rm <name>')
    .description('let a volume know of a tier no more; what lies there stays there')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal cold rm attic')
    .action(async (name: string, { volume }: { readonly volume?: string }) => {
      await context.client.removeTier(name, { volume })
      context.print({ removed: name }, () => `Removed cold tier ${printable(name)}`)
    })
  cold
    .command('rollback <name>')
    .description('bring back what the bucket of a tier held at a time')
    .requiredOption('--to <time>', 'before the harm was done', parseTime)
    .addOption(ofVolumeOption())
    .addHelpText('after', ROLLBACK_HELP)
    .action(async (name: string, options: { readonly to: WallTime; readonly volume?: string }) => {
      const { to, volume } = options
      const restored = await context.client.rollBackTier(name, to, { volume })
      context.print(
        { restored },
        () => `Brought back ${count(restored, 'object')} of ${printable(name)}`,
      )
    })
  addMoves(cold, context)
  addVerify(cold, context)
}

function addMoves(cold: Command, context: Context): void {
  cold
    .command('push <path>')
    .description('put what is at a path and below into a tier now')
    .option('--tier <name>', 'which (default: that of the settings, or the only one)')
    .addHelpText('after', PUSH_HELP)
    .action(async (path: string, { tier }: { readonly tier?: string }) => {
      const pages = context.client.pushCold(asPath(path), { tier })
      const bytes = await follow(context, 'Putting', pages)
      context.print({ path, bytes }, () => `Put ${formatBytes(bytes)} into the cold tier, verified`)
    })
  cold
    .command('recall <path>')
    .description('bring what is at a path and below back to peers, and out of its tier')
    .addHelpText(
      'after',
      '\nWhat is pinned to a tier below that path stays there, and what was packed with it.\n\nExample:\n  shoal cold recall /photos/2019',
    )
    .action(async (path: string) => {
      const bytes = await follow(context, 'Recalling', context.client.recallCold(asPath(path)))
      context.print({ path, bytes }, () => `Brought ${formatBytes(bytes)} back`)
    })
}

/** Show how far it is. returns the bytes done. */
async function follow(
  context: Context,
  label: string,
  pages: AsyncIterable<readonly ColdProgress[]>,
): Promise<number> {
  const progress = showProgress(context, label)
  let done = 0
  try {
    for await (const page of pages)
      for (const { doneBytes, totalBytes } of page) {
        progress.reach(doneBytes, totalBytes)
        done = doneBytes
      }
  } finally {
    progress.end()
  }
  return done
}

function rowOf(tier: TierStatus): readonly string[] {
  const { name, url, stripes, only, moving, objects, bytes, classes = {} } = tier
  const { oldestMs, newestMs, failure } = tier
  const kept = `${count(stripes, 'stripe')}${only === 0 ? '' : ` (${only} nowhere else)`}`
  const named = Object.keys(classes).filter((each) => each !== '')
  const held =
    objects === undefined ? '' : `${count(objects, 'object')}, ${formatBytes(bytes ?? 0)}`
  const put =
    newestMs === undefined || oldestMs === undefined
      ? ''
      : `put from ${formatTime(oldestMs)} to ${formatTime(newestMs)}`
  const now =
    moving === undefined
      ? ''
      : `putting ${formatBytes(moving.doneBytes)} of ${formatBytes(moving.totalBytes)}`
  const health = failure === undefined ? 'ok' : printable(failure.message)
  return [printable(name), printable(url), kept, held, printable(named.join(' ')), put, now, health]
}
