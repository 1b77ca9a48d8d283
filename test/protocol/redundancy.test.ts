// Classes as people write them, and the codes that they stand for.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '../../protocol/errors.ts'
import { STRIPE_COPIES_BELOW, STRIPE_K_MAX, STRIPE_M_MAX } from '../../protocol/limits.ts'
import { codeFor, formatClass, parseClass } from '../../protocol/placement/redundancy.ts'
import type { RedundancyClass } from '../../protocol/placement/redundancy.ts'

const LARGE = STRIPE_COPIES_BELOW

describe('redundancy', () => {
  test('auto is the documented code for any number of peers', () => {
    const codes = ['1+0', '1+1', '2+1', '2+2', '3+2', '4+2', '4+2', '4+2', '6+3', '6+3']
    assert.deepEqual(
      codes.map((_, i) => text(parseClass('auto'), i + 1)),
      codes,
    )
    assert.equal(text(parseClass('auto'), 1000), '6+3')
    assert.equal(text(parseClass('auto'), 0), 'none')
  })

  test('with auto there is a peer for every shard, and more peers never survive fewer losses', () => {
    for (let peers = 1; peers < 40; peers++) {
      const code = codeFor(parseClass('auto'), peers, LARGE)
      const more = codeFor(parseClass('auto'), peers + 1, LARGE)
      assert.ok(code !== undefined && more !== undefined)
      assert.ok(code.k + code.m <= peers && more.m >= code.m)
    }
  })

  test('an explicit class is its own code, however few peers there are', () => {
    for (const peers of [0, 1, 100]) {
      assert.equal(text(parseClass('rs4+2'), peers), '4+2')
      assert.equal(text(parseClass('copies3'), peers), '1+2')
      assert.equal(text(parseClass('copies1'), peers), '1+0')
      assert.equal(text(parseClass('local'), peers), 'none')
    }
  })

  test('a small stripe is copied, and survives as many losses', () => {
    for (const name of ['auto', 'rs6+3', 'copies4', 'rs5+0']) {
      const large = codeFor(parseClass(name), 9, LARGE)
      const small = codeFor(parseClass(name), 9, LARGE - 1)
      assert.deepEqual(small, { k: 1, m: large?.m })
    }
    assert.equal(codeFor(parseClass('local'), 9, 1), undefined)
  })

  test('every class is its text form and back', () => {
    fc.assert(
      fc.property(classes(), (cls) => assert.deepEqual(parseClass(formatClass(cls)), cls)),
      { seed: 1, numRuns: 200 },
    )
    for (const name of ['auto', 'local', 'copies3', 'copies17', 'rs1+0', 'rs32+16']) {
      assert.equal(formatClass(parseClass(name)), name)
    }
  })

  test('an unknown class is refused, naming the forms', () => {
    const bad = [
      '',
      'Auto',
      'copies',
      'copies0',
      'copies18',
      'rs0+1',
      'rs33+1',
      'rs4+17',
      'rs4',
      'rs4-2',
      'rs4+2 ',
      'rs4+2\n',
      'rs٤+2',
      '4+2',
      'copies3.5',
      'rs100+2',
    ]
    for (const name of bad) {
      assert.throws(
        () => parseClass(name),
        (error) => {
          assert.ok(error instanceof ShoalError && error.code === 'usage')
          return ['auto', 'local', 'copiesN', 'rsK+M'].every((form) => error.message.includes(form))
        },
        JSON.stringify(name),
      )
    }
  })
})

/** The code for a large stripe. */
function text(cls: RedundancyClass, peers: number): string {
  const code = codeFor(cls, peers, LARGE)
  return code === undefined ? 'none' : `${code.k}+${code.m}`
}

function classes(): fc.Arbitrary<RedundancyClass> {
  const k = fc.integer({ min: 1, max: STRIPE_K_MAX })
  const m = fc.integer({ min: 0, max: STRIPE_M_MAX })
  return fc.oneof(
    fc.constantFrom({ kind: 'auto' as const }, { kind: 'local' as const }),
    m.map((copies) => ({ kind: 'copies' as const, count: copies + 1 })),
    fc.tuple(k, m).map(([data, parity]) => ({ kind: 'rs' as const, k: data, m: parity })),
  )
}
