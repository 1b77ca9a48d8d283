// `shoal recover`: rebuild a volume on an empty machine from its cold tier and a recovery key.
import { readFile, rm, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { ShoalError, hasCode } from '../../protocol/errors.ts'
import { printable } from '../output.ts'
import { addHomeOptions, homeOptions } from './init.ts'
import { readSecret } from '../secret.ts'
import type { Command } from 'commander'
import type { VolumeInfo } from '../../node/control/api.ts'
import type { RecoverRequest } from '../../node/control/recovery.ts'
import type { Context } from '../context.ts'
import type { HomeOptions } from './init.ts'

interface RecoverOptions extends HomeOptions {
  readonly from: string
  readonly key: string
  readonly endpoint?: string
  readonly region?: string
  readonly credentials?: string
  readonly profile?: string
}

const HELP = `
All that the volume is made of is read and checked first; files are fetched as they are read. This node is an admin of
the volume then. Makes a home if there is none. If anything is wrong, nothing is changed.

Then: remove members that are gone for good with "shoal peer rm NAME --now", and invite new ones.

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
      .option('--profile <name>', 'of the AWS profile files'),
  )
    .addHelpText('after', HELP)
    .action(async (options: RecoverOptions) => {
      const { from: url, credentials, endpoint, region, profile } = options
      const key = await readKey(options.key)
      const access = credentials === undefined ? {} : { credentialsFile: resolve(credentials) }
      const request = { url, key, endpoint, region, profile, ...access }
      const { volume, isUp } = await recover(context, request, options)
      const next = isUp ? 'ls' : 'up'
      context.print(
        volume,
        () =>
          `Recovered volume "${printable(volume.name)}" with this node as ${volume.role}. Next: ${context.commandLine(next)}`,
      )
    })
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
): Promise<{ volume: VolumeInfo; isUp: boolean }> {
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
