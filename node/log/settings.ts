// The policies of a volume that people may set (`shoal volume set`), each with what it accepts.
import { isTierName } from '../../protocol/cold/definition.ts'
import type { Keep } from '../../protocol/cold/definition.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import {
  VERSIONS_DEFAULT,
  VERSIONS_OFF,
  parseVersionRule,
} from '../../protocol/tree/version-rule.ts'
import { SCHEDULE_FORM, parseSnapshotSchedule } from '../../protocol/op/snapshot-schedule.ts'
import type { SnapshotSchedule } from '../../protocol/op/snapshot-schedule.ts'
import { durationOf } from '../../protocol/duration.ts'
import { DAY_MS } from '../../protocol/units.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'
import type { Ack, Consistency, Locking } from '../control/files.ts'
import type { Syncing } from '../control/mounts.ts'
import type { Settings } from '../control/volumes.ts'
import { defaultVoters, findVoters, nameVoters } from './electorate.ts'
import type { ConflictPolicy } from '../../protocol/tree/view.ts'
import type { Volume } from './volume.ts'

/** The values of a setting, and its default. */
interface Setting<Value extends string = string> {
  readonly default: Value
  /** Gives the canonical text. throws ShoalError 'usage' saying what is accepted. */
  readonly parse: (value: string) => Value
}

const KEEP_LOCAL_WORDS: readonly string[] = ['auto', 'placed', 'always']
const KEEP_LOCAL_AUTO_MS: number = 7 * DAY_MS

/** Whether the log below a checkpoint is forgotten or kept. */
export type HistoryPolicy = 'drop' | 'full'

const ACK: Setting<Ack> = oneOf('ack', ['local', 'copied', 'placed'])
const CONFLICTS: Setting<ConflictPolicy> = oneOf('conflicts', ['copies', 'lww'])
const HISTORY: Setting<HistoryPolicy> = oneOf('history', ['drop', 'full'])
const CONSISTENCY: Setting<Consistency> = oneOf('consistency', ['eventual', 'read-own', 'strong'])

/** The rule by which what was replaced or removed is kept for a while. */
const VERSIONS: Setting = {
  default: VERSIONS_DEFAULT,
  parse(value) {
    if (parseVersionRule(value) !== undefined) return value
    throw new ShoalError(
      'usage',
      `versions=${value}: give steps of an age and how many up to it, such as ` +
        `${VERSIONS_DEFAULT}, or ${VERSIONS_OFF}`,
    )
  },
}

const RELIEF: Setting<'auto' | 'on' | 'off'> = oneOf('relief', ['auto', 'on', 'off'])

/** The snapshots that are made by themselves, and how many are kept. */
const SNAPSHOTS: Setting = {
  default: 'off',
  parse(value) {
    if (parseSnapshotSchedule(value) !== undefined) return value
    throw new ShoalError('usage', `snapshots=${value}: give ${SCHEDULE_FORM}`)
  },
}

/** The calls of a mount that wait for the disk. */
const SYNC: Setting<Syncing> = oneOf('sync', ['fsync', 'always'])
const LOCKS: Setting<Locking> = oneOf('locks', ['local', 'strong'])

/** The share of all files that one member may replace or remove within minutes; 'off': all. */
const MASS_LOSS: Setting = {
  default: '50%',
  parse(value) {
    if (value === 'off' || percentOf(value) !== undefined) return value
    throw new ShoalError(
      'usage',
      `mass-loss=${value}: give a share of the files, such as 50%, or off`,
    )
  },
}

/** For how long a member that nobody hears of keeps the log from being cut. */
const AWAY: Setting = duration('away', '30d', '12h')
/** After how long alone a machine lets nobody in by an account. */
const ACCOUNTS_OFFLINE: Setting = duration('accounts-offline', '24h', '4h')
/** After how long a silence a peer's shards are made anew on others. */
const GRACE: Setting = duration('grace', '24h', '30m')
/** How long holders keep shards that were given up, where space is not short. */
const TRASH: Setting = duration('trash', '1d', '12h')

/** Entries of the log after which a checkpoint is due before its day. */
const CHECKPOINT: Setting = {
  default: '16384',
  parse(value) {
    if (/^[1-9]\d{0,8}$/.test(value)) return value
    throw new ShoalError('usage', `checkpoint=${value}: give a number of entries, such as 16384`)
  },
}

/** After how long without a read stripes go into the cold tier; and into which, by name. */
const COLD_AFTER: Setting = orWord('never', duration('cold-after', '90d', '30d'))
const COLD_TIER: Setting = {
  default: 'none',
  parse(value) {
    if (isTierName(value)) return value
    throw new ShoalError(
      'usage',
      `cold-tier=${value}: give a tier listed by "shoal cold ls", or none`,
    )
  },
}
/** Whether what is due goes there now. */
const COLD: Setting<'on' | 'paused'> = oneOf('cold', ['on', 'paused'])
/**
 * The copies that peers keep of data in a tier: by default one, since a tier is lost by one unpaid
 * bill.
 */
const KEEP: Setting<Keep> = oneOf('keep', ['copies1', 'none', 'all'])

/**
 * How long the writer of a chunk keeps it once it is placed; 'auto': for a week, while there is
 * room.
 */
const KEEP_LOCAL: Setting = {
  default: 'auto',
  parse(value) {
    if (KEEP_LOCAL_WORDS.includes(value) || recentMs(value) !== undefined) return value
    throw new ShoalError(
      'usage',
      `keep-local=${value}: must be one of auto, placed, always, or a time since the last use, ` +
        'such as "keep-local=recent 1d"',
    )
  },
}

const SETTINGS = {
  class: { default: 'auto', parse: (value: string) => formatClass(parseClass(value)) },
  ack: ACK,
  conflicts: CONFLICTS,
  history: HISTORY,
  versions: VERSIONS,
  relief: RELIEF,
  'accounts-offline': ACCOUNTS_OFFLINE,
  away: AWAY,
  grace: GRACE,
  trash: TRASH,
  checkpoint: CHECKPOINT,
  consistency: CONSISTENCY,
  'cold-after': COLD_AFTER,
  'cold-tier': COLD_TIER,
  cold: COLD,
  keep: KEEP,
  'keep-local': KEEP_LOCAL,
  locks: LOCKS,
  'mass-loss': MASS_LOSS,
  snapshots: SNAPSHOTS,
  sync: SYNC,
} as const satisfies Readonly<Record<string, Setting>>

type Key = keyof typeof SETTINGS

/** A setting of another kind: the voters themselves decide on it. */
const VOTERS = 'voters'

/** The first is the default. */
function oneOf<Value extends string>(
  key: string,
  values: readonly [Value, ...Value[]],
): Setting<Value> {
  return {
    default: values[0],
    parse(value) {
      const found = values.find((known) => known === value)
      if (found !== undefined) return found
      throw new ShoalError('usage', `${key}=${value}: must be one of ${values.join(', ')}`)
    },
  }
}

/** A time. Whoever writes none is told the example and the default. */
function duration(key: string, byDefault: string, example: string): Setting {
  return {
    default: byDefault,
    parse(value) {
      if (durationOf(value) !== undefined) return value
      throw new ShoalError(
        'usage',
        `${key}=${value}: give a time, such as ${example} or ${byDefault}`,
      )
    },
  }
}

/** A word in place of what a setting is else, and the default. */
function orWord(word: string, setting: Setting): Setting {
  return { default: word, parse: (value) => (value === word ? word : setting.parse(value)) }
}

/** Settings in canonical form, without the voters. throws ShoalError 'usage'. */
export function checkSettings(
  settings: Settings,
): readonly { readonly key: string; readonly value: string }[] {
  const entries = Object.entries(settings).filter(([key]) => key !== VOTERS)
  return entries.map(([key, value]) => {
    if (!isKey(key)) {
      throw new ShoalError(
        'usage',
        `"${key}" is not a setting of a volume; settings are ${[...Object.keys(SETTINGS), VOTERS].join(', ')}`,
      )
    }
    return { key, value: SETTINGS[key].parse(value) }
  })
}

/** Set policies, all or none; but not the voters. throws ShoalError 'usage'. */
export async function applySettings(volume: Volume, settings: Settings): Promise<void> {
  const checked = checkSettings(settings)
  volume.atomically(() => {
    for (const { key, value } of checked) volume.submit({ kind: 'policy', key, value })
  })
  await volume.commit()
}

/**
 * The voters after these settings are changed: a volume that needs voters gets them if it has none.
 * throws ShoalError 'usage' naming who is no member.
 */
export function votersIn(volume: Volume, settings: Settings): readonly PeerId[] | undefined {
  const { [VOTERS]: named, consistency, locks } = settings
  if (named !== undefined) return findVoters(volume, named)
  const isForVoters = consistency === 'strong' || locks === 'strong'
  const needed = isForVoters && volume.membership.policy(VOTERS) === undefined
  return needed ? defaultVoters(volume) : undefined
}

/** The policies in force. */
export function settingsOf(volume: Volume): Settings {
  const keys = Object.keys(SETTINGS).filter(isKey)
  const settings = Object.fromEntries(keys.map((key) => [key, valueOf(volume, key)]))
  const voters = volume.membership.policy(VOTERS)
  return voters === undefined ? settings : { ...settings, [VOTERS]: nameVoters(volume, voters) }
}

/** The redundancy class that new data of this volume gets. */
export function classOf(volume: Volume): RedundancyClass {
  return parseClass(valueOf(volume, 'class'))
}

/** When a write in this volume is acknowledged, unless the call says. */
export function ackOf(volume: Volume): Ack {
  return ACK.parse(valueOf(volume, 'ack'))
}

/** The consistency of calls about files that name none. */
export function consistencyOf(volume: Volume): Consistency {
  return CONSISTENCY.parse(valueOf(volume, 'consistency'))
}

/** Is it written by consensus, and by nothing else? */
export function isStrong(volume: Volume): boolean {
  return consistencyOf(volume) === 'strong'
}

/** Are locks of its files for all nodes? */
export function hasStrongLocks(volume: Volume): boolean {
  return LOCKS.parse(valueOf(volume, 'locks')) === 'strong'
}

/** Does close(2) in a mount wait for the disk? */
export function isAlwaysSynced(volume: Volume): boolean {
  return SYNC.parse(valueOf(volume, 'sync')) === 'always'
}

export function conflictsOf(volume: Volume): ConflictPolicy {
  return CONFLICTS.parse(valueOf(volume, 'conflicts'))
}

export function historyOf(volume: Volume): HistoryPolicy {
  return HISTORY.parse(valueOf(volume, 'history'))
}

/** Does the oldest of the past go where a disk is almost full? By default where nobody appends. */
export function isRelieved(volume: Volume): boolean {
  const relief = RELIEF.parse(valueOf(volume, 'relief'))
  return relief === 'on' || (relief === 'auto' && !volume.membership.state.hadAppender)
}

export function snapshotScheduleOf(volume: Volume): SnapshotSchedule {
  return parseSnapshotSchedule(valueOf(volume, 'snapshots')) ?? new Map()
}

/** The share of the files whose loss within minutes is a mass loss; undefined: none is. */
export function massLossShareOf(volume: Volume): number | undefined {
  const percent = percentOf(valueOf(volume, 'mass-loss'))
  return percent === undefined ? undefined : percent / 100
}

/** How long a member that is away is waited for. */
export function awayMsOf(volume: Volume): number {
  return durationOf(valueOf(volume, 'away')) ?? 0
}

/** After how long alone a machine lets nobody in by an account. */
export function offlineMsOf(volume: Volume): number {
  return durationOf(valueOf(volume, 'accounts-offline')) ?? 0
}

/** How long shards that nobody needs are kept, lest that was a mistake. */
export function trashMsOf(volume: Volume): number {
  return durationOf(valueOf(volume, 'trash')) ?? 0
}

/** After how long a silence a peer is gone, and its shards are made anew elsewhere. */
export function graceMsOf(volume: Volume): number {
  return durationOf(valueOf(volume, 'grace')) ?? 0
}

/** After how many entries a checkpoint is due. */
export function checkpointEntriesOf(volume: Volume): number {
  return Number(valueOf(volume, 'checkpoint'))
}

/**
 * After how long without a read stripes go into the cold tier, and which that is; undefined: none
 * does by itself.
 */
export function coldAfterOf(
  volume: Volume,
): { readonly afterMs: number; readonly tier: string } | undefined {
  const afterMs = durationOf(valueOf(volume, 'cold-after'))
  const tier = coldTierOf(volume)
  return afterMs === undefined || tier === undefined ? undefined : { afterMs, tier }
}

/** Does nothing go into tiers but what is asked for? */
export function isColdPaused(volume: Volume): boolean {
  return valueOf(volume, 'cold') === 'paused'
}

/** Undefined: none. */
export function coldTierOf(volume: Volume): string | undefined {
  const tier = valueOf(volume, 'cold-tier')
  return tier === 'none' ? undefined : tier
}

export function keepOf(volume: Volume): Keep {
  return KEEP.parse(valueOf(volume, 'keep'))
}

/** The rule by which copies of placed chunks are kept in the store of their writer. */
export interface KeepLocal {
  /** So long after they were last used. */
  readonly forMs: number
  /** And for no longer than there is room. */
  readonly isBounded: boolean
}

export function keepLocalOf(volume: Volume): KeepLocal {
  const value = valueOf(volume, 'keep-local')
  if (value === 'auto') return { forMs: KEEP_LOCAL_AUTO_MS, isBounded: true }
  const isAlways = value === 'always'
  return { forMs: isAlways ? Infinity : (recentMs(value) ?? 0), isBounded: false }
}

/** The time in "recent 1d". */
function recentMs(value: string): number | undefined {
  const [, time] = /^recent (\S+)$/.exec(value) ?? []
  return time === undefined ? undefined : durationOf(time)
}

/** The number in "50%", from 1 to 100. */
function percentOf(value: string): number | undefined {
  const [, percent] = /^(\d{1,3})%$/.exec(value) ?? []
  const number = Number(percent ?? Number.NaN)
  return number >= 1 && number <= 100 ? number : undefined
}

function valueOf(volume: Volume, key: Key): string {
  return volume.membership.policy(key) ?? SETTINGS[key].default
}

function isKey(key: string): key is Key {
  return Object.hasOwn(SETTINGS, key)
}
