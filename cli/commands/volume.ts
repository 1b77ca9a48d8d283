// `shoal volume create|ls|info|set|rename|clone|leave|rm|rejoin`: shared namespaces and their
// policies.
import { shellWord } from '../../protocol/shell-word.ts'
import { Argument } from 'commander'
import { collectSetting } from '../arguments.ts'
import {
  careRows,
  contentRows,
  logRows,
  shorteningRows,
  spaceText,
  stripesText,
  toleranceText,
} from '../health.ts'
import { formatBytes } from '../../protocol/size.ts'
import { count, formatTime, printable, table, tableRows, wrapLines } from '../output.ts'
import { addVolumeClone } from '../past/clone.ts'
import { addLeaving, leftLines } from './volume-leave.ts'
import { addVolumeKey } from './volume-key.ts'
import type { Command } from 'commander'
import type { Settings, VolumeInfo } from '../../node/control/volumes.ts'
import type { VolumeStatus } from '../../node/control/status.ts'
import type { Context } from '../context.ts'

const SETTINGS_HELP = `
Settings:
  class=auto|rsK+M|copiesN|local
      redundancy: Reed-Solomon code or full copies; existing data is recoded
  ack=local|copied|placed
      default durability that a write waits for
  consistency=eventual|read-own|strong
      default consistency of reads and writes
  locks=local|strong
      scope of file locks in mounts: this machine, or all machines; applies to
      new mounts
  voters=NAME,NAME,...
      members that agree on strong writes and locks
  conflicts=copies|lww
      concurrent writes to one file: keep older versions as conflict copies, or
      hide them (last writer wins); files created concurrently under one name
      are always both shown
  history=drop|full
      drop the log below a checkpoint, or keep it for "shoal log"
  versions=1h:all,1d:1h,30d:1d|off
      how long former versions and removed files are kept: up to each age all,
      or what stood at the end of each such time; see "shoal versions". A rule
      that keeps less takes effect a day later
  relief=auto|on|off
      drop the oldest former versions when the disk of an admin's machine is
      below 5 % free; auto: unless a member is an appender
  mass-loss=50%|off
      share of the files that one member may replace or remove within minutes
      before all that stood then is kept; see "shoal loss"
  snapshots=hourly:24,daily:30,monthly:12|off
      snapshots that are made by themselves, and how many are kept; also weekly,
      yearly; see "shoal snapshot"
  checkpoint=N
      take a checkpoint after N log entries, or after a day
  away=30d
      how long an absent member may delay checkpoints
  grace=24h
      silence after which a peer counts as gone and its shards are rebuilt on
      others; use 30m for machines that are always on
  trash=1d
      how long holders keep shards of deleted files; on a machine with several
      volumes the longest applies
  cold-after=never|90d
      time without reads after which data moves to the cold tier
  cold-tier=NAME
      cold tier to move data to: see "shoal cold add"
  cold=on|paused
      move data automatically, or only on "shoal cold push" and for pins
  keep=copies1|none|all
      copies that peers keep of data in a cold tier: one, none, or all
  keep-local=auto|placed|"recent 1d"|always
      how long a machine keeps copies of what was written on it, beside its
      shards: until its shards are confirmed on all their holders, for a time
      after the last use, or always; auto: a week, while copies take less than
      a quarter of its free space; local pins are always kept

Example:
  shoal volume set main class=rs4+2 ack=placed`

export function addVolume(program: Command, context: Context): void {
  const volume = program
    .command('volume')
    .description('create, list and configure volumes')
    .addHelpText('after', '\nExample:\n  shoal volume info main')
  volume
    .command('create <name>')
    .addArgument(
      new Argument('[setting...]', 'KEY=VALUE, as for "volume set"')
        .argParser(collectSetting)
        .default({}, 'none'),
    )
    .description('create a volume, with this node as its admin')
    .option('--chunk <size>', 'average chunk size: 64k, 256k or 1m')
    .option('--hash <name>', 'hash function: blake3 or sha2-256')
    .addHelpText('after', '\nExample:\n  shoal volume create photos class=rs4+2 --chunk 256k')
    .action(async (name: string, settings: Settings, how: { chunk?: string; hash?: string }) => {
      const made = await context.client.createVolume({ name, ...how, settings })
      context.print(made, () => `Created volume "${made.name}"`)
    })
  volume
    .command('ls')
    .description('list the volumes of this node, and those it left and keeps')
    .addHelpText('after', '\nExample:\n  shoal volume ls')
    .action(async () => {
      const volumes = await context.client.listVolumes()
      const left = await context.client.listLeftVolumes()
      context.print([...volumes, ...left], () => {
        const lines = leftLines(left).map((line) => wrapLines(line, context.columns ?? Infinity))
        const isOnlyLeft = volumes.length === 0 && left.length > 0
        return [...(isOnlyLeft ? [] : [volumeTable(volumes, context)]), ...lines].join('\n')
      })
    })
  volume
    .command('info <name>')
    .description('show members, settings and health of a volume')
    .addHelpText('after', '\nExample:\n  shoal volume info main')
    .action(async (name: string) => {
      const info = await context.client.volumeInfo(name)
      context.print(info, () => describe(info, context))
    })
  volume
    .command('retry <name>')
    .description('retry the log entry that a stopped volume could not apply')
    .addHelpText('after', '\nExample:\n  shoal volume retry main')
    .action(async (name: string) => {
      const info = await context.client.retryVolume(name)
      context.print(info, () => `Retrying; "shoal volume info ${name}" shows the result.`)
    })
  volume
    .command('set <name>')
    .argument('<setting...>', 'KEY=VALUE', collectSetting)
    .description('change settings of a volume')
    .addHelpText('after', SETTINGS_HELP)
    .action(async (name: string, settings: Settings) => {
      const info = await context.client.setVolume(name, settings)
      const less = shorteningRows(info).map(([, text]) => `\n${text}`)
      context.print(info, () => settingsText(info.settings) + less.join(''))
    })
  addRename(volume, context)
  addVolumeClone(volume, context)
  addLeaving(volume, context)
  addAcceptCheckpoint(volume, context)
  addVolumeKey(volume, context)
}

function addRename(volume: Command, context: Context): void {
  volume
    .command('rename <volume> <name>')
    .description('give a volume another name on this node')
    .addHelpText(
      'after',
      `
Names of volumes are local: other nodes keep theirs. Use the new name in paths
(NAME:/FILE), scripts and /etc/fstab from then on; mounts stay as they are.

Example:
  shoal volume rename main family`,
    )
    .action(async (text: string, name: string) => {
      const { id } = await context.client.volumeInfo(text)
      const info = await context.client.renameVolume(id, name)
      context.print(
        info,
        () => `Renamed volume "${printable(text)}" to "${printable(info.name)}" on this node`,
      )
    })
}

function addAcceptCheckpoint(volume: Command, context: Context): void {
  volume
    .command('accept-checkpoint <peer>')
    .description("accept a peer's checkpoint that too few members attest")
    .option('--volume <name>', "volume (default: the node's first)")
    .addHelpText(
      'after',
      `
A node that was offline for very long may find that the others have dropped log
entries that it lacks. It continues from their checkpoint only if a majority of
the members, including an admin, attests it. Until then it is read-only, and
"shoal status" names the missing members. If you trust the state of PEER, accept
its checkpoint with this command.

Example:
  shoal volume accept-checkpoint anna`,
    )
    .action(async (peer: string, { volume: wanted }: { volume?: string }) => {
      const { id, name, volume } = await context.client.memberInfo(peer, { volume: wanted })
      const info = await context.client.acceptCheckpoint(id, { volume })
      context.print(
        info,
        () =>
          `Volume "${printable(volume)}" continues from the checkpoint of ${printable(name)} (${id})`,
      )
    })
}

/** Also part of `shoal status`. */
export function volumeTable(volumes: readonly VolumeStatus[], context: Context): string {
  if (volumes.length === 0)
    return 'No volume yet. The first "shoal put" or "shoal mount" creates one.'
  const rows = volumes.map((volume) => [
    printable(volume.name),
    roleText(volume),
    volume.class,
    toleranceText(volume),
    stripesText(volume),
    conflictsText(volume, context),
    differenceText(volume) ?? '',
  ])
  const { columns = Infinity } = context
  const lines = tableRows(rows, columns)
  return volumes
    .flatMap((volume, i) => [
      lines[i] ?? '',
      ...[
        ...calledRows(volume),
        ...contentRows(volume),
        ...spaceRows(volume),
        ...careRows(volume),
        ...logRows(volume),
      ].map(([what, text]) => wrapLines(`  ${what.toLowerCase()}: ${text}`, columns)),
    ])
    .join('\n')
}

function roleText({ role }: VolumeStatus): string {
  return role ?? 'role not known yet'
}

function conflictsText({ name, conflicts, isDefault }: VolumeStatus, context: Context): string {
  if (conflicts === 0) return ''
  const where = isDefault ? '' : ` ${shellWord(`${name}:`)}`
  return `${count(conflicts, 'conflict copy')} (${context.commandLine(`conflicts ls${where}`)})`
}

function describe(info: VolumeInfo, { columns }: Context): string {
  const rows = [
    ['Name', printable(info.name)],
    ['Id', info.id],
    ['Role', roleText(info)],
    ...calledRows(info),
    ['Class', info.class],
    ['Safety', toleranceText(info)],
    ['Stripes', stripesText(info)],
    ...contentRows(info),
    ...spaceRows(info),
    ...careRows(info),
    ['Conflicts', String(info.conflicts)],
    ...[differenceText(info)].flatMap((text) => (text === undefined ? [] : [['State', text]])),
    ...logRows(info),
    ['Chunks', `${info.chunk}, ${info.hash}`],
    ['Created', formatTime(info.createdMs)],
    ['Log', `${count(info.entries, 'entry')}, ${count(info.heads.length, 'head')}`],
    ['History', historyText(info)],
    ...keptRows(info),
    ['Settings', settingsText(info.settings)],
    ...info.members.map(({ name, peer, role }) => [
      'Member',
      `${printable(name)}, ${role}, ${peer}`,
    ]),
  ]
  return table(rows, columns)
}

/** How far back "shoal log" can tell who did what. */
function historyText({ name, log, settings }: VolumeInfo): string {
  if (settings['history'] === 'full') return 'all that is in the log is kept'
  const { checkpointMs } = log
  const since = checkpointMs === undefined ? '' : `, the last of ${formatTime(checkpointMs)}`
  return (
    `who did what is dropped at each checkpoint, once a day or more often${since}; ` +
    `to keep it from now on: shoal volume set ${shellWord(name)} history=full`
  )
}

/** The size of all that `shoal versions` and `shoal undelete` can bring back. */
function keptRows({ kept, settings }: VolumeInfo): readonly (readonly [string, string])[] {
  if (kept === undefined) return []
  const { versions, removedFiles, bytes } = kept
  const what = `${count(versions, 'former version')}, ${count(removedFiles, 'removed file')}`
  const size = `${formatBytes(bytes)} as written`
  return [['Versions', `${what}, ${size} (versions=${settings['versions'] ?? ''})`]]
}

function spaceRows(volume: VolumeStatus): readonly (readonly [string, string])[] {
  const text = spaceText(volume)
  return text === undefined ? [] : [['Space', text]]
}

/** The name of this node in a volume, where the name in its settings was taken, or changed. */
function calledRows({ calledAs }: VolumeStatus): readonly (readonly [string, string])[] {
  return calledAs === undefined ? [] : [['This node', printable(calledAs)]]
}

function differenceText({ differsMs }: VolumeStatus): string | undefined {
  return differsMs === undefined
    ? undefined
    : `DIFFERS from another member as of ${formatTime(differsMs)}: one of the two is damaged`
}

function settingsText(settings: Settings): string {
  return Object.entries(settings)
    .map(([key, value]) => shellWord(`${key}=${value}`))
    .join(' ')
}
