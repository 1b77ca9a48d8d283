// `shoal mount`: the namespace as a folder of this machine.
import { resolve } from 'node:path'
import { countBetween, driverOption, parseUmask, waitOption } from '../arguments.ts'
import type { Command } from 'commander'
import type { MountRequest } from '../../node/control/api.ts'
import type { Context } from '../context.ts'

/** The kernel keeps the highest number to itself. */
const OWNER_MAX: number = 2 ** 32 - 2

interface MountOptions extends Omit<MountRequest, 'waitMs'> {
  /** In ms. */
  readonly wait?: number
}

export function addMount(program: Command, context: Context): void {
  program
    .command('mount <dir>')
    .description('mount the namespace at a folder of this machine')
    .option('--volume <name>', 'which volume (default: the first this node had)')
    .option('--read-only', 'refuse changes through this mount')
    .option('--allow-other', 'let other users of this machine in')
    .option('--subdir <path>', 'mount only this folder of the volume')
    .option(
      '--uid <number>',
      'show everything as if it were of this user',
      countBetween(0, OWNER_MAX),
    )
    .option('--gid <number>', 'the same of this group', countBetween(0, OWNER_MAX))
    .option('--umask <octal>', 'permissions that nothing shows, such as 077', parseUmask)
    .option('--non-empty', 'mount over what is in the folder')
    .addOption(waitOption())
    .option('--cache-size <size>', 'what this node may keep of what it fetches, until it stops')
    .option('--async', 'close() does not wait for the disk; fsync() does')
    .addOption(driverOption())
    .addHelpText(
      'after',
      '\nExample:\n  shoal mount ~/Shoal\n  shoal mount --subdir /photos --read-only ~/Photos',
    )
    .action(async (folder: string, { wait, ...options }: MountOptions) => {
      const request = { ...options, waitMs: wait }
      const mounted = await context.client.mount(resolve(folder), request)
      const { volume, allowOther } = mounted
      const whom = allowOther
        ? 'for other users of this machine, too'
        : 'for no other user of this machine: --allow-other lets them in'
      context.print(mounted, () => `Volume "${volume}" is mounted at ${mounted.folder}, ${whom}`)
    })
}
