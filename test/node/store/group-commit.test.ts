// Group commit by itself: which call is served by which run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupCommit } from '../../../node/store/group-commit.ts'

test('concurrent calls share a run, and a call made during it waits for the next', async () => {
  const gates: PromiseWithResolvers<void>[] = []
  const call = groupCommit(() => {
    const gate = Promise.withResolvers<void>()
    gates.push(gate)
    return gate.promise
  })
  const first = Promise.all([call(), call()])
  await Promise.resolve()
  assert.equal(gates.length, 1)
  const done: string[] = []
  const second = Promise.all([call(), call()]).then(() => done.push('second'))
  gates[0]?.resolve()
  await first
  assert.deepEqual([done, gates.length], [[], 2])
  gates[1]?.resolve()
  await second
})

test('a failed run fails the calls it served, and the next run works', async () => {
  let runs = 0
  const call = groupCommit(async () => {
    runs += 1
    if (runs === 1) throw new Error('once')
  })
  const both = await Promise.allSettled([call(), call()])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await call()
  assert.equal(runs, 2)
})
