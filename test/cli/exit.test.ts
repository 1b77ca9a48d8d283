// How a command ends: with all its output, and whatever its threads wait for.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runShoal } from '../cluster/cluster.ts'

const STUCK = fileURLToPath(import.meta.resolve('./stuck-thread.ts'))

test('a command ends although a thread of its process does not', { timeout: 60_000 }, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'shoal-exit-'))
  t.after(() => rm(home, { recursive: true }))
  const { code, stderr } = await runShoal(['--home', home, 'status'], 'ignore', { preload: STUCK })
  assert.equal(code, 3)
  assert.match(stderr, /^shoal: no node runs at/)
})
