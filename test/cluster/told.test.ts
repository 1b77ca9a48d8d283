// A mount shows at once what a command of its machine has done: the kernel, which keeps names and
// attributes, was told before the command was answered.
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openClient } from '../../node/control/client.ts'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'

const ROUNDS = 100

test('a mount shows at once what a call of its machine has done', async () => {
  await using cluster = await TestCluster.start(1, { mounts: true })
  const [node] = cluster.nodes as [TestNode]
  const { signal } = new AbortController()
  const client = openClient({ home: node.home, signal })
  try {
    const path = join(node.mountFolder, 'file')
    for (let round = 0; round < ROUNDS; round++) {
      await writeFile(path, 'written in the mount')
      assert.equal((await stat(path)).size, 20)
      await client.writeFile('/file', bytesOf(`by a call ${round}`))
      assert.equal(await readFile(path, 'utf8'), `by a call ${round}`)
      await client.remove('/file')
      await assert.rejects(stat(path), { code: 'ENOENT' })
      await client.undelete('/file')
      assert.equal(await readFile(path, 'utf8'), `by a call ${round}`)
    }
  } finally {
    client.close()
  }
})

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
