// `shoal cold verify`: read back what lies in cold tiers, and say what is missing or damaged.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { countBetween, ofVolumeOption } from '../arguments.ts'
import { count, formatDuration, formatTime, printable } from '../output.ts'
import { showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type { VerifiedTier, VerifyProblem } from '../../node/control/cold.ts'
import type { Context } from '../context.ts'

const SAMPLE_MAX = 1_000_000_000

interface VerifyOptions {
  readonly sample?: number
  readonly all?: boolean
  readonly volume?: string
}

const HELP = `
Reads the heads of all backups and all of the newest backup, and compares it
with the state of this node; checks that each pack exists, and reads some
stripes in full, chosen at random, or all. Exits with 1 if anything is missing
or damaged. Your provider may charge for the requests and the traffic. To test
the recovery key as well, use "shoal recover --dry-run".

Examples:
  shoal cold verify
  shoal cold verify attic --all`

export function addVerify(cold: Command, context: Context): void {
  cold
    .command('verify [tier]')
    .description('read back and verify the contents of a tier, or of all tiers')
    .option(
      '--sample <n>',
      'number of stripes to read in full (default: 20)',
      countBetween(0, SAMPLE_MAX),
    )
    .option('--all', 'read all stripes')
    .addOption(ofVolumeOption())
    .addHelpText('after', HELP)
    .action(async (tier: string | undefined, options: VerifyOptions) => {
      const { sample, all = false, volume } = options
      const how = { tier, volume, sample: all ? Infinity : sample }
      const { tiers, problems } = await follow(context, how)
      context.print({ tiers, problems }, () => tiers.map(describe).join('\n'))
      if (tiers.length === 0) context.tell('This node uses no cold tiers.')
      if (problems.length === 0) return
      if (context.json) return void (context.exitCode = 1)
      throw new ShoalError(
        'cold-corrupt',
        `${count(problems.length, 'problem')} found in the cold tier; upload missing data again with "shoal cold push"`,
      )
    })
}

async function follow(
  context: Context,
  how: Parameters<Context['client']['verifyCold']>[0],
): Promise<{
  readonly tiers: readonly VerifiedTier[]
  readonly problems: readonly VerifyProblem[]
}> {
  const tiers: VerifiedTier[] = []
  const problems: VerifyProblem[] = []
  const progress = showProgress(context, 'Reading')
  try {
    for await (const page of context.client.verifyCold(how))
      for (const event of page) {
        if (event.kind === 'progress') progress.reach(event.doneBytes, event.totalBytes)
        else if (event.kind === 'tier') tiers.push(event)
        else problems.push(event)
      }
  } finally {
    progress.end()
  }
  for (const { what } of problems) context.tell(printable(what))
  return { tiers, problems }
}

function describe({ tier, backup, ...packs }: VerifiedTier): string {
  const { stripes, readStripes, readBytes, archived } = packs
  const read = `${readStripes} of them read in full (${formatBytes(readBytes)})`
  const away = archived === 0 ? '' : `, ${archived} in an archive`
  return [
    `${printable(tier)}: ${count(stripes, 'stripe')} in ${count(packs.packs, 'pack')}, ${read}${away}`,
    `  ${backupText(backup)}`,
  ].join('\n')
}

function backupText({ number, timeMs, author, parts, isCompared }: VerifiedTier['backup']): string {
  if (timeMs === undefined) return 'no backup of the namespace'
  const age = formatDuration(Math.max(0, Date.now() - timeMs))
  const how = isCompared === true ? 'identical to the state of this node' : 'complete'
  return (
    `newest backup: number ${number} of ${formatTime(timeMs)} (${age} ago) ` +
    `by ${printable(author ?? '')}, ${count(parts ?? 0, 'part')}, ${how}`
  )
}
