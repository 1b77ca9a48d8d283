// `shoal init`: make a home.
import { collect } from '../arguments.ts'
import type { Command } from 'commander'
import type { Context } from '../context.ts'

/** Options of `init`, which `up` has too. */
export interface HomeOptions {
  readonly name?: string
  readonly zone?: string
  readonly capacity?: string
  readonly repairRate?: string
  readonly cacheSize?: string
  readonly metrics?: string
  readonly listen?: readonly string[]
  /** False by --no-mdns. */
  readonly mdns?: boolean
}

export function addInit(program: Command, context: Context): void {
  addHomeOptions(
    program.command('init').description('create a node: home folder, identity and configuration'),
  )
    .addHelpText('after', '\nExample:\n  shoal init --name attic --zone house --capacity 200GB')
    .action(async (options: HomeOptions) => {
      // Loaded here: the commands that only talk to a node start without it.
      const { initHome } = await import('../../node/home.ts')
      const { folder, config } = await initHome(context.home, homeOptions(options))
      context.print(
        { home: folder, config },
        () =>
          `Created node "${config.name}" in ${folder}. Start it with "${context.commandLine('up')}".`,
      )
    })
}

export function addHomeOptions(command: Command): Command {
  return command
    .option('--name <name>', 'display name of the node (default: the host name)')
    .option('--zone <zone>', 'failure domain: nodes in one zone may fail together')
    .option('--capacity <size>', 'storage limit, such as 200GB (default: the whole disk)')
    .option('--repair-rate <size>', 'repair traffic limit per second (default: 64MiB)')
    .option('--cache-size <size>', 'size limit of the read cache (default: 1GiB)')
    .option('--listen <multiaddr>', 'address to listen on; may be repeated', collect)
    .option('--metrics <host:port>', 'serve metrics and health there, on this machine alone')
    .option('--no-mdns', 'disable peer discovery on the local network')
}

/**
 * The options given on the command line; commander has `mdns: true` where --no-mdns is not given.
 */
export function homeOptions({
  name,
  zone,
  capacity,
  repairRate,
  cacheSize,
  listen,
  metrics,
  mdns,
}: HomeOptions): HomeOptions {
  return {
    ...(name !== undefined && { name }),
    ...(zone !== undefined && { zone }),
    ...(capacity !== undefined && { capacity }),
    ...(repairRate !== undefined && { repairRate }),
    ...(cacheSize !== undefined && { cacheSize }),
    ...(listen !== undefined && { listen }),
    ...(metrics !== undefined && { metrics }),
    ...(mdns === false && { mdns }),
  }
}
