// The oracle: what it demands, and what it allows.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CheckError } from '../../simulations/check-error.ts'
import { Oracle } from '../../simulations/oracle.ts'
import type { ActorId } from '../../protocol/ids.ts'

const SIZE = 100
const ACTOR = 'a' as ActorId
const DURABLE = { durable: true, position: { actor: ACTOR, seq: 5 } }
const NOTHING: ReadonlyMap<number, readonly string[]> = new Map()
const SHOWN: ReadonlyMap<number, readonly string[]> = new Map([[SIZE, ['/f']]])

function written(how: Parameters<Oracle['wrote']>[1] | undefined): Oracle {
  const oracle = new Oracle()
  oracle.begins(SIZE, '/f', 'n0')
  if (how !== undefined) oracle.wrote(SIZE, how)
  return oracle
}

describe('the oracle', () => {
  test('misses a content that was acknowledged and that nobody removed', () => {
    assert.throws(() => written(DURABLE).judge(NOTHING), CheckError)
    written(DURABLE).judge(SHOWN)
  })

  test('allows both outcomes of a write that failed', () => {
    written(undefined).judge(NOTHING)
    written(undefined).judge(SHOWN)
  })

  test('allows what was only said to be lost by a crash, unless it became durable before', () => {
    const said = { durable: false, position: undefined }
    const lost = written(said)
    lost.crashed('n0')
    lost.judge(NOTHING)
    const kept = written(said)
    kept.settled('n0')
    kept.crashed('n0')
    assert.throws(() => kept.judge(NOTHING), CheckError)
  })

  test('allows the loss of what its remover had in view', () => {
    const oracle = written(DURABLE)
    oracle.covers([SIZE], 'n1: remove')
    oracle.judge(NOTHING)
  })

  test('allows the loss of what came in while a folder was removed, and of nothing that came before or after', () => {
    const vector = (seq: number): ReadonlyMap<ActorId, number> => new Map([[ACTOR, seq]])
    const during = written(DURABLE)
    during.swept({ before: vector(4), after: vector(5) })
    during.judge(NOTHING)
    const outside = written(DURABLE)
    outside.swept({ before: vector(5), after: vector(9) })
    outside.swept({ before: vector(1), after: vector(4) })
    assert.throws(() => outside.judge(NOTHING), CheckError)
  })

  test('wants an extended attribute that was replaced to stay away, and none that nobody set', () => {
    const oracle = new Oracle()
    oracle.setsXattr('one')
    oracle.setsXattr('two')
    oracle.judgeXattrs(['one', 'two'])
    assert.throws(() => oracle.judgeXattrs(['three']), CheckError)
    oracle.replacedXattr('one', { node: 'n1', what: 'n1: xattr' })
    oracle.judgeXattrs(['two'])
    assert.throws(() => oracle.judgeXattrs(['one']), CheckError)
    oracle.rewound('n1', () => false)
    oracle.judgeXattrs(['one'])
  })

  test('wants what was replaced to stay away', () => {
    const oracle = written(DURABLE)
    oracle.covers([SIZE], 'n1: write')
    oracle.replaced(SIZE, { node: 'n1', what: 'n1: write' })
    oracle.judge(NOTHING)
    assert.throws(() => oracle.judge(SHOWN), CheckError)
  })

  test('knows what nobody wrote, and what is shown twice', () => {
    assert.throws(() => new Oracle().judge(SHOWN), CheckError)
    assert.throws(() => written(DURABLE).judge(new Map([[SIZE, ['/f', '/g']]])), CheckError)
  })
})
