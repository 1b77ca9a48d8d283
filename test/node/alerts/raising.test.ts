// When alerts are raised and cleared: after what time, once each, whatever comes and goes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CLEAR_AFTER_MS, SUBJECTS_MAX, look, raise } from '../../../node/alerts/raising.ts'
import { MINUTE_MS } from '../../../protocol/units.ts'
import { NOW, factsWith } from './facts.ts'
import type { AlertState } from '../../../node/alerts/raising.ts'
import type { Alert } from '../../../node/control/observe/alerts.ts'
import type { WallTime } from '../../../protocol/units.ts'

const NAMES = ['soon', 'late'] as const
const AFTER_MS: Readonly<Record<string, number>> = { soon: 0, late: 10 * MINUTE_MS }

function alert(name: string, subject: string, sinceMs: number): Alert {
  return {
    name,
    severity: 'warning',
    subject,
    message: 'm',
    next: 'n',
    sinceMs: sinceMs as WallTime,
  }
}

/** The changes over looks, each a pause before it and what is true then. */
function run(
  looks: readonly {
    readonly pauseMs: number
    readonly found: readonly (readonly [string, string])[]
  }[],
): { readonly state: 'raised' | 'cleared'; readonly key: string; readonly atMs: number }[] {
  let states: readonly AlertState[] = []
  let nowMs = 0
  return looks.flatMap(({ pauseMs, found }) => {
    nowMs += pauseMs
    const alerts = found.map(([name, subject]) => alert(name, subject, nowMs))
    const afterMsOf = (name: string): number => AFTER_MS[name] ?? 0
    const result = raise(states, alerts, { nowMs: nowMs as WallTime, afterMsOf, off: [] })
    states = result.states
    return result.changes.map(({ state, alert: { name, subject } }) => ({
      state,
      key: `${name} ${subject}`,
      atMs: nowMs,
    }))
  })
}

const oneLook = fc.record({
  pauseMs: fc.integer({ min: 1, max: 8 * MINUTE_MS }),
  found: fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom('a', 'b')), {
    selector: ([name, subject]) => `${name} ${subject}`,
  }),
})

describe('raising of alerts', () => {
  test('each is raised and cleared in turns, and only after its time', () => {
    fc.assert(
      fc.property(fc.array(oneLook, { maxLength: 40 }), (looks) => {
        const changes = run(looks)
        const trueAt = (key: string): { atMs: number; is: boolean }[] => {
          let atMs = 0
          return looks.map(({ pauseMs, found }) => {
            atMs += pauseMs
            return { atMs, is: found.some(([name, subject]) => `${name} ${subject}` === key) }
          })
        }
        for (const [key, ofKey] of Map.groupBy(changes, (change) => change.key)) {
          const [name = ''] = key.split(' ')
          ofKey.forEach(({ state, atMs }, index) => {
            assert.equal(state, index % 2 === 0 ? 'raised' : 'cleared')
            const before = trueAt(key).filter((one) => one.atMs <= atMs)
            const wasSo = state === 'raised'
            const run = before.slice(before.findLastIndex(({ is }) => is !== wasSo) + 1)
            const forMs = atMs - (run[0]?.atMs ?? Infinity)
            assert.ok(forMs >= (wasSo ? (AFTER_MS[name] ?? 0) : CLEAR_AFTER_MS))
          })
        }
      }),
    )
  })

  test('what is true for long enough is raised, and cleared once it is over', () => {
    const on = { pauseMs: MINUTE_MS, found: [['late', 'a']] as const }
    const off = { pauseMs: MINUTE_MS, found: [] }
    const looks = [...Array<typeof on>(20).fill(on), ...Array<typeof off>(10).fill(off)]
    assert.deepEqual(run(looks), [
      { state: 'raised', key: 'late a', atMs: 11 * MINUTE_MS },
      { state: 'cleared', key: 'late a', atMs: 26 * MINUTE_MS },
    ])
  })

  test('what comes and goes does not ring each time', () => {
    const looks = Array.from({ length: 60 }, (_, index) => ({
      pauseMs: MINUTE_MS,
      found: index % 4 === 0 ? [] : [['soon', 'a'] as const],
    }))
    assert.deepEqual(run(looks), [{ state: 'raised', key: 'soon a', atMs: 2 * MINUTE_MS }])
  })

  test('a clock that was set back raises nothing anew', () => {
    const found = [['soon', 'a'] as const]
    const looks = [
      { pauseMs: 60 * MINUTE_MS, found },
      { pauseMs: -50 * MINUTE_MS, found },
      { pauseMs: MINUTE_MS, found },
    ]
    assert.equal(run(looks).length, 1)
  })

  test('one condition has a bounded number of subjects', () => {
    const find = (): { subject: string; message: string; next: string }[] =>
      Array.from({ length: 10_000 }, (_, i) => ({ subject: `${i}`, message: 'm', next: 'n' }))
    const conditions = [
      { name: 'much', severity: 'notice', afterMs: 0, summary: '', find } as const,
    ]
    assert.equal(look(conditions, { ...factsWith({}), nowMs: NOW }).length, SUBJECTS_MAX)
  })

  test('what is turned off is not raised, and cleared if it was', () => {
    const found = [alert('soon', 'a', 0)]
    const options = { nowMs: 0 as WallTime, afterMsOf: () => 0 }
    const on = raise([], found, { ...options, off: [] })
    const off = raise(on.states, found, { ...options, off: ['soon'] })
    assert.deepEqual(off.states, [])
    assert.deepEqual(
      off.changes.map(({ state }) => state),
      ['cleared'],
    )
    assert.deepEqual(raise([], found, { ...options, off: ['soon'] }).changes, [])
  })
})
