// A serial queue: one after the other, in order, whatever fails.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SerialQueue } from '../../../node/jobs/serial-queue.ts'

describe('serial queue', () => {
  test('tasks run one after the other, in the order of the calls', async () => {
    const queue = new SerialQueue()
    const steps: string[] = []
    const work = (name: string) => async (): Promise<string> => {
      steps.push(`${name} begins`)
      await Promise.resolve()
      steps.push(`${name} ends`)
      return name
    }
    const results = await Promise.all([queue.run(work('a')), queue.run(work('b'))])
    assert.deepEqual(results, ['a', 'b'])
    assert.deepEqual(steps, ['a begins', 'a ends', 'b begins', 'b ends'])
  })

  test('a failure affects only its caller', async () => {
    const queue = new SerialQueue()
    const failing = queue.run(() => Promise.reject(new Error('no')))
    const throwing = queue.run(() => {
      throw new Error('never')
    })
    const next = queue.run(() => 'done')
    await assert.rejects(failing, { message: 'no' })
    await assert.rejects(throwing, { message: 'never' })
    assert.equal(await next, 'done')
  })

  test('the queue is idle when all tasks have ended', async () => {
    const queue = new SerialQueue()
    const ended = Promise.withResolvers<void>()
    let isIdle = false
    queue.run(() => ended.promise).catch(() => undefined)
    const idle = queue.idle().then(() => (isIdle = true))
    await new Promise(setImmediate)
    assert.equal(isIdle, false)
    ended.reject(new Error('no'))
    await idle
  })
})
