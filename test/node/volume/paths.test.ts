// Paths as people type them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hasCode } from '../../../protocol/errors.ts'
import { parsePath } from '../../../node/volume/paths.ts'

describe('parsePath', () => {
  test('every path begins at the root of its volume, also without the first slash', () => {
    const photos = { volume: undefined, parts: ['photos', 'a:b'] }
    for (const text of ['/photos/a:b', 'photos/a:b', ':photos/a:b', './photos//a:b/'])
      assert.deepEqual(parsePath(text), photos, text)
    const there = { volume: 'work', parts: ['plans'] }
    for (const text of ['work:/plans', 'work:plans', 'work:./plans/'])
      assert.deepEqual(parsePath(text), there, text)
    assert.deepEqual(parsePath('.'), { volume: undefined, parts: [] })
    assert.deepEqual(parsePath('work:/'), { volume: 'work', parts: [] })
  })

  test('what could be meant in two ways, goes up, or names nothing is refused', () => {
    for (const text of ['', ':', 'work:', 'my work:/a', 'a:b:c', ':a:b', '../a', '/a/../b', 'a/..'])
      assert.throws(
        () => parsePath(text),
        (error) => hasCode(error, 'usage'),
        text,
      )
  })
})
