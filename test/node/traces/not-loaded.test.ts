// A node without traces, as it starts: nothing that makes or sends them is loaded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reachable } from '../../sources.ts'

/** The seam, and the reader of the setting. */
const ALWAYS = ['node/traces/span.ts', 'node/traces/trace-config.ts']

test('what makes traces is loaded by those who want it alone', () => {
  const started = reachable(['node/index.ts'], ({ atStart }) => atStart)
  const loaded = [...started].filter((path) => path.startsWith('node/traces/'))
  assert.deepEqual(loaded.sort(), ALWAYS)
  assert.ok(reachable(['node/index.ts']).has('node/traces/recorder.ts'))
})
