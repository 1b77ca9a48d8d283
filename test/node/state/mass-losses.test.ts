// Mass losses as ops tell of them: the same in whatever order these come, of each author one at a
// time, and none that is yet to come.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { makeDot, makeStamp } from '../../../protocol/clock/dot.ts'
import type { Dot, Stamp } from '../../../protocol/clock/dot.ts'
import type { Hlc } from '../../../protocol/clock/hlc.ts'
import type { ActorId } from '../../../protocol/ids.ts'
import { plantWeakness } from '../../../protocol/trust.ts'
import { DAY_MS } from '../../../protocol/units.ts'
import {
  applyDismissal,
  applyMassLoss,
  countingLosses,
  isLossOver,
  massLosses,
} from '../../../node/state/mass-losses.ts'
import { StateView } from '../../../node/state/state-view.ts'
import { MemoryKv } from '../../../node/store/memory-kv.ts'
import { BOB } from '../../protocol/fixtures.ts'

const ACTORS = ['a', 'b', 'c'].map((letter) => letter.repeat(32) as ActorId)

interface Told {
  readonly dot: Dot
  readonly stamp: Stamp
  readonly at: Hlc
}

/** The op that an author makes in a millisecond, of the moment before. */
function told(author: number, ms: number): Told {
  const actor = ACTORS[author] ?? ('f'.repeat(32) as ActorId)
  return { dot: makeDot(actor, ms, 0), stamp: stampAt(ms, actor), at: (clock(ms) - 1n) as Hlc }
}

function stampAt(ms: number, actor: ActorId = 'e'.repeat(32) as ActorId): Stamp {
  return makeStamp(clock(ms), actor, 0)
}

function clock(ms: number): Hlc {
  return (BigInt(ms) << 16n) as Hlc
}

function emptyView(): StateView {
  return new StateView(new MemoryKv(), '\0\u0001')
}

function apply(view: StateView, { dot, stamp, at }: Told): void {
  applyMassLoss(view, { kind: 'mass-loss', peer: BOB.peer, at }, dot, stamp)
}

function dismiss(view: StateView, losses: readonly Told[], ms: number): void {
  applyDismissal(view, { kind: 'dismiss-loss', losses: losses.map(({ dot }) => dot) }, stampAt(ms))
}

const anyTold = fc.record({ author: fc.nat(2), ms: fc.integer({ min: 1, max: 50 }) })

describe('mass losses', () => {
  test('are the same whatever order they and their dismissals come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyTold, { selector: ({ author, ms }) => `${author} ${ms}`, maxLength: 8 }),
        fc.array(fc.record({ of: fc.nat(), ms: fc.integer({ min: 60, max: 90 }) }), {
          maxLength: 6,
        }),
        fc.nat(),
        async (some, dismissals, turn) => {
          const losses = some.map(({ author, ms }) => told(author, ms))
          const [one, other] = [emptyView(), emptyView()]
          // A dismissal comes after what it dismisses, and else anything after anything.
          for (const loss of losses) apply(one, loss)
          for (const loss of losses.toReversed()) apply(other, loss)
          const ops = dismissals.flatMap(({ of, ms }) => {
            const loss = losses[of % Math.max(1, losses.length)]
            return loss === undefined ? [] : [{ loss, ms }]
          })
          const at = turn % Math.max(1, ops.length)
          for (const { loss, ms } of ops) dismiss(one, [loss], ms)
          for (const { loss, ms } of [...ops.slice(at), ...ops.slice(0, at)])
            dismiss(other, [loss], ms)
          assert.deepEqual(await massLosses(other), await massLosses(one))
        },
      ),
    )
  })

  test('count one of each author, the oldest that was not dismissed', async () => {
    const view = emptyView()
    const [first, second, others] = [told(0, 5), told(0, 7), told(1, 9)]
    for (const loss of [second, first, others]) apply(view, loss)
    const counting = async (): Promise<readonly Dot[]> =>
      countingLosses(await massLosses(view)).map(({ dot }) => dot)
    assert.deepEqual(new Set(await counting()), new Set([first.dot, others.dot]))
    dismiss(view, [first, told(2, 3)], 20)
    assert.deepEqual(new Set(await counting()), new Set([second.dot, others.dot]))
    dismiss(view, [second, others], 30)
    assert.deepEqual(await counting(), [])
  })

  test('that are yet to come are none: nobody keeps what he has not seen', async () => {
    const later = { ...told(0, 5), at: clock(5) }
    const view = emptyView()
    apply(view, later)
    assert.deepEqual(await massLosses(view), [])
    const restore = plantWeakness('loss-is-past')
    try {
      apply(view, later)
      assert.equal((await massLosses(view)).length, 1)
    } finally {
      restore()
    }
  })

  test('are forgotten a month after they were dismissed, once all know of that', async () => {
    const view = emptyView()
    const loss = told(0, 5)
    apply(view, loss)
    const isOver = async (deadByMs: number, atMs: number): Promise<boolean> => {
      const limits = { deadBy: clock(deadByMs), at: clock(atMs) }
      for await (const record of view.scan('L', 'M')) return isLossOver(record, limits)
      return assert.fail('there is a record')
    }
    const month = 30 * DAY_MS
    assert.equal(await isOver(2 * month, 2 * month), false)
    dismiss(view, [loss], 10)
    assert.equal(await isOver(9, 2 * month), false)
    assert.equal(await isOver(10, month + 10), false)
    assert.equal(await isOver(10, month + 11), true)
  })
})
