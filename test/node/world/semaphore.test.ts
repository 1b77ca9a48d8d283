// A semaphore: a limited number at a time, first come first served, and an aborted caller takes no
// place.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Semaphore } from '../../../node/world/semaphore.ts'

const { signal } = new AbortController()

describe('semaphore', () => {
  test('a limited number have a place, and others wait in order of arrival', async () => {
    const semaphore = new Semaphore(2)
    const held = [await semaphore.take(signal), await semaphore.take(signal)]
    const served: string[] = []
    const waiting = ['a', 'b'].map(async (name) => {
      const giveBack = await semaphore.take(signal)
      served.push(name)
      return giveBack
    })
    await new Promise(setImmediate)
    assert.deepEqual(served, [])
    held[0]?.()
    await waiting[0]
    assert.deepEqual(served, ['a'])
    held[1]?.()
    await Promise.all(waiting)
    assert.deepEqual(served, ['a', 'b'])
  })

  test('an aborted caller waits no more, and the next is served', async () => {
    const semaphore = new Semaphore(1)
    const giveBack = await semaphore.take(signal)
    const controller = new AbortController()
    const aborted = semaphore.take(controller.signal)
    const next = semaphore.take(signal)
    controller.abort(new Error('enough'))
    await assert.rejects(aborted, { message: 'enough' })
    giveBack()
    const last = await next
    await assert.rejects(semaphore.take(controller.signal), { message: 'enough' })
    last()
    const again = await semaphore.take(signal)
    again()
  })
})
