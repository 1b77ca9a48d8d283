// Listeners on a long-lived signal: each is told once, unless it was removed.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { onAbort } from '../../../node/world/abort-listeners.ts'

test('all listeners of a signal are called once, except removed ones', () => {
  const controller = new AbortController()
  const heard: string[] = []
  const hear = (): unknown => heard.push('twice the same')
  onAbort(controller.signal, hear)
  onAbort(controller.signal, hear)
  const release = onAbort(controller.signal, () => heard.push('taken back'))
  release()
  release()
  controller.abort()
  assert.deepEqual(heard, ['twice the same', 'twice the same'])
})

test('a signal without listeners can be collected', () => {
  const { signal } = new AbortController()
  const releases = [1, 2].map(() => onAbort(signal, () => undefined))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const release of releases) release()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  onAbort(signal, () => undefined)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
})
