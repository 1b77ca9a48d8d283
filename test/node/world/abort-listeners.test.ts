// What hangs on a long-lived signal: told once, each, unless it was taken back.
import assert from 'node:assert/strict'
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
