// So many requests of one account are taken, at once and a second, whatever others do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestRates } from '../../../node/doors/request-rates.ts'
import { SECOND_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

test('an account has 128 requests under way, and others are not held up by it', () => {
  const rates = new RequestRates(new ManualClock())
  const ends = Array.from({ length: 128 }, () => rates.begin('anna@main'))
  assert.throws(() => rates.begin('anna@main'), { code: 'too-many', message: /128 requests/ })
  rates.begin('bert@main')()
  ends[0]?.()
  rates.begin('anna@main')
  assert.throws(() => rates.begin('anna@main'), { code: 'too-many' })
})

test('a rate is for each account, with two seconds of it at once', () => {
  const clock = new ManualClock()
  const rates = new RequestRates(clock, 10)
  const ask = (who: string): void => rates.begin(who)()
  for (let count = 0; count < 20; count++) ask('anna@main')
  assert.throws(() => ask('anna@main'), { code: 'too-many', message: /10 times a second/ })
  ask('bert@main')
  clock.advance(SECOND_MS)
  for (let count = 0; count < 10; count++) ask('anna@main')
  assert.throws(() => ask('anna@main'), { code: 'too-many' })
})
