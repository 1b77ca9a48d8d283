// `shoal mount` and `shoal unmount`: the namespace as a folder of this machine.
import { lstatSync } from 'node:fs'
import { resolve } from 'node:path'
import { countBetween, driverOption, parseUmask, waitOption } from '../arguments.ts'
import { Option } from 'commander'
import type { Command } from 'commander'
import type { MountRequest } from '../../node/control/mounts.ts'
import type { Context } from '../context.ts'

/** The kernel keeps the highest number to itself. */
const OWNER_MAX: number = 2 ** 32 - 2

interface MountOptions extends Omit<MountRequest, 'waitMs'> {
  /** In ms. */
  readonly wait?: number
  /** The name that the default had. */
  readonly async?: boolean
}

export function addMount(program: Command, context: Context): void {
  program
    .command('mount <dir>')
    .description('mount a volume at a local folder')
    .option('--volume <name>', "volume (default: the node's first)")
    .option('--read-only', 'mount read-only')
    .option('--allow-other', 'let other users of this machine access the mount')
    .option('--subdir <path>', 'mount only this folder of the volume')
    .option('--uid <number>', 'show all files as owned by this user', countBetween(0, OWNER_MAX))
    .option('--gid <number>', 'show all files as owned by this group', countBetween(0, OWNER_MAX))
    .option('--umask <octal>', 'permission bits to clear on all files, such as 077', parseUmask)
    .option('--non-empty', 'allow mounting over a non-empty folder')
    .addOption(waitOption())
    .option('--cache-size <size>', "size limit of the node's read cache, until it stops")
    .addOption(
      new Option(
        '--sync <when>',
        'what flushes to disk: fsync() alone, or "always": close() too',
      ).choices(['fsync', 'always']),
    )
    .addOption(new Option('--async', 'accepted as before: it is the default').hideHelp())
    .addOption(driverOption())
    .addHelpText(
      'after',
      '\nDIR is created if it does not exist.\n\n' +
        'Examples:\n  shoal mount ~/Shoal\n  shoal mount --subdir /photos --read-only ~/Photos',
    )
    .action(async (dir: string, { wait, ...options }: MountOptions) => {
      const request = { ...options, async: undefined, waitMs: wait }
      const folder = resolve(dir)
      const place = placeText(folder)
      const mounted = await context.client.mount(folder, request)
      const { volume, allowOther } = mounted
      const whom = allowOther
        ? 'accessible to other users of this machine'
        : 'accessible only to you (see --allow-other)'
      context.print(
        mounted,
        () => `Volume "${volume}" is mounted at ${mounted.folder}${place}, ${whom}`,
      )
    })
}

/** ", a new folder" where a mount will have to make it. */
export function placeText(folder: string): string {
  try {
    return lstatSync(folder, { throwIfNoEntry: false }) === undefined ? ', a new folder' : ''
  } catch {
    // What cannot be looked at is there: a dead mount.
    return ''
  }
}

export function addUnmount(program: Command, context: Context): void {
  program
    .command('unmount <dir>')
    .alias('umount')
    .description('unmount a folder')
    .option('--force', 'unmount even if files are open')
    .addHelpText('after', '\nExample:\n  shoal unmount ~/Shoal')
    .action(async (dir: string, options: { force?: boolean }) => {
      const folder = resolve(dir)
      await context.client.unmount(folder, { force: options.force })
      context.print({ unmounted: folder }, () => '')
    })
}
