// The rule in force: what is longer at once, what is shorter a day after it was set.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import {
  erasAt,
  isKeptThrough,
  isPastAll,
  shorteningAt,
  wasGivenUp,
} from '../../../protocol/tree/retention.ts'
import type { Eras, RuleHistory } from '../../../protocol/tree/retention.ts'
import {
  VERSIONS_DEFAULT,
  covers,
  keptUntilMs,
  parseVersionRule,
} from '../../../protocol/tree/version-rule.ts'
import type { VersionRule } from '../../../protocol/tree/version-rule.ts'
import { tries } from '../../effort.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../protocol/units.ts'

const ACTOR = 'a'.repeat(32) as ActorId
const CREATED = 100 * DAY_MS
const RULES = ['off', '1h:all', '3d:all', '1h:all,1d:1h,30d:1d', '2h:all,2d:30m,40d:12h', '1y:1w']

function clockOf(ms: number): Hlc {
  return (BigInt(ms) << 16n) as Hlc
}

/** Values of the setting, and how long after the volume was made each was set. */
function historyOf(
  ...changes: readonly (readonly [afterMs: number, value: string])[]
): RuleHistory {
  const stamped = changes.map(([afterMs, value]) => {
    return [value, makeStamp(clockOf(CREATED + afterMs), ACTOR, 0)] as const
  })
  return { createdMs: CREATED, changes: stamped, reliefs: [] }
}

function at(history: RuleHistory, afterMs: number): Eras {
  return erasAt(history, clockOf(CREATED + afterMs))
}

/** The rule in force at last. */
function lastRule(history: RuleHistory, afterMs: number): VersionRule | undefined {
  return at(history, afterMs).at(-1)?.rule
}

const anyHistory = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 61, max: 10_000 }), fc.constantFrom(...RULES)), {
    selector: ([minutes]) => minutes,
    maxLength: 6,
  })
  .map((some) => some.toSorted(([a], [b]) => a - b))

/** Two times, in minutes after the volume was made. */
const anyState = fc
  .tuple(fc.nat(10_000), fc.nat(10_000))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

describe('the rule in force', () => {
  test('keeps what one has kept at every minute that was set within the day before', () => {
    fc.assert(
      fc.property(anyHistory, anyState, fc.nat(20_000), (changes, [began, ended], now) => {
        const history = historyOf(
          ...changes.map(([minutes, value]) => [minutes * MINUTE_MS, value] as const),
        )
        const phases: readonly (readonly [number, string])[] = [
          [-Infinity, VERSIONS_DEFAULT],
          ...changes,
        ]
        const [beganMs, endedMs] = [began, ended].map((minutes) => CREATED + minutes * MINUTE_MS)
        assert.ok(beganMs !== undefined && endedMs !== undefined)
        let expected = true
        for (let minute = ended + 1; minute <= now && expected; minute++) {
          const inForce = phases.filter(([from], index) => {
            const [next = Infinity] = phases[index + 1] ?? []
            return from < minute && next + 24 * 60 >= minute
          })
          const until = inForce.map(([, value]) =>
            keptUntilMs(parseVersionRule(value) ?? [], beganMs, endedMs),
          )
          expected = Math.max(...until) >= CREATED + minute * MINUTE_MS
        }
        const eras = at(history, now * MINUTE_MS)
        assert.equal(isKeptThrough(eras, beganMs, endedMs), expected)
        if (expected && now > ended) assert.ok(!isPastAll(eras, endedMs))
      }),
      { numRuns: tries(40) },
    )
  })

  test('keeps nothing that it did not keep before: whoever looks seldom sees the same', () => {
    fc.assert(
      fc.property(anyHistory, anyState, fc.nat(9000), fc.nat(9000), (changes, state, a, b) => {
        const history = historyOf(
          ...changes.map(([minutes, value]) => [minutes * MINUTE_MS, value] as const),
        )
        const [began, ended] = state.map((minutes) => CREATED + minutes * MINUTE_MS)
        assert.ok(began !== undefined && ended !== undefined)
        const once = at(history, (a + b) * MINUTE_MS)
        const before = at(history, a * MINUTE_MS)
        if (isKeptThrough(once, began, ended)) assert.ok(isKeptThrough(before, began, ended))
        if (isPastAll(before, ended)) assert.ok(isPastAll(once, ended))
        if (isPastAll(once, ended)) assert.ok(!isKeptThrough(once, began, ended))
      }),
    )
  })

  test('lets go of the oldest where space is short, but of nothing younger than a day', () => {
    const anyRelief = fc.tuple(fc.integer({ min: 1, max: 10_000 }), fc.nat(12_000))
    const anyReliefs = fc.uniqueArray(anyRelief, { selector: ([at]) => at, maxLength: 3 })
    fc.assert(
      fc.property(anyHistory, anyReliefs, anyState, fc.nat(9000), fc.nat(9000), (...drawn) => {
        const [changes, some, state, a, b] = drawn
        const plain = historyOf(
          ...changes.map(([minutes, value]) => [minutes * MINUTE_MS, value] as const),
        )
        const reliefs = some.toSorted(([x], [y]) => x - y)
        const history = {
          ...plain,
          reliefs: reliefs.map(([set, upTo]) => {
            const stamp = makeStamp(clockOf(CREATED + set * MINUTE_MS), ACTOR, 0)
            return [String(CREATED + upTo * MINUTE_MS), stamp] as const
          }),
        }
        const [began, ended] = state.map((minutes) => CREATED + minutes * MINUTE_MS)
        assert.ok(began !== undefined && ended !== undefined)
        const isIn = (of: RuleHistory, minutes: number): boolean =>
          isKeptThrough(at(of, minutes * MINUTE_MS), began, ended)
        const isRelieved = reliefs.some(([set, upTo]) => {
          const upToMs = CREATED + Math.min(upTo, set - 24 * 60) * MINUTE_MS
          return set <= a + b && ended <= upToMs
        })
        assert.equal(isIn(history, a + b), isIn(plain, a + b) && !isRelieved)
        if (isIn(history, a + b)) assert.ok(isIn(history, a))
        const eras = at(history, (a + b) * MINUTE_MS)
        if (isRelieved) assert.ok(isPastAll(eras, ended))
        assert.equal(wasGivenUp(eras, ended), wasGivenUp(at(plain, (a + b) * MINUTE_MS), ended))
      }),
    )
  })

  test('is a longer one at once, and a shorter one a day after, if it is not taken back', () => {
    const long = parseVersionRule(VERSIONS_DEFAULT)
    const history = historyOf([2 * DAY_MS, 'off'])
    assert.deepEqual(lastRule(history, 3 * DAY_MS), long)
    assert.deepEqual(lastRule(history, 3 * DAY_MS + 1), [])
    const old = [CREATED - 1, CREATED + DAY_MS] as const
    const back = historyOf([2 * DAY_MS, 'off'], [2 * DAY_MS + HOUR_MS, VERSIONS_DEFAULT])
    assert.ok(isKeptThrough(at(back, 9 * DAY_MS), ...old))
    assert.ok(!wasGivenUp(at(back, 9 * DAY_MS), old[1]))
    const late = historyOf([2 * DAY_MS, 'off'], [3 * DAY_MS + HOUR_MS, '1y:1d'])
    assert.ok(!isKeptThrough(at(late, 9 * DAY_MS), ...old))
    const [off, on] = [3 * DAY_MS + HOUR_MS - 1, 3 * DAY_MS + HOUR_MS].map((ms) => CREATED + ms)
    assert.ok(off !== undefined && on !== undefined)
    assert.deepEqual(
      [off, on].map((ended) => wasGivenUp(at(late, 9 * DAY_MS), ended)),
      [true, false],
    )
    const longer = at(historyOf([2 * DAY_MS, '1y:1d']), 300 * DAY_MS)
    assert.ok(isKeptThrough(longer, ...old))
  })

  test('is what was set in the first hour of a volume, as if it had always been', () => {
    const history = historyOf([MINUTE_MS, '3d:all'], [HOUR_MS - 1, 'off'])
    assert.deepEqual(at(history, HOUR_MS), [{ rule: [], untilMs: CREATED + HOUR_MS }])
    // Also before there is a checkpoint.
    assert.ok(wasGivenUp(erasAt(history, HLC_ZERO), CREATED))
  })

  test('tells of what is kept for a day yet, and until when', () => {
    const history = historyOf(
      [DAY_MS, '3d:all'],
      [DAY_MS + HOUR_MS, '1h:all'],
      [2 * DAY_MS, '2h:all'],
    )
    const told = (afterMs: number): unknown => shorteningAt(history, CREATED + afterMs)
    assert.deepEqual(told(DAY_MS + 2 * HOUR_MS), {
      until: [VERSIONS_DEFAULT, '3d:all'],
      fromMs: CREATED + 2 * DAY_MS + HOUR_MS,
    })
    assert.deepEqual(told(2 * DAY_MS), {
      until: ['3d:all'],
      fromMs: CREATED + 2 * DAY_MS + HOUR_MS,
    })
    assert.equal(told(2 * DAY_MS + HOUR_MS), undefined, '2h:all keeps what 1h:all keeps')
    const longer = historyOf([DAY_MS, '1d:all,1y:1d'])
    assert.equal(shorteningAt(longer, CREATED + DAY_MS), undefined)
  })

  test('covers another only if that keeps nothing beyond it', () => {
    const rules = RULES.map((text) => parseVersionRule(text) ?? [])
    fc.assert(
      fc.property(
        fc.constantFrom(...rules),
        fc.constantFrom(...rules),
        fc.nat(50_000),
        fc.nat(50_000),
        (rule, other, a, b) => {
          fc.pre(covers(rule, other))
          const [began, ended] = [Math.min(a, b) * MINUTE_MS, Math.max(a, b) * MINUTE_MS]
          assert.ok(keptUntilMs(rule, began, ended) >= keptUntilMs(other, began, ended))
        },
      ),
    )
  })
})
