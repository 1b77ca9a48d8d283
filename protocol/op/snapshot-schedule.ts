// The schedule of snapshots: the setting `snapshots` of a volume, such as "hourly:24,daily:30". It
// says of which periods a snapshot is made at the beginning of each, in UTC, and how many are kept.
// All members agree on what is due: it follows from the time and the names that there are.
import { DAY_MS, HOUR_MS } from '../units.ts'
import type { WallTime } from '../units.ts'
import { SNAPSHOTS_OF_ONE_MAX } from '../limits.ts'

const OFF = 'off'
/** The most that all periods keep together: some are left for those that people make. */
const KEPT_MAX: number = SNAPSHOTS_OF_ONE_MAX - 24

/** The form of a schedule, for people. */
export const SCHEDULE_FORM: string =
  'how many are kept of each period (hourly, daily, weekly, monthly, yearly; at most ' +
  `${KEPT_MAX} in all), such as hourly:24,daily:30,monthly:12, or ${OFF}`

/** 1970 began on a Thursday; weeks begin on Mondays. */
const FIRST_MONDAY_MS: number = 4 * DAY_MS

interface Form {
  /** The beginning of the period that a time lies in. */
  readonly beginOf: (at: Date) => number
  /** The time in names: the beginning of the text of an ISO time, then this. */
  readonly chars: number
  readonly end: string
}

export type SnapshotPeriod = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly'

const FORMS: Readonly<Record<SnapshotPeriod, Form>> = {
  hourly: { beginOf: (at) => floor(at, HOUR_MS), chars: 13, end: 'Z' },
  daily: { beginOf: (at) => floor(at, DAY_MS), chars: 10, end: '' },
  weekly: { beginOf: (at) => floor(at, 7 * DAY_MS, FIRST_MONDAY_MS), chars: 10, end: '' },
  monthly: { beginOf: (at) => Date.UTC(at.getUTCFullYear(), at.getUTCMonth()), chars: 7, end: '' },
  yearly: { beginOf: (at) => Date.UTC(at.getUTCFullYear(), 0), chars: 4, end: '' },
}

/** How many are kept of each period. Empty: none is made. */
export type SnapshotSchedule = ReadonlyMap<SnapshotPeriod, number>

/** Undefined for a text that is no schedule. */
export function parseSnapshotSchedule(text: string): SnapshotSchedule | undefined {
  const schedule = new Map<SnapshotPeriod, number>()
  if (text === OFF) return schedule
  let all = 0
  for (const part of text.split(',')) {
    const [, period = '', count = ''] = /^([a-z]+):([1-9]\d{0,3})$/.exec(part) ?? []
    if (!isPeriod(period) || schedule.has(period)) return undefined
    schedule.set(period, Number(count))
    all += Number(count)
  }
  return all <= KEPT_MAX ? schedule : undefined
}

/** The name of the snapshot of the period that a time lies in: "hourly-2026-11-25T01Z". */
export function scheduledName(period: SnapshotPeriod, atMs: WallTime): string {
  const { beginOf, chars, end } = FORMS[period]
  const begin = new Date(beginOf(new Date(atMs)))
  return `${period}-${begin.toISOString().slice(0, chars)}${end}`
}

/** Whether people may not choose a name, since it belongs to schedules. */
export function isScheduledName(name: string): boolean {
  return periodOf(name) !== undefined
}

/** The time at which the next period of a schedule begins; undefined: there is none. */
export function nextPeriodMs(schedule: SnapshotSchedule, atMs: WallTime): WallTime | undefined {
  const begins = [...schedule.keys()].map((period) => nextOf(period, atMs))
  return begins.length === 0 ? undefined : (Math.min(...begins) as WallTime)
}

/** A snapshot as schedules look at it. */
export interface ScheduledSnapshot {
  readonly name: string
  /** Whether its period needs no other. */
  readonly isEnough: boolean
  /** Whether it is one of those that are kept in place of older ones. */
  readonly displaces: boolean
}

/** Snapshots of a schedule that are to be made, and those that are kept no longer. */
export interface DueSnapshots<Snapshot> {
  readonly make: readonly string[]
  readonly remove: readonly Snapshot[]
}

/**
 * The work that there is at a time. Periods that passed by while no machine ran are made up by the
 * one that runs now. Names of times that are yet to come have no say: else whoever may make
 * snapshots had others' removed.
 */
export function dueSnapshots<Snapshot extends ScheduledSnapshot>(
  schedule: SnapshotSchedule,
  all: readonly Snapshot[],
  atMs: WallTime,
): DueSnapshots<Snapshot> {
  const make: string[] = []
  const remove: Snapshot[] = []
  for (const [period, count] of schedule) {
    const now = scheduledName(period, atMs)
    // Texts of times sort as the times do.
    const there = all.filter(({ name }) => periodOf(name) === period && name <= now)
    if (!there.some(({ name, isEnough }) => name === now && isEnough)) make.push(now)
    const names = new Set(there.filter(({ displaces }) => displaces).map(({ name }) => name))
    const oldest = [...names.add(now)].sort().at(-count)
    if (oldest !== undefined) remove.push(...there.filter(({ name }) => name < oldest))
  }
  return { make, remove }
}

function nextOf(period: SnapshotPeriod, atMs: WallTime): number {
  const { beginOf } = FORMS[period]
  const begin = beginOf(new Date(atMs))
  // At least a period, and less than two.
  const longMs = { hourly: 1, daily: 24, weekly: 7 * 24, monthly: 31 * 24, yearly: 366 * 24 }
  return beginOf(new Date(begin + longMs[period] * HOUR_MS))
}

function periodOf(name: string): SnapshotPeriod | undefined {
  const [, period = '', time = ''] = /^([a-z]+)-(\d{4}(?:-\d\d){0,2}(?:T\d\dZ)?)$/.exec(name) ?? []
  if (!isPeriod(period)) return undefined
  const { chars, end } = FORMS[period]
  return time.length === chars + end.length ? period : undefined
}

function floor(at: Date, stepMs: number, fromMs = 0): number {
  return Math.floor((at.getTime() - fromMs) / stepMs) * stepMs + fromMs
}

function isPeriod(text: string): text is SnapshotPeriod {
  return Object.hasOwn(FORMS, text)
}
