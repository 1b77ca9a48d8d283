// `shoal cold trust`: an owner's word that a node uses a cold tier, which some admin told the
// volume of, and just that one. Whoever joins a volume on a terminal is asked there.
import { parseTierLocation } from '../../protocol/cold/location.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { parseSize } from '../../protocol/size.ts'
import { ofVolumeOption } from '../arguments.ts'
import { addAccessOptions, findAccess, tellKept } from '../access-key.ts'
import type { AccessOptions } from '../access-key.ts'
import { printable, table } from '../output.ts'
import { confirm, isAsked } from '../confirm.ts'
import type { Command } from 'commander'
import type { VolumeInfo } from '../../node/control/volumes.ts'
import type { ColdApi, Tier, TierStatus } from '../../node/control/cold.ts'
import type { Context } from '../context.ts'

interface TrustOptions extends AccessOptions {
  readonly limit?: number
  readonly volume?: string
  readonly yes?: boolean
  readonly withdraw?: boolean
}

const HELP = `
An admin of the volume chooses the location of a tier, but using it involves the
folders, programs and keys of this machine. So this node uses a tier only after
you have agreed to its location; if that changes, you are asked again. "shoal
cold add" implies agreement.

Example:
  shoal cold trust attic --credentials ~/attic.key

The access key of an S3 server is found and kept as by "shoal cold add".`

export function addTrust(cold: Command, context: Context): void {
  const command = cold
    .command('trust <name>')
    .description('allow this node to use a tier of a volume')
  addAccessOptions(command)
    .option('--limit <size>', 'limit per second of uploads, and of downloads', parseSize)
    .option('--yes', 'agree without being asked')
    .option('--withdraw', 'withdraw the agreement')
    .addOption(ofVolumeOption())
    .addHelpText('after', HELP)
    .action(async (name: string, options: TrustOptions) => {
      const { volume, withdraw = false } = options
      if (!withdraw) return trust(context, name, options)
      await context.client.distrustTier(name, { volume })
      context.print(
        { withdrawn: name },
        () => `This node no longer uses cold tier ${printable(name)}`,
      )
    })
}

async function trust(context: Context, name: string, options: TrustOptions): Promise<void> {
  const { limit: bytesPerSecond, volume, yes = false } = options
  const tier = await find(context.client, name, volume)
  if (!yes && !(await agrees(context, tier))) {
    const next = isAsked(context)
      ? 'nothing was changed'
      : 'check its location, then repeat with --yes'
    throw new ShoalError('usage', `you have not agreed to cold tier ${name}: ${next}`)
  }
  const { access, source } = await findAccess(tier.url, options)
  const own = { ...access, bytesPerSecond, volume }
  const status = await context.client.trustTier({ ...placeOf(tier), ...own })
  context.print(status, () => `This node uses cold tier ${printable(name)}`)
  tellKept(context, source)
  if (status.failure !== undefined)
    context.tell(`It does not work from this node yet: ${printable(status.failure.message)}`)
}

/**
 * Ask about each tier that a volume has and this node does not use; without a terminal say how to
 * agree.
 */
export async function askAboutTiers(
  context: Context,
  api: ColdApi,
  { name: volume, role }: Pick<VolumeInfo, 'name' | 'role'>,
): Promise<void> {
  if (role === 'keeper') return
  const { signal } = context
  for (const tier of await api.listTiers({ volume, signal })) {
    const { name, url, isAgreed } = tier
    if (isAgreed || url === '') continue
    if (isAsked(context) && (await agrees(context, tier))) {
      const { access, source } = await findAccess(url, {})
      const { failure } = await api.trustTier({ ...placeOf(tier), ...access, volume }, { signal })
      tellKept(context, source)
      if (failure !== undefined) context.tell(`It does not work yet: ${printable(failure.message)}`)
    } else {
      const next = context.commandLine(`cold trust ${name} --volume ${volume}`)
      context.tell(
        `This node does not use the volume's cold tier ${printable(name)} (${printable(url)}). To allow it: ${next}`,
      )
    }
  }
}

async function find(api: ColdApi, name: string, volume: string | undefined): Promise<TierStatus> {
  const tiers = await api.listTiers({ volume })
  const tier = tiers.find((each) => each.name === name)
  if (tier === undefined)
    throw new ShoalError('ENOENT', `the volume has no cold tier ${name}; see "shoal cold ls"`)
  if (tier.url === '')
    throw new ShoalError('malformed', tier.failure?.message ?? 'its location is invalid')
  return tier
}

function placeOf({ name, url, endpoint, region, storageClass }: Tier): Tier {
  return { name, url, endpoint, region, storageClass }
}

/** Show where a tier is; on a terminal, ask. */
async function agrees(context: Context, tier: Tier): Promise<boolean> {
  context.tell(
    [
      `An admin set the location of cold tier ${printable(tier.name)} of the volume to:`,
      table(rowsOf(tier).map(([what, text]) => [`  ${what}`, printable(text)])),
      'If you agree, this node stores, reads and removes encrypted data of the volume there.',
    ].join('\n'),
  )
  return confirm(context, 'Agree?')
}

function rowsOf({ url, endpoint, region, storageClass }: Tier): (readonly [string, string])[] {
  const location = parseTierLocation(url, {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(storageClass !== undefined && { storageClass }),
  })
  switch (location.kind) {
    case 's3':
      return [
        ['Kind', 'a bucket of an S3 server, with an access key of yours'],
        // As it is dialled: what looks like another letter is none.
        ['Server', endpoint === undefined ? 'Amazon' : new URL(endpoint).href],
        ['Bucket', location.bucket],
        ['Path', `/${location.prefix}`],
        ...(region === undefined ? [] : [['Region', region] as const]),
        ...(storageClass === undefined ? [] : [['Class', storageClass] as const]),
      ]
    case 'rclone':
      return [
        ['Kind', 'a remote of the rclone program on this machine'],
        ['Remote', location.remote],
        ['Path', location.path],
      ]
    case 'dir':
      return [
        ['Kind', 'a folder of this machine'],
        ['Path', location.path],
      ]
  }
}
