// Guessing is slowed down, by name and by address, and nobody else is kept out for long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WrongSecrets } from '../../../node/doors/wrong-secrets.ts'
import { MINUTE_MS, SECOND_MS } from '../../../protocol/units.ts'
import { ManualClock } from '../stripes/manual-clock.ts'

/** How long the next try waits, in ms. */
function waitOf(secrets: WrongSecrets, clock: ManualClock, name: string, from: string): number {
  const start = clock.now()
  for (;;) {
    try {
      secrets.check(name, from)
      return clock.now() - start
    } catch {
      clock.advance(SECOND_MS / 2)
    }
  }
}

test('after three wrong ones each try waits twice as long, up to a minute', () => {
  const clock = new ManualClock()
  const secrets = new WrongSecrets(clock)
  const waits = Array.from({ length: 11 }, () => {
    secrets.wrong('anna', 'a')
    return waitOf(secrets, clock, 'anna', 'a') / SECOND_MS
  })
  assert.deepEqual(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60])
  secrets.wrong('anna', 'a')
  assert.throws(() => secrets.check('anna', 'a'), { code: 'too-many', message: /again in 60 s/ })
  secrets.check('anna', 'b')
  secrets.check('ben', 'a')
  secrets.right('anna', 'a')
  secrets.check('anna', 'a')
})

test('many addresses that guess one name, and many names from one address, wait too', () => {
  const clock = new ManualClock()
  const secrets = new WrongSecrets(clock)
  for (let n = 0; n < 32; n++) {
    secrets.wrong('anna', `from ${n}`)
    secrets.wrong(`name ${n}`, 'b')
  }
  assert.throws(() => secrets.check('anna', 'never seen'), { code: 'too-many' })
  assert.throws(() => secrets.check('never seen', 'b'), { code: 'too-many' })
  secrets.check('ben', 'c')
  clock.advance(MINUTE_MS)
  secrets.check('anna', 'never seen')
})

test('what is remembered is bounded, and ends', () => {
  const clock = new ManualClock()
  clock.advance(1)
  const secrets = new WrongSecrets(clock)
  for (let n = 0; n < 10; n++) secrets.wrong('anna', 'a')
  for (let n = 0; n < 20_000; n++) secrets.wrong(`${n}`, `${n}`)
  secrets.check('anna', 'a')
  for (let n = 0; n < 4; n++) secrets.wrong('anna', 'a')
  assert.throws(() => secrets.check('anna', 'a'))
  clock.advance(15 * MINUTE_MS + 1)
  secrets.wrong('anna', 'a')
  secrets.check('anna', 'a')
})
