// `shoal pin add|ls|rm`: wishes for a folder or a file that come before what its volume says.
import { ShoalError } from '../../protocol/errors.ts'
import { ofVolumeOption } from '../arguments.ts'
import { formatBytes, printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type { Pin, PinProgress } from '../../node/control/pins.ts'
import type { Context } from '../context.ts'

interface AddOptions {
  readonly class?: string
  readonly local?: boolean
  readonly cold?: string
}

const ADD_HELP = `
--class and --cold are for the whole volume, and of several the nearest pin counts. For a class, what is there is packed anew
in the background. Into a cold tier (see shoal cold add) goes what is there now, and what comes or changes later by itself, not
waiting for the volume's cold-after; peers give up what the volume's setting "keep" does not hold.
--local is for this node alone: all that is there is fetched now, what comes or changes later by itself, and none of it is
evicted. To end the waiting with Ctrl-C is safe: the pin stays, and fetching goes on. See shoal pin ls for how far it is.

Examples:
  shoal pin add /photos --class rs6+3
  shoal pin add /photos/2019 --cold attic
  shoal pin add /desk --local`

const LS_HELP = `
Of each pin: how much of what is below is in stripes of the class, lies in the cold tier, or is on this node. Only files of which
the pin is the nearest of its kind count.

Example:
  shoal pin ls`

const RM_HELP = `
What a local pin kept here stays until its space is wanted for something else. What a cold pin put into a tier stays there
until no file needs it (shoal cold recall brings it back then), and nothing more follows it.

Example:
  shoal pin rm /photos`

export function addPin(program: Command, context: Context): void {
  const pin = program
    .command('pin')
    .description('say of a folder or a file how redundant it is to be, or where it is to lie')
    .addHelpText('after', '\nExample:\n  shoal pin add /photos --class rs6+3')
  pin
    .command('add <path>')
    .description('pin a folder with all below it, or a file')
    .option('--class <class>', 'how redundant: rsK+M, copiesN, or auto')
    .option('--cold <tier>', 'put it into this cold tier at once')
    .option('--local', 'keep it wholly on this node')
    .addHelpText('after', ADD_HELP)
    .action((path: string, options: AddOptions) => add(context, asPath(path), options))
  pin
    .command('ls')
    .description('list the pins of a volume and of this node, and how far each is')
    .addOption(ofVolumeOption())
    .addHelpText('after', LS_HELP)
    .action(async ({ volume }: { readonly volume?: string }) => {
      const pins = await list(context, volume)
      context.print(pins, () => table(pins.map(rowOf)))
      if (pins.length === 0) context.tell('No pins.')
    })
  pin
    .command('rm <path>')
    .description('take the pins of a path away')
    .addHelpText('after', RM_HELP)
    .action(async (path: string) => {
      await context.client.removePin(asPath(path))
      context.print({ removed: path }, () => `Unpinned ${printable(path)}`)
    })
}

async function add(
  context: Context,
  path: string,
  { class: cls, cold, local }: AddOptions,
): Promise<void> {
  if ([cls, cold, local].filter((given) => given !== undefined).length !== 1)
    throw new ShoalError('usage', 'give one of --class, --cold and --local')
  if (cls !== undefined) {
    const pinned = await context.client.addPin(path, { class: cls })
    context.print(pinned, () => `Pinned ${printable(pinned.path)} to class ${pinned.class}`)
  } else if (cold !== undefined) {
    const pinned = await context.client.addColdPin(path, cold)
    context.print(pinned, () => {
      const shown = `${printable(pinned.path)} to cold tier ${printable(pinned.tier)}`
      return `Pinned ${shown}: it goes there in the background, see shoal pin ls`
    })
  } else {
    await pinHere(context, path)
  }
}

async function pinHere(context: Context, path: string): Promise<void> {
  const progress = showProgress(context, 'Fetching')
  let reached = { wantedBytes: 0, actualBytes: 0 }
  try {
    for await (const page of context.client.addLocalPin(path))
      for (const { wantedBytes, actualBytes } of page) {
        progress.reach(actualBytes, wantedBytes)
        reached = { wantedBytes, actualBytes }
      }
  } finally {
    progress.end()
  }
  const shown = formatBytes(reached.actualBytes)
  context.print(
    { path, kind: 'local', ...reached },
    () => `Pinned ${printable(path)} to this node: ${shown}`,
  )
}

/** All pins, once they are counted; how far that is, is shown. */
async function list(context: Context, volume: string | undefined): Promise<readonly Pin[]> {
  const pins: Pin[] = []
  const progress = showProgress(context, 'Counting')
  try {
    for await (const page of context.client.listPins({ volume }))
      for (const each of page) {
        if (each.kind === 'counted') progress.reach(each.doneBytes, each.totalBytes)
        else pins.push(each)
      }
  } finally {
    progress.end()
  }
  return pins
}

function rowOf(pin: Pin): readonly string[] {
  const why = pin.failure === undefined ? '' : printable(pin.failure.message)
  return [printable(pin.path), ...wishOf(pin), shareOf(pin), why]
}

/** What it is to be, and of whom. */
function wishOf(pin: Pin): readonly [string, string] {
  switch (pin.kind) {
    case 'class':
      return [`class ${printable(pin.class)}`, 'volume']
    case 'cold':
      return [`cold ${printable(pin.tier)}`, 'volume']
    case 'local':
      return ['local', 'this node']
  }
}

function shareOf({ wantedBytes, actualBytes }: PinProgress): string {
  const percent = wantedBytes === 0 ? 100 : Math.floor((100 * actualBytes) / wantedBytes)
  return `${formatBytes(actualBytes)} of ${formatBytes(wantedBytes)} (${percent} %)`
}
