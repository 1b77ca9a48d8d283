// The computed chance to lose a stripe (docs/durability.md), beside the table of the design's memo.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { annualLoss, yearsToLoss } from '../../simulations/storage/markov.ts'

/** Annual loss of a stripe (docs/durability.md) at repair times of 6, 24 and 168 hours. */
const TABLE: readonly {
  readonly code: readonly [k: number, m: number]
  readonly rate: number
  readonly repairFrom?: number
  readonly loss: readonly [number, number, number]
}[] = [
  { code: [6, 3], rate: 0.02, loss: [1.6e-13, 1.0e-11, 3.5e-9] },
  { code: [6, 3], rate: 0.1, loss: [1.2e-10, 7.6e-9, 2.5e-6] },
  { code: [6, 3], rate: 0.3, loss: [1.6e-8, 9.8e-7, 2.8e-4] },
  { code: [6, 3], rate: 0.1, repairFrom: 2, loss: [9.7e-8, 1.6e-6, 7.4e-5] },
  { code: [4, 2], rate: 0.1, loss: [6.6e-8, 1.1e-6, 5.0e-5] },
  { code: [2, 1], rate: 0.1, loss: [4.6e-5, 1.8e-4, 1.3e-3] },
  { code: [8, 4], rate: 0.1, loss: [2.7e-13, 6.8e-11, 1.5e-7] },
  { code: [1, 2], rate: 0.1, loss: [3.3e-9, 5.3e-8, 2.6e-6] },
]

describe('Markov chain', () => {
  for (const { code, rate, repairFrom = 1, loss } of TABLE) {
    const [k, m] = code
    test(`loss of ${k}+${m}, rate ${rate}, repair from ${repairFrom}, is as in the table`, () => {
      for (const [at, repairHours] of [6, 24, 168].entries()) {
        const computed = annualLoss({ k, m }, { annualFailureRate: rate, repairHours, repairFrom })
        const expected = loss[at] ?? 0
        assert.ok(
          Math.abs(computed / expected - 1) < 0.05,
          `${computed.toExponential(2)} in place of ${expected} at ${repairHours} h`,
        )
      }
    })
  }

  test('without parity a stripe lives until its first peer dies', () => {
    const years = yearsToLoss(
      { k: 1, m: 0 },
      { annualFailureRate: 1 - Math.exp(-2), repairHours: 1 },
    )
    assert.ok(Math.abs(years - 0.5) < 1e-9, `${years}`)
  })
})
