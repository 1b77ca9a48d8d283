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
  test('misses acknowledged content that nobody removed', () => {
    assert.throws(() => written(DURABLE).judge(NOTHING), CheckError)
    written(DURABLE).judge(SHOWN)
  })

  test('allows both outcomes of a write that failed', () => {
    written(undefined).judge(NOTHING)
    written(undefined).judge(SHOWN)
  })

  test('allows a crash to lose an acknowledged write unless it became durable before', () => {
    const said = { durable: false, position: undefined }
    const lost = written(said)
    lost.crashed('n0', 'killed', 0)
    lost.judge(NOTHING)
    const kept = written(said)
    kept.settled('n0')
    kept.crashed('n0', 'killed', 0)
    assert.throws(() => kept.judge(NOTHING), CheckError)
  })

  test('allows a power loss alone to lose what was closed just before', () => {
    const closed = (): Oracle => {
      const oracle = written(undefined)
      oracle.kept(SIZE, 10_000)
      return oracle
    }
    const killed = closed()
    killed.crashed('n0', 'killed', 10_001)
    assert.throws(() => killed.judge(NOTHING), CheckError)
    const lost = closed()
    lost.crashed('n0', 'power loss', 11_000)
    lost.judge(NOTHING)
    const late = closed()
    late.crashed('n0', 'power loss', 13_000)
    assert.throws(() => late.judge(NOTHING), CheckError)
  })

  test('demands that a power loss leaves a beginning of what was closed', () => {
    const oracle = written(undefined)
    oracle.kept(SIZE, 10_000)
    oracle.begins(SIZE + 1, '/g', 'n0')
    oracle.kept(SIZE + 1, 10_001)
    oracle.crashed('n0', 'power loss', 10_002)
    oracle.judge(SHOWN)
    assert.throws(() => oracle.judge(new Map([[SIZE + 1, ['/g']]])), CheckError)
  })

  test('compares no beginnings of what was closed before and after a power loss', () => {
    const oracle = written(undefined)
    oracle.kept(SIZE, 10_000)
    oracle.crashed('n0', 'power loss', 10_001)
    oracle.begins(SIZE + 1, '/g', 'n0')
    oracle.kept(SIZE + 1, 10_002)
    oracle.crashed('n0', 'power loss', 10_003)
    oracle.judge(new Map([[SIZE + 1, ['/g']]]))
  })

  test('allows a removal to take content that its remover had seen', () => {
    const oracle = written(DURABLE)
    oracle.covers([SIZE], 'n1: remove')
    oracle.judge(NOTHING)
  })

  test('allows a folder removal to take content of that time, none before or after', () => {
    const vector = (seq: number): ReadonlyMap<ActorId, number> => new Map([[ACTOR, seq]])
    const during = written(DURABLE)
    during.swept({ before: vector(4), after: vector(5) })
    during.judge(NOTHING)
    const outside = written(DURABLE)
    outside.swept({ before: vector(5), after: vector(9) })
    outside.swept({ before: vector(1), after: vector(4) })
    assert.throws(() => outside.judge(NOTHING), CheckError)
  })

  test('rejects an extended attribute that was replaced, or that nobody set', () => {
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

  test('rejects replaced content that shows again', () => {
    const oracle = written(DURABLE)
    oracle.covers([SIZE], 'n1: write')
    oracle.replaced(SIZE, { node: 'n1', what: 'n1: write' })
    oracle.judge(NOTHING)
    assert.throws(() => oracle.judge(SHOWN), CheckError)
  })

  test('rejects content that nobody wrote, and content that is shown twice', () => {
    assert.throws(() => new Oracle().judge(SHOWN), CheckError)
    assert.throws(() => written(DURABLE).judge(new Map([[SIZE, ['/f', '/g']]])), CheckError)
  })
})
