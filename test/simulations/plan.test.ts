// Scripts: made from a seed alone, shrunk to what breaks the same invariant, and patches that fail
// loudly.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { applyPatch } from '../../simulations/patches.ts'
import { planOf } from '../../simulations/plan.ts'
import { scenarioNamed } from '../../simulations/scenario.ts'
import { shrink } from '../../simulations/shrink.ts'
import type { Failure, Outcome } from '../../simulations/performer.ts'
import type { Script, Step } from '../../simulations/script.ts'

const DEFAULT = scenarioNamed('default')
/** Without duels, of which half cut the network. */
const UNFOUGHT = { ...DEFAULT, duels: 0 }

describe('a plan', () => {
  test('a plan is the same for the same seed, and differs for another', () => {
    assert.deepEqual(planOf('1', DEFAULT), planOf('1', DEFAULT))
    assert.notDeepEqual(planOf('1', DEFAULT).steps, planOf('2', DEFAULT).steps)
  })

  test('a plan has its steps in order of time, within the duration but for follow-ups', () => {
    const { steps, durationMs } = planOf('3', DEFAULT)
    const times = steps.map(({ atMs }) => atMs)
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
    assert.ok(times.every((atMs) => atMs >= 0 && Number.isInteger(atMs)))
    assert.ok(
      steps.filter(({ do: what }) => what !== 'try').every(({ atMs }) => atMs <= durationMs),
    )
  })

  test('a plan has each kind of fault for some of a hundred seeds, and not for all', () => {
    const kinds = new Map<string, number>()
    for (let seed = 0; seed < 100; seed++) {
      const inSeed = new Set(planOf(`${seed}`, UNFOUGHT).steps.map(({ do: what }) => what))
      for (const kind of inSeed) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    }
    for (const kind of ['cut', 'reset', 'weather', 'crash', 'away', 'jump', 'join', 'leave']) {
      const count = kinds.get(kind) ?? 0
      assert.ok(count > 5 && count < 100, `${kind} in ${count}`)
    }
  })
})

describe('shrinking', () => {
  const script: Script = planOf('shrink', { ...DEFAULT, sessions: 4 })
  const failure: Failure = {
    kind: 'failed',
    invariant: '12 no silent overwrite',
    message: '',
    decided: script.steps,
  }
  const passed = { kind: 'passed', tookMs: 0 } as Outcome

  /** Fails when all of `needed` are there. */
  const failsWith =
    (needed: readonly Step[], outcome: Failure = failure) =>
    async ({ steps }: Script): Promise<Outcome> =>
      needed.every((step) => steps.includes(step)) ? { ...outcome, tookMs: 0 } : passed

  test('shrinking keeps the steps that are needed, and no others', async () => {
    const needed = [3, 70, 130].flatMap((index) => script.steps[index] ?? [])
    const shrunk = await shrink(script, failure, failsWith(needed))
    assert.deepEqual(shrunk?.script.steps, needed)
    assert.ok(shrunk.runCount <= 60)
  })

  test('shrinking does not accept a script that breaks another invariant', async () => {
    const other: Failure = { ...failure, invariant: '14 no number twice' }
    assert.equal(await shrink(script, failure, failsWith([], other)), undefined)
  })
})

describe('a patch', () => {
  const patch = { file: 'some.ts', find: 'true', replace: 'false' }

  test('a patch applies where its text occurs once, and is refused elsewhere', () => {
    assert.equal(applyPatch(patch, 'return true'), 'return false')
    assert.throws(() => applyPatch(patch, 'return 1'), RangeError)
    assert.throws(() => applyPatch(patch, 'true === true'), RangeError)
  })
})
