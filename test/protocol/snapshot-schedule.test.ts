// The schedule of snapshots: what is made and removed of it at each time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  dueSnapshots,
  isScheduledName,
  nextPeriodMs,
  parseSnapshotSchedule,
  scheduledName,
} from '../../protocol/op/snapshot-schedule.ts'
import type { ScheduledSnapshot, SnapshotSchedule } from '../../protocol/op/snapshot-schedule.ts'
import { isSnapshotName } from '../../protocol/op/snapshot-name.ts'
import { DAY_MS, HOUR_MS } from '../../protocol/units.ts'
import type { WallTime } from '../../protocol/units.ts'

const PERIODS = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const
/** From 1970 to 2100. */
const time = fc.integer({ min: 0, max: Date.UTC(2100, 0) }).map((ms) => ms as WallTime)

function at(text: string): WallTime {
  return Date.parse(text) as WallTime
}

function schedule(text: string): SnapshotSchedule {
  const parsed = parseSnapshotSchedule(text)
  assert(parsed !== undefined, text)
  return parsed
}

function made(name: string): ScheduledSnapshot {
  return { name, isEnough: true, displaces: true }
}

/** The names that there are after somebody did what was due at each of the times. */
function namesAfter(rule: SnapshotSchedule, times: readonly WallTime[]): string[] {
  let names: ScheduledSnapshot[] = []
  for (const now of times) {
    const { make, remove } = dueSnapshots(rule, names, now)
    names = names.filter((one) => !remove.includes(one))
    names.push(...make.map(made))
  }
  return names.map(({ name }) => name).sort()
}

describe('a schedule of snapshots', () => {
  test('is given as periods and counts', () => {
    const parsed = schedule('hourly:24,daily:30,monthly:12')
    assert.deepEqual([...parsed], Object.entries({ hourly: 24, daily: 30, monthly: 12 }))
    assert.equal(schedule('off').size, 0)
    const wrong = ['', 'hourly', 'hourly:0', 'hourly:-1', 'hourly:1,hourly:2', 'minutely:3', 'on']
    for (const text of [
      ...wrong,
      'daily:1001',
      'hourly:900,daily:900',
      'constructor:1',
      'daily:1,',
    ])
      assert.equal(parseSnapshotSchedule(text), undefined, text)
  })

  test('gives names by the beginning of a period in UTC', () => {
    const wednesday = at('2026-11-25T13:59:59Z')
    assert.deepEqual(
      PERIODS.map((period) => scheduledName(period, wednesday)),
      [
        'hourly-2026-11-25T13Z',
        'daily-2026-11-25',
        'weekly-2026-11-23',
        'monthly-2026-11',
        'yearly-2026',
      ],
    )
    for (const name of ['daily-2026', 'hourly-2026-11-25', 'nightly-2026-11-25', 'daily', 'one'])
      assert(!isScheduledName(name), name)
  })

  test('gives names that snapshots may have, the same until the next begins, then later ones', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), time, (period, now) => {
        const name = scheduledName(period, now)
        assert(isSnapshotName(name) && isScheduledName(name))
        const next = nextPeriodMs(new Map([[period, 1]]), now)
        assert(next !== undefined && next > now)
        assert.equal(scheduledName(period, (next - 1) as WallTime), name)
        assert(scheduledName(period, next) > name)
      }),
    )
  })

  test('makes one of each period, and keeps as many as it says', () => {
    const rule = schedule('hourly:3,daily:2')
    const from = at('2026-11-25T20:30:00Z')
    const times = Array.from({ length: 200 }, (_, i) => (from + i * 10 * 60_000) as WallTime)
    assert.deepEqual(namesAfter(rule, times), [
      'daily-2026-11-26',
      'daily-2026-11-27',
      'hourly-2026-11-27T03Z',
      'hourly-2026-11-27T04Z',
      'hourly-2026-11-27T05Z',
    ])
  })

  test('makes up once for what passed by while nobody ran', () => {
    const rule = schedule('hourly:24,daily:30')
    const from = at('2026-11-01T00:10:00Z')
    assert.deepEqual(namesAfter(rule, [from, (from + 10 * DAY_MS + 3 * HOUR_MS) as WallTime]), [
      'daily-2026-11-01',
      'daily-2026-11-11',
      'hourly-2026-11-01T00Z',
      'hourly-2026-11-11T03Z',
    ])
  })

  test('lets no name of a time to come, and no name of people, push any other out', () => {
    const rule = schedule('daily:2')
    const names = ['daily-2026-11-24', 'daily-2026-11-25', 'daily-2031-01-01', 'daily-9999-12-31']
    const all = [...names, 'before-the-move', 'daily', 'hourly-2026-11-01T00Z'].map(made)
    const { make, remove } = dueSnapshots(rule, all, at('2026-11-25T12:00:00Z'))
    assert.deepEqual([make, remove], [[], []])
  })

  test('keeps what there is in spite of those that do not count', () => {
    const days = Array.from({ length: 9 }, (_, day) => `daily-2026-11-1${day}`)
    const own = days.slice(0, 2).map(made)
    const ofLiar = days.slice(2).map((name) => ({ name, isEnough: false, displaces: false }))
    const now = at('2026-11-18T12:00:00Z')
    const due = dueSnapshots(schedule('daily:3'), [...own, ...ofLiar], now)
    assert.deepEqual(due, { make: ['daily-2026-11-18'], remove: [] })
    const later = dueSnapshots(schedule('daily:2'), [...own, ...ofLiar], now)
    assert.deepEqual(later, { make: ['daily-2026-11-18'], remove: own.slice(0, 1) })
  })

  test('has nothing to do once it was done', () => {
    fc.assert(
      fc.property(fc.array(time, { minLength: 1, maxLength: 20 }), (times) => {
        const rule = schedule('hourly:2,weekly:3,yearly:1')
        const sorted = times.toSorted((a, b) => a - b)
        const last = sorted.at(-1)
        assert(last !== undefined)
        const there = namesAfter(rule, [...sorted, last]).map(made)
        assert.deepEqual(dueSnapshots(rule, there, last), { make: [], remove: [] })
        assert(there.length <= 6)
      }),
    )
  })
})
