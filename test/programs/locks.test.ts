// Locks between processes of one machine, by real programs on the mount of a real node. The cases
// of locks.py run on the file system of the temporary folder too, which shows that they are right
// about POSIX.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TestCluster } from '../cluster/cluster.ts'
import { run, skip } from '../mount/mounted.ts'
import { need, needAll } from './need.ts'

need('python3')
needAll(skip)

const SCRIPT = fileURLToPath(new URL('./locks.py', import.meta.url))

const cases = readCases()

test('the cases of locks hold elsewhere', { timeout: 300_000 }, async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'shoal-locks-'))
  try {
    for (const [name] of cases) await run('python3', SCRIPT, name, elsewhere)
  } finally {
    await rm(elsewhere, { recursive: true })
  }
})

for (const setting of ['locks=local', 'locks=strong']) {
  describe(`locks on a mount with ${setting}`, { timeout: 300_000 }, () => {
    let cluster: TestCluster
    let folder: string

    before(async () => {
      cluster = await TestCluster.start(1)
      const [node] = cluster.nodes
      assert.ok(node !== undefined)
      folder = node.mountFolder
      await node.shoal('volume', 'create', 'main', setting)
      await node.shoal('mount', folder)
    })

    after(() => cluster[Symbol.asyncDispose]())

    for (const [name, says] of cases)
      test(says, async () => void (await run('python3', SCRIPT, name, folder)))
  })
}

function readCases(): readonly (readonly [name: string, says: string])[] {
  const { stdout, status } = spawnSync('python3', [SCRIPT], { encoding: 'utf8' })
  assert.equal(status, 0)
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t') as [string, string])
}
