// `shoal volume create|ls|info|set`: shared namespaces and their policies.
import { Argument } from 'commander'
import { collectSetting } from '../arguments.ts'
import { careRows, logRows, stripesText, toleranceText } from '../health.ts'
import { count, formatTime, printable, shellWord, table } from '../output.ts'
import { addVolumeKey } from './volume-key.ts'
import type { Command } from 'commander'
import type { Settings, VolumeInfo } from '../../node/control/api.ts'
import type { VolumeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

const SETTINGS_HELP = `
Settings:
  class=auto|rsK+M|copiesN|local        how redundant data is; what is there is coded anew
  ack=local|copied|placed               when a put is done
  consistency=eventual|read-own|strong  how recent what is read is, and who agrees to what is written
  locks=local|strong                    whom a lock of a file of a mount excludes: programs on that machine, or on all;
                                        for mounts made from then on
  voters=NAME,NAME,...                  who agrees, where that is strong
  conflicts=copies|lww                  whether older versions of a file, written at once with its newest one, show as
                                        copies beside it; files made apart with one name show both in any case
  history=drop|full                     whether the log below a checkpoint is forgotten, or kept for "shoal log"
  checkpoint=N                          a checkpoint is due after so many entries, or a day
  away=30d                              how long a member that is away holds checkpoints up
  grace=24h                             after how long a silence a peer counts as gone, and its shards are made anew on
                                        others: 30m for machines that are always on
  trash=1d                              how long shards of deleted files are kept on the disks of their holders; on a machine
                                        with several volumes the longest counts
  cold-after=never|90d                  after how long without a read data goes into the cold tier
  cold-tier=NAME                        which that is: see "shoal cold add"
  cold=on|paused                        whether what is due goes there now; what is asked for does in any case
  keep=copies1|none|all                 what stays with peers of data in a cold tier: one copy, nothing, or all

Example:
  shoal volume set main class=rs4+2 ack=placed`

export function addVolume(program: Command, context: Context): void {
  const volume = program
    .command('volume')
    .description('make, list and set volumes')
    .addHelpText('after', '\nExample:\n  shoal volume info main')
  volume
    .command('create <name>')
    .addArgument(
      new Argument('[setting...]', 'policies, as for "volume set"')
        .argParser(collectSetting)
        .default({}, 'none'),
    )
    .description('make a volume, with this node as its admin')
    .option('--chunk <size>', 'average chunk: 64k, 256k or 1m')
    .option('--hash <name>', 'blake3 or sha2-256')
    .addHelpText('after', '\nExample:\n  shoal volume create photos class=rs4+2 --chunk 256k')
    .action(async (name: string, settings: Settings, how: { chunk?: string; hash?: string }) => {
      const made = await context.client.createVolume({ name, ...how, settings })
      context.print(made, () => `Made volume "${made.name}"`)
    })
  volume
    .command('ls')
    .description('list the volumes of this node')
    .addHelpText('after', '\nExample:\n  shoal volume ls')
    .action(async () => {
      const volumes = await context.client.listVolumes()
      context.print(volumes, () => volumeTable(volumes, context))
    })
  volume
    .command('info <name>')
    .description('show members, policies and health of a volume')
    .addHelpText('after', '\nExample:\n  shoal volume info main')
    .action(async (name: string) => {
      const info = await context.client.volumeInfo(name)
      context.print(info, () => describe(info))
    })
  volume
    .command('retry <name>')
    .description(
      'try again what a volume stopped at: an entry of the log that could not be applied',
    )
    .addHelpText('after', '\nExample:\n  shoal volume retry main')
    .action(async (name: string) => {
      const info = await context.client.retryVolume(name)
      context.print(info, () => `Trying again; "shoal volume info ${name}" says how it went.`)
    })
  volume
    .command('set <name>')
    .argument('<setting...>', 'KEY=VALUE', collectSetting)
    .description('set policies of a volume')
    .addHelpText('after', SETTINGS_HELP)
    .action(async (name: string, settings: Settings) => {
      const info = await context.client.setVolume(name, settings)
      context.print(info, () => settingsText(info.settings))
    })
  addAcceptCheckpoint(volume, context)
  addVolumeKey(volume, context)
}

function addAcceptCheckpoint(volume: Command, context: Context): void {
  volume
    .command('accept-checkpoint <peer>')
    .description('start from the checkpoint of a peer, though too few members vouch for it')
    .option('--volume <name>', "volume (default: the node's first)")
    .addHelpText(
      'after',
      `
A node that was away for very long may find that the others have dropped the log that it lacks. It goes on from their
checkpoint only if a majority of the members, an admin among them, attests it; until then it is read-only, and "shoal
status" names whose word is missing. If you know that PEER has what you want, say so by this command.

Example:
  shoal volume accept-checkpoint anna`,
    )
    .action(async (peer: string, { volume: name }: { volume?: string }) => {
      const info = await context.client.acceptCheckpoint(peer, { volume: name })
      context.print(info, () => `"${printable(info.name)}" goes on from the checkpoint of ${peer}`)
    })
}

/** Also part of `shoal status`. */
export function volumeTable(volumes: readonly VolumeStatus[], context: Context): string {
  if (volumes.length === 0)
    return 'No volume yet. The first "shoal put" or "shoal mount" makes one.'
  const rows = volumes.map((volume) => [
    printable(volume.name),
    volume.role,
    volume.class,
    toleranceText(volume),
    stripesText(volume),
    conflictsText(volume, context),
    differenceText(volume) ?? '',
  ])
  const lines = table(rows).split('\n')
  return volumes
    .flatMap((volume, i) => [
      lines[i] ?? '',
      ...[...careRows(volume), ...logRows(volume)].map(
        ([what, text]) => `  ${what.toLowerCase()}: ${text}`,
      ),
    ])
    .join('\n')
}

function conflictsText({ name, conflicts, isDefault }: VolumeStatus, context: Context): string {
  if (conflicts === 0) return ''
  const where = isDefault ? '' : ` ${shellWord(`${name}:`)}`
  return `${count(conflicts, 'conflict copy')} (${context.commandLine(`conflicts ls${where}`)})`
}

function describe(info: VolumeInfo): string {
  const rows = [
    ['Name', printable(info.name)],
    ['Id', info.id],
    ['Role', info.role],
    ['Class', info.class],
    ['Safety', toleranceText(info)],
    ['Stripes', stripesText(info)],
    ...careRows(info),
    ['Conflicts', String(info.conflicts)],
    ...[differenceText(info)].flatMap((text) => (text === undefined ? [] : [['State', text]])),
    ...logRows(info),
    ['Chunks', `${info.chunk}, ${info.hash}`],
    ['Made', formatTime(info.createdMs)],
    ['Log', `${count(info.entries, 'entry')}, ${count(info.heads.length, 'head')}`],
    ['Settings', settingsText(info.settings)],
    ...info.members.map(({ name, peer, role }) => [
      'Member',
      `${printable(name)}, ${role}, ${peer}`,
    ]),
  ]
  return table(rows)
}

function differenceText({ differsMs }: VolumeStatus): string | undefined {
  return differsMs === undefined
    ? undefined
    : `DIFFERS from another member as of ${formatTime(differsMs)}: one of the two is damaged`
}

function settingsText(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => printable(`${key}=${value}`))
    .join(' ')
}
