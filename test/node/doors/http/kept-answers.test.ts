// Answers that are kept for calls with keys of idempotence: how many, how long, and what who finds
// them in the home learns.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ROUTES } from '../../../../node/control/routes.ts'
import { LOOKING_CALLS } from '../../../../node/doors/http/idempotency.ts'
import { KeptAnswers } from '../../../../node/doors/http/kept-answers.ts'
import type { AnswerBounds } from '../../../../node/doors/http/kept-answers.ts'
import { MemoryKv } from '../../../../node/store/memory-kv.ts'
import { DAY_MS } from '../../../../protocol/units.ts'
import { SeededRandom } from '../../../../simulations/random.ts'
import type { Instant, WallTime } from '../../../../protocol/units.ts'
import type { Clock } from '../../../../node/world/world.ts'

let nowMs = 0
const clock: Clock = {
  wall: () => nowMs as WallTime,
  now: () => nowMs as Instant,
  timer: () => ({ cancel: () => {} }),
  sleep: () => Promise.resolve(),
  timeout: () => new AbortController().signal,
}

function open(kv: MemoryKv, bounds?: AnswerBounds): Promise<KeptAnswers> {
  const random = new SeededRandom('answers', 'kept')
  return KeptAnswers.open({ kv, clock, random, log: () => {} }, bounds)
}

const answer = { status: 200, headers: { etag: '"x"' }, body: 'the secret of a key' }

describe('answers that are kept', () => {
  test('are told by account and key for a day, sealed, also by the next process', async () => {
    const kv = MemoryKv.open()
    const answers = await open(kv)
    const name = { account: 'anna', key: 'k' }
    await answers.put(name, { head: 'h' })
    assert.deepEqual(answers.find(name), { head: 'h', body: undefined }, 'it has not ended')
    await answers.put(name, { head: 'h', body: 'b', answer })
    for await (const [key, value] of kv.scan({ from: '', to: '~' }))
      assert.doesNotMatch(`${key} ${Buffer.from(value).toString()}`, /secret|anna/)
    const next = await open(kv.crash())
    assert.deepEqual(next.find(name), { head: 'h', body: 'b', answer })
    for (const other of [
      { account: 'ben', key: 'k' },
      { account: 'anna', key: 'l' },
    ])
      assert.equal(next.find(other), undefined)
    nowMs += DAY_MS
    assert.equal(next.find(name), undefined)
    await next.sweep()
    await next.remove({ account: 'nobody', key: 'k' })
  })

  test('are so many of an account, and of so many accounts; the oldest are given up', async () => {
    const kv = MemoryKv.open()
    let answers = await open(kv, { countOfOne: 2, accounts: 2 })
    const put = (account: string, key: string): Promise<void> => {
      nowMs++
      return answers.put({ account, key }, { head: 'h', answer })
    }
    const kept = (): string =>
      ['a1', 'a2', 'a3', 'b1', 'c1']
        .filter((one) => answers.find({ account: one.slice(0, 1), key: one.slice(1) }))
        .join(' ')
    await put('b', '1')
    for (const key of ['1', '2', '1', '3']) await put('a', key)
    assert.equal(kept(), 'a1 a3 b1')
    answers = await open(kv.crash(), { countOfOne: 2, accounts: 2 })
    await put('c', '1')
    assert.equal(kept(), 'a1 a3 c1')
  })

  test('calls that only look are calls', () => {
    for (const name of LOOKING_CALLS) assert.ok(name in ROUTES, name)
  })
})
