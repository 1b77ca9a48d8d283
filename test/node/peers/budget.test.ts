// The allowances of peers: they hold whatever is requested, and no peer pays for another.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { PeerBudgets } from '../../../node/peers/budget.ts'
import type { Allowances, Cost } from '../../../node/peers/budget.ts'
import type { SecurityEvent } from '../../../node/observe/security.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

const ANNA = 'anna' as PeerId
const BEN = 'ben' as PeerId
const NONE: Allowances = { peer: { perSecond: 0, burst: 0 }, words: 'nothing' }
const ALLOWANCES: Readonly<Record<Cost, Allowances>> = {
  work: { peer: { perSecond: 10, burst: 100 }, all: { perSecond: 15, burst: 150 }, words: 'work' },
  bytes: { peer: { perSecond: 10, burst: 100 }, words: 'bytes' },
  signals: NONE,
  heads: NONE,
  beacons: { peer: { perSecond: 1, burst: 5 }, words: 'beacons' },
  shards: { peer: { perSecond: 0, burst: 100 }, words: 'shards' },
}

function start(): {
  clock: ManualClock
  budgets: PeerBudgets
  events: SecurityEvent[]
  cut: PeerId[]
} {
  const clock = new ManualClock()
  const events: SecurityEvent[] = []
  const budgets = new PeerBudgets({ clock, security: (event) => events.push(event) }, ALLOWANCES)
  const cut: PeerId[] = []
  budgets.onCutOff((peer) => cut.push(peer))
  return { clock, budgets, events, cut }
}

describe('budgets of peers', () => {
  test('a peer takes at most its burst and its rate over any time', () => {
    const steps = fc.array(fc.tuple(fc.nat(30), fc.nat(3000)), { maxLength: 100 })
    fc.assert(
      fc.property(steps, (asked) => {
        const { clock, budgets } = start()
        let taken = 0
        for (const [amount, pauseMs] of asked) {
          if (budgets.take(ANNA, 'bytes', amount)) taken += amount
          clock.advance(pauseMs)
        }
        assert.ok(taken <= 100 + (clock.now() / SECOND_MS) * 10)
        assert.equal(budgets.cutOffOf(ANNA), undefined)
        assert.ok(budgets.take(BEN, 'bytes', 100), 'another has all of its own')
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('a peer that overspends is cut off, longer each time, and the owner is told', () => {
    const { clock, budgets, events, cut } = start()
    budgets.spend(ANNA, 'bytes', 100)
    assert.equal(budgets.cutOffOf(ANNA), undefined)
    for (const forMs of [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS]) {
      budgets.spend(ANNA, 'bytes', 1000)
      assert.deepEqual(budgets.cutOffOf(ANNA), { cost: 'bytes', words: 'bytes', forMs })
      budgets.spend(ANNA, 'bytes', 1000) // what was under way
      clock.advance(forMs)
      assert.equal(budgets.cutOffOf(ANNA), undefined)
      clock.advance(MINUTE_MS)
    }
    assert.deepEqual(cut, [ANNA, ANNA, ANNA])
    assert.deepEqual(
      events.map(({ kind, peer }) => [kind, peer]),
      cut.map((peer) => ['peer-costly', peer]),
    )
    assert.equal(budgets.cutOffOf(BEN), undefined)
    clock.advance(30 * HOUR_MS)
    budgets.spend(ANNA, 'bytes', 1000)
    assert.equal(budgets.cutOffOf(ANNA)?.forMs, MINUTE_MS, 'after a day it begins anew')
  })

  test('if all peers together spend too much, the biggest spenders are cut off', () => {
    const { budgets, cut } = start()
    budgets.spend(BEN, 'work', 1)
    for (let n = 0; n < 20; n++) budgets.spend(`mallory${n}` as PeerId, 'work', 60)
    budgets.spend(BEN, 'work', 1)
    assert.ok(cut.length > 10 && !cut.includes(BEN), String(cut))
  })

  test('a held allowance returns only when it is released', () => {
    const { clock, budgets } = start()
    assert.ok(budgets.take(ANNA, 'shards', 80))
    clock.advance(HOUR_MS)
    assert.equal(budgets.take(ANNA, 'shards', 30), false)
    budgets.giveBack(ANNA, 'shards', 80)
    assert.ok(budgets.take(ANNA, 'shards', 100))
  })

  test('few peers are remembered, among them those that are cut off', () => {
    const { budgets } = start()
    budgets.spend(ANNA, 'bytes', 1000)
    budgets.spend(BEN, 'bytes', 90)
    for (let n = 0; n < 5000; n++) budgets.spend(`peer${n}` as PeerId, 'bytes', 1)
    assert.notEqual(budgets.cutOffOf(ANNA), undefined)
    assert.ok(
      budgets.take(BEN, 'bytes', 100),
      'of the others who cost something long ago is forgotten',
    )
  })
})
