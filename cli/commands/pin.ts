// `shoal pin add|ls|rm`: wishes for a folder or a file that come before what its volume says.
import { printable, table } from '../output.ts'
import { asPath } from '../paths.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

export function addPin(program: Command, context: Context): void {
  const pin = program
    .command('pin')
    .description('say how redundant a folder with all below it, or a file, is to be')
    .addHelpText('after', '\nExample:\n  shoal pin add /photos --class rs6+3')
  pin
    .command('add <path>')
    .description('pin a path; the nearest pin counts, and what is there is packed anew')
    .requiredOption('--class <class>', 'rsK+M, copiesN, or auto')
    .addHelpText('after', '\nExample:\n  shoal pin add /photos --class rs6+3')
    .action(async (path: string, { class: cls }: { readonly class: string }) => {
      const pinned = await context.client.addPin(asPath(path), { class: cls })
      context.print(pinned, () => `Pinned ${printable(pinned.path)} to class ${pinned.class}`)
    })
  pin
    .command('ls')
    .description('list the pins of a volume')
    .option('--volume <volume>', 'of which volume (default: the first this node had)')
    .addHelpText('after', '\nExample:\n  shoal pin ls')
    .action(async ({ volume }: { readonly volume?: string }) => {
      const pins = await context.client.listPins({ volume })
      const rows = pins.map(({ path, class: cls }) => [printable(path), `class ${cls}`])
      context.print(pins, () => table(rows))
      if (pins.length === 0) context.tell('No pins.')
    })
  pin
    .command('rm <path>')
    .description('take a pin away: what is there is as redundant as what is around it')
    .addHelpText('after', '\nExample:\n  shoal pin rm /photos')
    .action(async (path: string) => {
      await context.client.removePin(asPath(path))
      context.print({ removed: path }, () => `Unpinned ${printable(path)}`)
    })
}
