// A file whose holders are frozen: a read through a mount waits as long as the mount was told to,
// and blocks nothing else.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, readdir, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { MIB } from '../../protocol/units.ts'
import { skip } from '../mount/mounted.ts'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { writeRandomFile } from './trees.ts'

const OTHER_CALLS = 300

test('reads of files whose holders are frozen', { skip, timeout: 600_000 }, async (t) => {
  await using cluster = await TestCluster.start(3)
  const [writer, holder, reader] = cluster.nodes as [TestNode, TestNode, TestNode]
  const names = ['waited for', 'given up', 'cached']
  const sources = names.map((name) => join(cluster.folder, name))
  for (const [n, source] of sources.entries()) {
    await writeRandomFile(source, 4)
    await writer.shoal('put', '--ack', 'placed', source, `/${names[n]}`)
  }
  await cluster.converged()
  const [patient, hasty] = ['patient', 'hasty'].map((name) => join(cluster.folder, name))
  assert(patient !== undefined && hasty !== undefined)
  for (const folder of [patient, hasty]) await mkdir(folder)
  await reader.shoal('mount', '--wait', '1d', '--cache-size', '40MiB', patient)
  await reader.shoal('mount', '--wait', '1s', hasty)

  await t.test('read data is cached within --cache-size', async () => {
    const bytes = await readFile(join(patient, 'cached'))
    assert.deepEqual(bytes, await readFile(sources[2] ?? ''))
    await eventually('it is kept', async () => (await reader.status()).node.cache.usedBytes > MIB)
    const { cache } = (await reader.status()).node
    assert.equal(cache.limitBytes, 40 * MIB)
    // The file, and its manifest.
    assert(cache.usedBytes <= 5 * MIB)
  })

  for (const { pid } of [writer, holder]) process.kill(pid, 'SIGSTOP')
  const thaw = (): void => {
    for (const { pid, isRunning } of [writer, holder]) if (isRunning) process.kill(pid, 'SIGCONT')
  }
  try {
    const cat = spawn('cat', [join(patient, 'waited for')], { cwd: '/' })
    const said = buffer(cat.stdout)
    const ended = once(cat, 'exit')

    await t.test(`${OTHER_CALLS} other calls succeed while a read waits`, async () => {
      for (let call = 0; call < OTHER_CALLS / 5; call++) {
        const path = join(patient, `other ${call}`)
        await writeFile(path, `content ${call}`.repeat(500))
        assert.equal((await stat(path)).size, `content ${call}`.length * 500)
        assert.equal(await readFile(path, 'utf8'), `content ${call}`.repeat(500))
        assert((await readdir(patient)).includes(`other ${call}`))
        await unlink(path)
      }
      assert.equal(cat.exitCode, null)
    })

    await t.test('a chunk fetched earlier is read from the cache', async () => {
      assert.deepEqual(await readFile(join(hasty, 'cached')), await readFile(sources[2] ?? ''))
    })

    await t.test('a read with a shorter timeout fails with EIO', async () => {
      await assert.rejects(readFile(join(hasty, 'given up')), { code: 'EIO' })
    })

    await t.test('a read waits until the holders are back', async () => {
      thaw()
      assert.deepEqual(await ended, [0, null])
      assert.deepEqual(await said, await readFile(sources[0] ?? ''))
    })
  } finally {
    thaw()
  }
})
