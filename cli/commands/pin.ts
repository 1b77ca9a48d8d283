// `shoal pin add|ls|rm`: wishes for a folder or a file that come before what its volume says.
import { ShoalError } from '../../protocol/errors.ts'
import { formatBytes, printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import { showProgress } from '../progress.ts'
import type { Command } from 'commander'
import type { Pin } from '../../node/control/pins.ts'
import type { Context } from '../context.ts'

interface AddOptions {
  readonly class?: string
  readonly local?: boolean
}

const ADD_HELP = `
--class is for the whole volume: the nearest pin counts, and what is there is packed anew in the background.
--local is for this node alone: all that is there is fetched now, what comes or changes later by itself, and none of it is
evicted. To end the waiting with Ctrl-C is safe: the pin stays, and fetching goes on. See shoal pin ls for how far it is.

Examples:
  shoal pin add /photos --class rs6+3
  shoal pin add /desk --local`

const RM_HELP = `
What a local pin kept here stays until its space is wanted for something else.

Example:
  shoal pin rm /photos`

export function addPin(program: Command, context: Context): void {
  const pin = program
    .command('pin')
    .description('say how redundant a folder or a file is to be, or that it is to be on this node')
    .addHelpText('after', '\nExample:\n  shoal pin add /photos --class rs6+3')
  pin
    .command('add <path>')
    .description('pin a folder with all below it, or a file')
    .option('--class <class>', 'how redundant: rsK+M, copiesN, or auto')
    .option('--local', 'keep it wholly on this node')
    .addHelpText('after', ADD_HELP)
    .action(async (path: string, { class: cls, local = false }: AddOptions) => {
      if (local === (cls !== undefined))
        throw new ShoalError('usage', 'give either --class or --local')
      if (cls === undefined) return pinHere(context, asPath(path))
      const pinned = await context.client.addPin(asPath(path), { class: cls })
      context.print(pinned, () => `Pinned ${printable(pinned.path)} to class ${pinned.class}`)
    })
  pin
    .command('ls')
    .description('list the pins of a volume and of this node, and how much of it is here')
    .option('--volume <volume>', 'of which volume (default: the first this node had)')
    .addHelpText('after', '\nExample:\n  shoal pin ls')
    .action(async ({ volume }: { readonly volume?: string }) => {
      const pins = await context.client.listPins({ volume })
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

async function pinHere(context: Context, path: string): Promise<void> {
  const progress = showProgress(context, 'Fetching')
  let wanted = 0
  let actual = 0
  try {
    for await (const page of context.client.addLocalPin(path))
      for (const { wantedBytes, actualBytes } of page) {
        progress.expect(wantedBytes - wanted)
        progress.advance(actualBytes - actual)
        wanted = wantedBytes
        actual = actualBytes
      }
  } finally {
    progress.end()
  }
  const pinned = { path, kind: 'local', wantedBytes: wanted, actualBytes: actual }
  context.print(pinned, () => `Pinned ${printable(path)} to this node: ${formatBytes(actual)}`)
}

function rowOf(pin: Pin): readonly string[] {
  const path = printable(pin.path)
  if (pin.kind === 'class') return [path, `class ${pin.class}`, 'volume']
  const { wantedBytes, actualBytes, failure } = pin
  const percent = wantedBytes === 0 ? 100 : Math.floor((100 * actualBytes) / wantedBytes)
  const here = `${formatBytes(actualBytes)} of ${formatBytes(wantedBytes)} (${percent} %)`
  return [path, 'local', 'this node', here, ...(failure ? [printable(failure.message)] : [])]
}
