// Real timers: what they do, with delays short enough to wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { SystemClock } from '../../../node/world/clock.ts'
import { SystemRandom } from '../../../node/world/random.ts'

const clock = new SystemClock()

/** Timers do not keep the process alive, so a test that waits for one needs something that does. */
async function awake<T>(run: () => Promise<T>): Promise<T> {
  const keeper = setInterval(() => undefined, 60_000)
  try {
    return await run()
  } finally {
    clearInterval(keeper)
  }
}

test('a sleep ends after its delay and not before', () =>
  awake(async () => {
    const start = clock.now()
    await clock.sleep(10)
    assert.ok(clock.now() - start >= 9)
  }))

test('a sleep rejects with the reason of its signal, before and during', () =>
  awake(async () => {
    const reason = new Error('enough')
    await assert.rejects(clock.sleep(60_000, { signal: AbortSignal.abort(reason) }), reason)
    const controller = new AbortController()
    const sleep = clock.sleep(60_000, { signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(sleep, reason)
  }))

test('a cancelled timer never runs, and a far one does not run at once', () =>
  awake(async () => {
    const ran: string[] = []
    const cancelled = clock.timer(1, () => ran.push('cancelled'))
    const far = clock.timer(2 ** 33, () => ran.push('far'))
    cancelled.cancel()
    cancelled.cancel()
    await clock.sleep(15)
    far.cancel()
    assert.deepEqual(ran, [])
  }))

test('a timeout aborts with code "timeout", or with the reason of the signal given', () =>
  awake(async () => {
    const signal = clock.timeout(1)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    assert.ok(hasCode(signal.reason, 'timeout'))
    const controller = new AbortController()
    const both = clock.timeout(60_000, controller.signal)
    controller.abort('stopped')
    assert.equal(both.reason, 'stopped')
    assert.equal(clock.timeout(60_000, AbortSignal.abort('before')).reason, 'before')
  }))

test('random bytes and numbers are in range, and no site is unlucky', () => {
  const random = new SystemRandom()
  assert.equal(random.bytes(33).byteLength, 33)
  const many = Array.from({ length: 500 }, (_, i) => random.bytes(8 + (i % 25)))
  assert.equal(new Set(many.map((bytes) => bytes.subarray(0, 8).toString())).size, many.length)
  assert.ok(many.every((bytes, i) => bytes.byteLength === 8 + (i % 25) && bytes.some(Boolean)))
  for (let i = 0; i < 1000; i++) {
    const number = random.number()
    assert.ok(number >= 0 && number < 1)
  }
  assert.equal(random.unlucky('jobs.late'), false)
})
