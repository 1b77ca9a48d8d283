// `shoal pin add|ls|rm`: wishes for a folder or a file that come before what its volume says.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes } from '../../protocol/size.ts'
import { ofVolumeOption } from '../arguments.ts'
import { printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type { Pin, PinProgress, RemovedPin } from '../../node/control/pins.ts'
import type { Context } from '../context.ts'

interface AddOptions {
  readonly class?: string
  readonly local?: boolean
  readonly cold?: string
}

const ADD_HELP = `
--class and --cold apply to the whole volume; the nearest pin above a file wins.
--class: existing data is recoded in the background. --cold: existing and future
data is uploaded to the tier (see "shoal cold add") without waiting for
cold-after, and peers keep as many copies as the volume setting "keep" says.

--local applies to this node only: existing and future data is fetched and never
evicted. Ctrl-C stops waiting; fetching continues. "shoal pin ls" shows
progress.

Examples:
  shoal pin add /photos --class rs6+3
  shoal pin add /photos/2019 --cold attic
  shoal pin add /desk --local`

const LS_HELP = `
Progress is the share of the data that has the class, is in the cold tier,
or is on this node. A file counts for its nearest pin of each kind.

Example:
  shoal pin ls`

const RM_HELP = `
Data that a local pin kept on this node becomes evictable. Data that a cold pin
stored in a tier stays there, but no more data follows; "shoal cold recall"
brings it back.

Example:
  shoal pin rm /photos`

export function addPin(program: Command, context: Context): void {
  const pin = program
    .command('pin')
    .description('set the redundancy or location of a file or folder')
    .addHelpText('after', '\nExample:\n  shoal pin add /photos --class rs6+3')
  pin
    .command('add <path>')
    .description('pin a file, or a folder with its contents')
    .option('--class <class>', 'redundancy: rsK+M, copiesN, or auto')
    .option('--cold <tier>', 'store it in this cold tier')
    .option('--local', 'keep a full copy on this node')
    .addHelpText('after', ADD_HELP)
    .action((path: string, options: AddOptions) => add(context, asPath(path), options))
  pin
    .command('ls')
    .description('list the pins of a volume and of this node, with progress')
    .addOption(ofVolumeOption())
    .addHelpText('after', LS_HELP)
    .action(async ({ volume }: { readonly volume?: string }) => {
      const pins = await list(context, volume)
      context.print(pins, () => table(pins.map(rowOf), context.columns))
      if (pins.length === 0) context.tell('No pins.')
    })
  pin
    .command('rm <path>')
    .description('remove the pins of a path')
    .addHelpText('after', RM_HELP)
    .action(async (path: string) => {
      const pins = await context.client.removePin(asPath(path))
      context.print({ removed: path, pins }, () => {
        const wishes = pins.map((pin) => wishOf(pin)[0]).join(', ')
        return `Unpinned ${printable(path)}: ${wishes}`
      })
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
      return `Pinned ${shown}: uploading in the background, see "shoal pin ls"`
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
  context.summarize(
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

/** The wish and its scope, as columns of the table. */
function wishOf(pin: RemovedPin): readonly [string, string] {
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
