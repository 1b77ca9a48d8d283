// `shoal mount`: the namespace as a folder of this machine.
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

interface Options {
  readonly volume?: string
  readonly readOnly?: boolean
  readonly allowOther?: boolean
}

export function addMount(program: Command, context: Context): void {
  program
    .command('mount <dir>')
    .description('mount the namespace at a folder of this machine')
    .option('--volume <name>', 'which volume (default: the first this node had)')
    .option('--read-only', 'refuse changes through this mount')
    .option('--allow-other', 'let other users of this machine in')
    .addHelpText('after', '\nExample:\n  shoal mount ~/Shoal')
    .action(async (folder: string, options: Options) => {
      const mounted = await context.client.mount(resolve(folder), options)
      context.print(mounted, () => `Volume "${mounted.volume}" is mounted at ${mounted.folder}`)
    })
}
