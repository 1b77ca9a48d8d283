// Listeners on a long-lived signal: each is told once, unless it was removed.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { onAbort } from '../../../node/world/abort-listeners.ts'

test('all who wait for a signal hear of it once, and who took it back does not', () => {
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

test('a signal that nobody waits for any more has no listener, and may be collected', () => {
  const { signal } = new AbortController()
  const releases = [1, 2].map(() => onAbort(signal, () => undefined))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const release of releases) release()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  onAbort(signal, () => undefined)
  assert.equal(getEventListeners(signal, 'abort').length, 1)
})
