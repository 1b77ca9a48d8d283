// `shoal cold add|trust|ls|rm|rollback|push|recall|verify`: tiers outside the swarm for data that
// nobody reads.
import { ofVolumeOption, parseTierUrl, parseTime } from '../arguments.ts'
import { agree } from '../confirm.ts'
import { count, formatTime, printable, table } from '../output.ts'
import { formatBytes, parseSize } from '../../protocol/size.ts'
import { asPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import { addAccessOptions, findAccess, tellKept } from '../access-key.ts'
import type { AccessOptions } from '../access-key.ts'
import { addTrust } from './cold-trust.ts'
import { addVerify } from './cold-verify.ts'
import type { Command } from 'commander'
import type { ColdProgress, TierStatus } from '../../node/control/cold.ts'
import type { Context } from '../context.ts'
import type { WallTime } from '../../protocol/units.ts'

interface AddOptions extends AccessOptions {
  readonly endpoint?: string
  readonly region?: string
  readonly storageClass?: string
  readonly limit?: number
  readonly volume?: string
}

interface RollBackOptions {
  readonly to: WallTime
  readonly yes?: boolean
  readonly volume?: string
}

const ADD_HELP = `
URLs:
  s3://BUCKET/PREFIX    any S3 server
  rclone:REMOTE:PATH    any remote configured for rclone on this machine
  dir:PATH              a folder, such as a mounted disk

The access key of an S3 server is taken from --credentials or --profile, else
from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or your default AWS profile,
and kept in this node's home: what the node needs later does not depend on your
shell. To replace it, add the tier again. A profile without a key (a role, a
login) is followed by the node each time.

All members learn the location of the tier; each node uses it once its owner has
agreed ("shoal cold trust"). Keys and limits stay on this node. All data in a
tier is encrypted.

Example:
  shoal cold add attic s3://backups/shoal \\
    --endpoint http://nas:9000 --region eu`

const PUSH_HELP = `
Data in a tier is read back and verified before peers drop any copies; the
volume setting "keep" says how many they keep. Ctrl-C stops safely.

To move data automatically:
  shoal volume set main cold-tier=attic cold-after=90d
To pause that:
  shoal volume set main cold=paused

Example:
  shoal cold push /photos/2019`

const ROLLBACK_HELP = `
Needs an S3 bucket with versioning, such as one with Object Lock. Objects
removed or overwritten since then are restored; objects added later stay. Check
the result with "shoal cold verify".

Example:
  shoal cold rollback attic --to 2026-11-21T14:00`

export function addCold(program: Command, context: Context): void {
  const cold = program
    .command('cold')
    .description('keep unused data in cold storage: S3, rclone remotes, folders')
    .addHelpText('after', '\nExample:\n  shoal cold add attic s3://backups/shoal --region eu')
  const add = cold
    .command('add')
    .argument('<name>')
    .argument('<url>', undefined, parseTierUrl)
    .description('add a cold tier (access is tested first)')
    .option('--endpoint <url>', 'URL of the S3 server (default: AWS)')
    .option('--region <region>', 'region of the bucket')
    .option('--storage-class <class>', 'storage class of objects, such as STANDARD_IA or GLACIER')
  addAccessOptions(add)
    .option('--limit <size>', 'limit per second of uploads, and of downloads', parseSize)
    .addOption(ofVolumeOption())
    .addHelpText('after', ADD_HELP)
    .action(async (name: string, url: string, options: AddOptions) => {
      const { credentials, profile, limit: bytesPerSecond, ...rest } = options
      const { access, source } = await findAccess(url, { credentials, profile })
      const tier = await context.client.addTier({ name, url, bytesPerSecond, ...rest, ...access })
      context.print(tier, () => `Added cold tier ${printable(tier.name)} at ${printable(tier.url)}`)
      tellKept(context, source)
    })
  addTrust(cold, context)
  cold
    .command('ls')
    .description('list the tiers of a volume and their contents')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal cold ls')
    .action(async ({ volume }: { readonly volume?: string }) => {
      const tiers = await context.client.listTiers({ volume })
      context.print(tiers, () => table(tiers.map(rowOf), context.columns))
      if (tiers.length === 0) context.tell('No cold tiers.')
    })
  cold
    .command('rm <name>')
    .description('detach a tier; its objects are kept')
    .addOption(ofVolumeOption())
    .addHelpText('after', '\nExample:\n  shoal cold rm attic')
    .action(async (name: string, { volume }: { readonly volume?: string }) => {
      const { url, stripes } = await context.client.removeTier(name, { volume })
      context.print({ removed: name, url, stripes }, () => {
        const kept = stripes === 0 ? '' : `, with copies of ${count(stripes, 'stripe')}`
        return `Detached cold tier ${printable(name)}; its objects at ${printable(url)} are kept${kept}`
      })
    })
  cold
    .command('rollback <name>')
    .description('restore the bucket of a tier to an earlier time')
    .requiredOption('--to <time>', 'time to restore, before the damage was done', parseTime)
    .option('-y, --yes', 'restore without asking')
    .addOption(ofVolumeOption())
    .addHelpText('after', ROLLBACK_HELP)
    .action(async (name: string, { to, yes, volume }: RollBackOptions) => {
      const time = formatTime(to)
      const question = `Restore all objects of cold tier ${printable(name)} to ${time}?`
      await agree(context, question, { yes, otherwise: 'nothing was restored' })
      const restored = await context.client.rollBackTier(name, to, { volume })
      context.print(
        { restored },
        () => `Restored ${count(restored, 'object')} in ${printable(name)} to ${time}`,
      )
    })
  addMoves(cold, context)
  addVerify(cold, context)
}

function addMoves(cold: Command, context: Context): void {
  cold
    .command('push <path>')
    .description('upload a file or folder to a cold tier now')
    .option('--tier <name>', 'tier to use (default: the setting cold-tier, or the only tier)')
    .addHelpText('after', PUSH_HELP)
    .action(async (path: string, { tier }: { readonly tier?: string }) => {
      const pages = context.client.pushCold(asPath(path), { tier })
      const bytes = await follow(context, 'Uploading', pages)
      context.summarize(
        { path, bytes },
        () => `Uploaded ${formatBytes(bytes)} to the cold tier, verified`,
      )
    })
  cold
    .command('recall <path>')
    .description('move a file or folder from its cold tier back to the peers')
    .addHelpText(
      'after',
      '\n' +
        'Data below PATH that is pinned to a tier stays there, as does data packed\n' +
        'with it.\n\n' +
        'Example:\n' +
        '  shoal cold recall /photos/2019',
    )
    .action(async (path: string) => {
      const bytes = await follow(context, 'Recalling', context.client.recallCold(asPath(path)))
      context.summarize({ path, bytes }, () => `Recalled ${formatBytes(bytes)}`)
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
      : `written from ${formatTime(oldestMs)} to ${formatTime(newestMs)}`
  const now =
    moving === undefined
      ? ''
      : `uploading ${formatBytes(moving.doneBytes)} of ${formatBytes(moving.totalBytes)}`
  const health = failure === undefined ? 'ok' : printable(failure.message)
  return [printable(name), printable(url), kept, held, printable(named.join(' ')), put, now, health]
}
