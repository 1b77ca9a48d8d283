// The rule in force: what is longer at once, what is shorter a day after it was set.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { makeStamp } from '../../../protocol/clock/dot.ts'
import { HLC_ZERO } from '../../../protocol/clock/hlc.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import { keptAt, shorteningAt } from '../../../protocol/tree/retention.ts'
import type { KeptAt, RuleHistory } from '../../../protocol/tree/retention.ts'
import {
  VERSIONS_DEFAULT,
  covers,
  keptUntilMs,
  parseVersionRule,
} from '../../../protocol/tree/version-rule.ts'
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
  return { createdMs: CREATED, changes: stamped }
}

function at(history: RuleHistory, afterMs: number): KeptAt {
  return keptAt(history, clockOf(CREATED + afterMs))
}

/** Is a state kept that stood from the one time to the other? */
function isKept({ rule, since }: KeptAt, [began, ended]: readonly [number, number], nowMs: number) {
  return clockOf(ended) > since && keptUntilMs(rule, began, ended) >= nowMs
}

describe('the rule in force', () => {
  test('keeps at any time all that a rule kept which was set within the day before', () => {
    const change = fc.tuple(fc.integer({ min: 61, max: 10_000 }), fc.constantFrom(...RULES))
    fc.assert(
      fc.property(
        fc.uniqueArray(change, { selector: ([minutes]) => minutes, maxLength: 6 }),
        fc.tuple(fc.nat(10_000), fc.nat(10_000)),
        fc.nat(20_000),
        (some, stood, now) => {
          const changes = some.toSorted(([a], [b]) => a - b)
          const history = historyOf(...changes.map(([m, value]) => [m * MINUTE_MS, value] as const))
          const [began, ended] = stood
            .toSorted((a, b) => a - b)
            .map((minutes) => CREATED + minutes * MINUTE_MS)
          assert.ok(began !== undefined && ended !== undefined)
          const nowMs = CREATED + now * MINUTE_MS
          const phases: readonly (readonly [number, string])[] = [
            [-Infinity, VERSIONS_DEFAULT],
            ...changes,
          ]
          const inForce = phases.filter((_, index) => {
            const next = phases[index + 1]
            return next === undefined || next[0] > now - 24 * 60
          })
          const kept = at(history, now * MINUTE_MS)
          const isByAny = inForce.some(
            ([, value]) => keptUntilMs(parseVersionRule(value) ?? [], began, ended) >= nowMs,
          )
          if (clockOf(ended) > kept.since)
            assert.equal(isKept(kept, [began, ended], nowMs), isByAny)
          // Nothing is given up for having ended early but where nothing was kept for a time.
          const empty = phases.filter(([began_, value], index) => {
            const next = phases[index + 1]
            return value === 'off' && next !== undefined && next[0] - began_ >= 24 * 60
          })
          if (empty.length === 0) assert.equal(kept.since, HLC_ZERO)
        },
      ),
    )
  })

  test('is a longer one at once, and a shorter one a day after, if it is not taken back', () => {
    const long = parseVersionRule(VERSIONS_DEFAULT)
    const history = historyOf([2 * DAY_MS, 'off'])
    assert.deepEqual(at(history, 3 * DAY_MS - 1).rule, long)
    assert.deepEqual(at(history, 3 * DAY_MS).rule, [])
    const back = historyOf([2 * DAY_MS, 'off'], [2 * DAY_MS + HOUR_MS, VERSIONS_DEFAULT])
    assert.equal(at(back, 9 * DAY_MS).since, HLC_ZERO)
    const late = historyOf([2 * DAY_MS, 'off'], [3 * DAY_MS, '1y:1d'])
    assert.equal(at(late, 9 * DAY_MS).since, clockOf(CREATED + 3 * DAY_MS))
    const old = [CREATED, CREATED + DAY_MS] as const
    const longer = at(historyOf([2 * DAY_MS, '1y:1d']), 2 * DAY_MS)
    assert.ok(isKept(longer, old, CREATED + 300 * DAY_MS))
  })

  test('is what was set in the first hour of a volume, as if it had always been', () => {
    const history = historyOf([MINUTE_MS, '3d:all'], [HOUR_MS - 1, 'off'])
    assert.deepEqual(at(history, HOUR_MS), { rule: [], since: HLC_ZERO })
    const later = historyOf([HOUR_MS - 1, 'off'], [HOUR_MS, '1h:all'])
    assert.equal(at(later, DAY_MS).since, clockOf(CREATED + HOUR_MS))
  })

  test('tells of what is kept for a day yet, and until when', () => {
    const history = historyOf(
      [DAY_MS, '3d:all'],
      [DAY_MS + HOUR_MS, '1h:all'],
      [2 * DAY_MS, '2h:all'],
    )
    const told = (afterMs: number): unknown => shorteningAt(history, clockOf(CREATED + afterMs))
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
    assert.equal(shorteningAt(longer, clockOf(CREATED + DAY_MS)), undefined)
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
