// Which backups are kept.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { expired } from '../../../protocol/backup/retention.ts'
import { DAY_MS, HOUR_MS } from '../../../protocol/units.ts'
import type { WallTime } from '../../../protocol/units.ts'

const at = (text: string): { readonly timeMs: WallTime } => ({
  timeMs: Date.parse(`${text}Z`) as WallTime,
})
const times = (backups: readonly { readonly timeMs: number }[]): readonly string[] =>
  backups.map(({ timeMs }) => new Date(timeMs).toISOString().slice(0, 16))

describe('retention', () => {
  test('keeps the newest of each day and week, and the rest goes', () => {
    const backups = [
      at('2026-11-23T01:00'), // a Monday
      at('2026-11-22T09:00'),
      at('2026-11-22T08:00'),
      at('2026-11-21T09:00'),
      at('2026-11-15T23:00'), // the Sunday before
      at('2026-11-12T09:00'),
    ]
    assert.deepEqual(times(expired(backups, { daily: 2 })), [
      '2026-11-22T08:00',
      '2026-11-21T09:00',
      '2026-11-15T23:00',
      '2026-11-12T09:00',
    ])
    assert.deepEqual(times(expired(backups, { daily: 1, weekly: 3 })), [
      '2026-11-22T08:00',
      '2026-11-21T09:00',
      '2026-11-12T09:00',
    ])
  })

  test('without a rule all are kept, and the newest always', () => {
    const anyTimes = fc.array(
      fc.nat(400 * DAY_MS).map((timeMs) => ({ timeMs: timeMs as WallTime })),
    )
    const counts = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined })
    fc.assert(
      fc.property(
        anyTimes,
        fc.record({ last: counts, hourly: counts, daily: counts, weekly: counts, monthly: counts }),
        (backups, rule) => {
          const gone = expired(backups, rule)
          const rules = Object.values(rule).filter((count) => count !== undefined)
          if (rules.length === 0) assert.equal(gone.length, 0)
          const newest = Math.max(...backups.map(({ timeMs }) => timeMs))
          const kept = backups.filter((backup) => !gone.includes(backup))
          if (backups.length > 0) assert.ok(kept.some(({ timeMs }) => timeMs === newest))
          const sum = rules.reduce((total, count) => total + count, 0)
          if (sum > 0) assert.ok(kept.length <= sum)
          if (rule.last !== undefined) assert.ok(kept.length >= Math.min(rule.last, backups.length))
          // What goes once goes also when what went is gone.
          assert.deepEqual(expired(kept, rule), [])
        },
      ),
      { seed: 1, numRuns: 500 },
    )
  })

  test('an hour is one of the clock in UTC', () => {
    const hour = (number: number): WallTime => (number * HOUR_MS) as WallTime
    const backups = [
      { timeMs: (hour(6) - 1) as WallTime },
      { timeMs: hour(5) },
      { timeMs: hour(4) },
    ]
    assert.deepEqual(expired(backups, { hourly: 2 }), [{ timeMs: hour(5) }])
  })
})
