// The checker of histories: known-good and known-bad ones, and against all orders of short ones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkLinearizable } from '../../simulations/linearizability.ts'
import { SeededRandom } from '../../simulations/random.ts'
import type { Call, Operation, Value } from '../../simulations/linearizability.ts'

let processCount = 0

function operation(
  call: Call,
  [invokeMs, returnMs]: readonly [number, number],
  rest: Partial<Operation> = {},
): Operation {
  const process = `p${processCount++}`
  return { process, key: 'x', call, invokeMs, returnMs, outcome: 'ok', ...rest }
}

const read = (value: Value, at: readonly [number, number]): Operation =>
  operation({ f: 'read' }, at, { value })
const write = (value: Value, at: readonly [number, number]): Operation =>
  operation({ f: 'write', value }, at)
const create = (
  to: string,
  at: readonly [number, number],
  outcome: Operation['outcome'] = 'ok',
): Operation => operation({ f: 'cas', from: undefined, to }, at, { outcome })

function isLinearizable(...history: Operation[]): boolean {
  return checkLinearizable(history).linearizable
}

describe('a history is linearizable', () => {
  test('when it is empty', () => assert.ok(isLinearizable()))

  test('when reads that overlap a write see either value', () => {
    assert.ok(isLinearizable(write('a', [0, 10]), read(undefined, [1, 3]), read('a', [2, 4])))
  })

  test('when one of two concurrent creations is refused', () => {
    assert.ok(
      isLinearizable(create('a', [0, 5]), create('b', [1, 6], 'refused'), read('a', [7, 8])),
    )
  })

  test('when an unanswered write shows late, or never', () => {
    const lost = { ...write('a', [0, 0]), outcome: 'info' as const }
    assert.ok(isLinearizable(lost, read(undefined, [5, 6]), read('a', [7, 8])))
    assert.ok(isLinearizable(lost, read(undefined, [5, 6]), read(undefined, [7, 8])))
  })

  test('when that of each key is, whatever the other keys do', () => {
    const other = { ...read('b', [0, 1]), key: 'y' }
    const written = { ...write('b', [0, 1]), key: 'y' }
    assert.ok(isLinearizable(write('a', [0, 1]), other, written, read('a', [2, 3])))
  })
})

describe('a history is not linearizable', () => {
  test('when a read after a write returns the old value', () => {
    const stale = read(undefined, [2, 3])
    const verdict = checkLinearizable([write('a', [0, 1]), stale])
    assert.deepEqual(verdict, { linearizable: false, key: 'x', stuckAt: stale })
  })

  test('when a later read goes back to an older value', () => {
    assert.ok(!isLinearizable(write('a', [0, 10]), read('a', [1, 2]), read(undefined, [3, 4])))
  })

  test('when two creations of one key succeed', () => {
    assert.ok(!isLinearizable(create('a', [0, 5]), create('b', [1, 6])))
  })

  test('when a creation is refused though the key is absent', () => {
    assert.ok(!isLinearizable(create('a', [0, 1], 'refused'), write('a', [2, 3])))
  })

  test('when a read returns a value that is written only after it', () => {
    assert.ok(!isLinearizable(read('a', [0, 1]), write('a', [2, 3])))
  })

  test('when a write that surely failed shows', () => {
    const failed = { ...write('a', [0, 1]), outcome: 'fail' as const }
    assert.ok(!isLinearizable(failed, read('a', [2, 3])))
  })

  test('when two reads see two writes in different orders', () => {
    const writes = [write('a', [0, 10]), write('b', [0, 10])]
    const one = [read('a', [11, 12]), read('b', [13, 14])]
    assert.ok(!isLinearizable(...writes, ...one))
  })
})

describe('the checker', () => {
  test('accepts every single-copy history, and finds each value that never was there', () => {
    for (let seed = 0; seed < 60; seed++) {
      const history = historyOf(new SeededRandom(seed, 'history'), 60)
      assert.ok(checkLinearizable(history).linearizable, `seed ${seed}`)
      const reads = history.filter(({ call, outcome }) => call.f === 'read' && outcome === 'ok')
      const [changed] = reads
      if (changed === undefined) continue
      const bad = history.map((each) => (each === changed ? { ...each, value: 'never' } : each))
      assert.ok(!checkLinearizable(bad).linearizable, `seed ${seed}`)
    }
  })

  test('agrees with trying all orders on short histories', () => {
    const value = fc.constantFrom<Value>(undefined, 'a', 'b')
    const call = fc.oneof(
      fc.record({ f: fc.constant('read' as const) }),
      fc.record({ f: fc.constant('write' as const), value }),
      fc.record({ f: fc.constant('cas' as const), from: value, to: value }),
    )
    const short = fc.array(
      fc.record({
        call,
        at: fc.tuple(fc.nat(12), fc.nat(6)),
        outcome: fc.constantFrom('ok' as const, 'ok' as const, 'refused' as const, 'info' as const),
        value,
      }),
      { minLength: 1, maxLength: 6 },
    )
    fc.assert(
      fc.property(short, (all) => {
        const history = all.map(({ call: what, at: [from, lasts], outcome, value: given }) =>
          operation(what, [from, from + lasts], {
            outcome: outcome === 'refused' && what.f !== 'cas' ? 'ok' : outcome,
            value: given,
          }),
        )
        assert.equal(checkLinearizable(history).linearizable, isExplainedBySomeOrder(history))
      }),
      { seed: 7, numRuns: 2000 },
    )
  })
})

/** Calls of five processes on one copy, each done at some time between its call and its return. */
function historyOf(random: SeededRandom, count: number): Operation[] {
  const planned = Array.from({ length: count }, (_, index) => {
    const invokeMs = Math.floor(index / 5) * 10 + random.number() * 5
    const doneMs = invokeMs + random.number() * 10
    const fate = random.number()
    const made = `${index}`
    const call: Call =
      fate < 0.4
        ? { f: 'read' }
        : fate < 0.8
          ? { f: 'write', value: made }
          : { f: 'cas', from: random.chance(0.5) ? undefined : `${random.below(count)}`, to: made }
    return {
      call,
      invokeMs,
      doneMs,
      returnMs: doneMs + random.number() * 5,
      isHeard: random.chance(0.9),
    }
  })
  let value: Value
  const history: Operation[] = []
  for (const { call, invokeMs, doneMs, returnMs, isHeard } of planned.toSorted(
    (a, b) => a.doneMs - b.doneMs,
  )) {
    assert.ok(doneMs <= returnMs)
    const seen = value
    const isRefused = call.f === 'cas' && call.from !== seen
    if (call.f === 'write') value = call.value
    if (call.f === 'cas' && !isRefused) value = call.to
    const outcome = !isHeard ? 'info' : isRefused ? 'refused' : 'ok'
    history.push(operation(call, [invokeMs, returnMs], { outcome, value: seen }))
  }
  return history
}

/** The definition, word by word. */
function isExplainedBySomeOrder(history: readonly Operation[]): boolean {
  const go = (left: readonly Operation[], value: Value): boolean => {
    if (left.every(({ outcome }) => outcome === 'info')) return true
    return left.some((next) => {
      const isFirst = left.every(
        (other) => other === next || other.outcome === 'info' || other.returnMs >= next.invokeMs,
      )
      const after = isFirst ? effect(next, value) : undefined
      return (
        after !== undefined &&
        go(
          left.filter((other) => other !== next),
          after.value,
        )
      )
    })
  }
  return go(history, undefined)
}

function effect(
  { call, outcome, value: given }: Operation,
  value: Value,
): { value: Value } | undefined {
  if (call.f === 'read') return outcome === 'info' || given === value ? { value } : undefined
  if (call.f === 'write') return { value: call.value }
  if (outcome === 'refused') return call.from === value ? undefined : { value }
  return call.from === value ? { value: call.to } : undefined
}
