// Suspicion by silence: what phi is for, and that it stays a number whatever was heard.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  firstIntervals,
  isOrdinary,
  phiOf,
  withInterval,
} from '../../protocol/detector/phi-accrual.ts'
import type { Beat } from '../../protocol/detector/phi-accrual.ts'

const BEAT: Beat = { expectedMs: 10_000, pauseMs: 0 }

function heard(intervals: readonly number[], beat: Beat = BEAT): readonly number[] {
  return intervals.reduce<readonly number[]>(
    (known, ms) => withInterval(known, ms, beat),
    firstIntervals(beat),
  )
}

/** Any history, also of nonsense. */
function histories(): fc.Arbitrary<readonly number[]> {
  return fc.array(fc.oneof(fc.nat(60_000), fc.double({ min: 0, max: 1e300, noNaN: true })), {
    maxLength: 100,
  })
}

describe('phi-accrual', () => {
  test('phi is a number that does not fall while the silence lasts, however long it is', () => {
    fc.assert(
      fc.property(
        histories(),
        fc.array(fc.double({ min: 0, max: 1e300, noNaN: true })),
        (h, at) => {
          const intervals = heard(h)
          const phis = at.toSorted((a, b) => a - b).map((ms) => phiOf(intervals, ms, BEAT))
          for (const [i, phi] of phis.entries()) {
            assert.ok(phi >= 0, `phi is ${phi}`)
            // The fit of erfc is good to 1.2e-7.
            assert.ok(phi >= (phis[i - 1] ?? 0) - 1e-6, `${phi} after ${phis[i - 1]}`)
          }
        },
      ),
      { seed: 1, numRuns: 300 },
    )
    assert.ok(phiOf(heard([]), Number.MAX_VALUE, BEAT) > 1e100)
    assert.equal(phiOf(heard([]), Infinity, BEAT), Infinity)
  })

  test('an ordinary silence has a phi far below 1, whatever was heard', () => {
    const beat = { expectedMs: 10_000, pauseMs: 15_000 }
    assert.deepEqual(
      [20_000, 20_001].map((ms) => isOrdinary(ms, beat)),
      [true, false],
    )
    fc.assert(
      fc.property(histories(), fc.nat(20_000), (h, ms) => {
        assert.ok(phiOf(heard(h, beat), ms, beat) < 0.5)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('phi is -log10 of the tail of the normal distribution', () => {
    const beat = { expectedMs: 1000, pauseMs: 0 }
    const even = Array.from({ length: 32 }, (_, i) => (i % 2 === 0 ? 800 : 1200))
    const intervals = heard(even, beat)
    // Tails of the standard normal distribution at 0, 1, 2, 3 and 6.
    const tails = [0.5, 0.158655253931, 0.0227501319482, 0.00134989803163, 9.86587645038e-10]
    const at = [1000, 1200, 1400, 1600, 2200].map((ms) => phiOf(intervals, ms, beat))
    for (const [i, tail] of tails.entries())
      assert.ok(Math.abs((at[i] ?? 0) + Math.log10(tail)) < 1e-6, `${at[i]} for ${tail}`)
    const wellBefore = phiOf(intervals, 800, beat)
    assert.ok(Math.abs(wellBefore + Math.log10(1 - 0.158655253931)) < 1e-6)
  })

  test('a less regular peer is suspected later', () => {
    const even = heard(Array.from({ length: 40 }, (_, i) => 9000 + (i % 2) * 2000))
    const uneven = heard(Array.from({ length: 40 }, (_, i) => 5000 + (i % 2) * 10_000))
    assert.ok(phiOf(uneven, 20_000, BEAT) < phiOf(even, 20_000, BEAT))
  })

  test('an acceptable pause puts suspicion off by itself', () => {
    fc.assert(
      fc.property(histories(), fc.nat(100_000), fc.nat(100_000), (h, silentMs, pauseMs) => {
        const intervals = heard(h)
        const put = phiOf(intervals, silentMs + pauseMs, { ...BEAT, pauseMs })
        assert.ok(Math.abs(put - phiOf(intervals, silentMs, BEAT)) < 1e-6 * (1 + put))
      }),
      { seed: 2, numRuns: 200 },
    )
  })

  test('the history is bounded to the latest', () => {
    fc.assert(
      fc.property(histories(), fc.array(fc.nat(40_000), { minLength: 64 }), (old, recent) => {
        const telling = recent.filter((ms) => ms >= 5000)
        fc.pre(telling.length >= 32)
        assert.deepEqual(heard([...old, ...recent]), telling.slice(-32))
      }),
      { seed: 3, numRuns: 100 },
    )
  })

  test('neither bursts nor a long absence change how a peer is known to beat', () => {
    const usual = heard([9000, 10_000, 11_000])
    const intervals = [0, 1, 4999, 40_001, 86_400_000].reduce<readonly number[]>(
      (known, ms) => withInterval(known, ms, BEAT),
      usual,
    )
    assert.deepEqual(intervals, usual)
  })
})
