// Values on the command line, checked where they are read; what does not fit is a usage error that
// names its argument.
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { durationOf } from '../protocol/duration.ts'
import { timeOf } from '../protocol/moment.ts'
import type { Command } from 'commander'
import type { WallTime } from '../protocol/units.ts'
import type { Context } from './context.ts'
import type { Ack, Consistency } from '../node/control/files.ts'
import type { DriverName } from '../node/control/mounts.ts'
import type { Settings } from '../node/control/volumes.ts'

/** Values of `--ack`. */
const ACKS: readonly Ack[] = ['local', 'copied', 'placed']

const DRIVERS: readonly DriverName[] = ['kernel', 'fuse-native']

const CONSISTENCIES: readonly Consistency[] = ['eventual', 'read-own', 'strong']

/** How recent what a command reads must be, and who must agree to what it writes. */
export interface ConsistencyOptions {
  readonly consistency?: Consistency
  readonly session?: string
}

/** Give a command about files the options that say how consistent it is. */
export function addConsistency(command: Command, context: Context): void {
  command
    .addOption(
      new Option(
        '--consistency <level>',
        'consistency level: eventual, read-own (read your writes), ' +
          'strong (agreed by the voters) (default: set by the volume)',
      ).choices(CONSISTENCIES),
    )
    .option(
      '--session <file>',
      'file that records what the session has seen (default: $SHOAL_SESSION; with read-own, <home>/session)',
    )
    .hook('preAction', (_, action) => context.useConsistency(action.opts<ConsistencyOptions>()))
}

/**
 * A date, with a time or not, of this machine's clock unless it says otherwise. throws
 * InvalidArgumentError.
 */
export function parseTime(text: string): WallTime {
  const time = timeOf(text)
  if (time === undefined) throw new InvalidArgumentError('Give a time as 2026-11-21T14:00.')
  return time
}

export function parseCount(text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number
  throw new InvalidArgumentError('Give a whole number.')
}

/** A whole number from `least` to `most`. */
export function countBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = parseCount(text)
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`)
  }
}

/** Permission bits in octal, as of umask(1). */
export function parseUmask(text: string): number {
  if (/^0?[0-7]{1,3}$/.test(text)) return Number.parseInt(text, 8)
  throw new InvalidArgumentError('Give permissions in octal, such as 022 or 077.')
}

/** Which driver mounts. */
export function driverOption(): Option {
  const help = 'mount driver (default: kernel on Linux, fuse-native elsewhere)'
  return new Option('--driver <name>', help).choices(DRIVERS)
}

/** The option for how durable a write must be before the command returns. */
export function ackOption(): Option {
  const help =
    'durability to wait for: local disk, one peer, full placement (default: set by the volume)'
  return new Option('--ack <how>', help).choices(ACKS)
}

/** Give a command that copies trees the patterns of what stays out. */
export function addLeftOut(command: Command): void {
  command
    .option('--exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--exclude-from <file>', 'leave out what matches a pattern in FILE', collect)
}

/** The option for what copies to this machine keep of modes and owners. */
export function preserveOption(): Option {
  const help = 'keep all mode bits and, as root, owners; only for sources you trust'
  return new Option('--preserve', help)
}

/** The option that names the volume. */
export function ofVolumeOption(): Option {
  return new Option('--volume <volume>', "volume (default: the node's first)")
}

/** How long reads of a mount wait, in ms. */
export function waitOption(): Option {
  const help = 'how long reads wait for offline nodes (default: one attempt of 30s)'
  return new Option('--wait <time>', help).argParser(parseDuration)
}

/** Milliseconds of "30s", "15m", "24h", "7d". throws InvalidArgumentError. */
export function parseDuration(text: string): number {
  const ms = durationOf(text)
  if (ms === undefined) throw new InvalidArgumentError('Give a time such as 30m, 24h or 7d.')
  return ms
}

/** The URL of a cold tier. The node runs elsewhere: a folder is named by its whole path. */
export function parseTierUrl(text: string): string {
  const [, folder] = /^dir:(.+)$/s.exec(text) ?? []
  return folder === undefined ? text : `dir:${resolve(folder)}`
}

/** Collects an option or argument that may be repeated. */
export function collect(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text]
}

/** Collects KEY=VALUE. */
export function collectSetting(text: string, before: Settings | undefined): Settings {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Give KEY=VALUE, such as class=rs4+2.')
  const key = text.slice(0, at)
  if (before !== undefined && Object.hasOwn(before, key))
    throw new InvalidArgumentError(`Give ${key} once.`)
  return { ...before, [key]: text.slice(at + 1) }
}
