// How fast an author may make a log grow: a flood waits, what was written over a long time does
// not, whenever it comes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { growthRateOf, use, waitMs } from '../../protocol/log/growth.ts'
import { DAY_MS, KIB, MIB, SECOND_MS } from '../../protocol/units.ts'
import type { Role } from '../../protocol/roles.ts'
import type { WallTime } from '../../protocol/units.ts'

const NOW = 1_800_000_000_000 as WallTime
const anyRole = fc.constantFrom<Role | undefined>('admin', 'writer', 'keeper', 'reader', undefined)

describe('growth of a log', () => {
  test('of entries made and offered at any times, no more is taken than a burst, a day, and the rate since', () => {
    const anyEntry = fc.record({
      bytes: fc.integer({ min: 1, max: MIB }),
      pauseMs: fc.integer({ min: 0, max: 60 * SECOND_MS }),
      // An author writes whatever clock it likes.
      aheadMs: fc.integer({ min: -400 * DAY_MS, max: DAY_MS }),
    })
    fc.assert(
      fc.property(anyRole, fc.array(anyEntry, { maxLength: 200 }), (role, entries) => {
        const rate = growthRateOf(role)
        let [used, nowMs, taken] = [0, NOW, 0]
        for (const { bytes, pauseMs, aheadMs } of entries) {
          nowMs = (nowMs + pauseMs) as WallTime
          const next = use(used, bytes, { rate, madeMs: nowMs + aheadMs, nowMs })
          if (waitMs(next, rate, nowMs) > 0) continue
          used = next
          taken += bytes
        }
        assert.ok(taken <= rate.burst + rate.perMs * (DAY_MS + nowMs - NOW) + 1)
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('a writer that waits as long as it is told may then go on', () => {
    fc.assert(
      fc.property(anyRole, fc.integer({ min: 1, max: MIB }), (role, bytes) => {
        const rate = growthRateOf(role)
        let used = use(NOW, rate.burst, { rate, madeMs: NOW, nowMs: NOW })
        used = use(used, bytes, { rate, madeMs: NOW, nowMs: NOW })
        const wait = waitMs(used, rate, NOW)
        assert.ok(wait > 0)
        assert.equal(waitMs(used, rate, (NOW + wait) as WallTime), 0)
      }),
      { seed: 2 },
    )
  })

  test('a log that was written within its rate is taken at once by who gets all of it later', () => {
    for (const role of ['writer', 'keeper', 'reader'] as const) {
      const rate = growthRateOf(role)
      const bytes = 4 * KIB
      const everyMs = bytes / rate.perMs
      let used = 0
      for (let madeMs = NOW - DAY_MS / 4; madeMs < NOW; madeMs += everyMs * 50) {
        for (let n = 0; n < 50; n++) used = use(used, bytes, { rate, madeMs, nowMs: NOW })
        assert.equal(waitMs(used, rate, NOW), 0)
      }
    }
  })

  test('a writer may untar a quarter of a million small files at once', () => {
    const rate = growthRateOf('writer')
    const used = use(NOW, 250_000 * 2 * KIB, { rate, madeMs: NOW, nowMs: NOW })
    assert.equal(waitMs(used, rate, NOW), 0)
  })
})
