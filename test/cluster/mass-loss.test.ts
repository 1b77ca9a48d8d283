// The brake on mass loss, on three real nodes: a program encrypts every file of a mount and removes
// the plain ones, as ransomware does, and one command on another machine undoes it.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

const run = promisify(execFile)
const FILES = 1_060

/** Half of the files in place, the others as a new file beside them that stays. */
const RANSOMWARE = `
const { createCipheriv } = require('node:crypto')
const { readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const folder = process.argv[1]
const names = readdirSync(folder, { recursive: true, withFileTypes: true })
for (const [at, entry] of names.filter((entry) => entry.isFile()).entries()) {
  const path = entry.parentPath + '/' + entry.name
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 1), Buffer.alloc(16, at % 256))
  const sealed = Buffer.concat([cipher.update(readFileSync(path)), cipher.final()])
  writeFileSync(at % 2 === 0 ? path : path + '.locked', sealed)
  if (at % 2 === 1) rmSync(path)
}
`

interface Loss {
  readonly volume: string
  readonly member: string
}

test(
  'a program that encrypts every file is told of, and undone with one command',
  { timeout: 300_000 },
  async () => {
    await using cluster = await TestCluster.start(3, { mounts: true })
    const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
    const source = join(cluster.folder, 'source')
    await mkdir(source)
    await writeSmallTree(source, FILES)
    const before = await digestTree(source)
    await a.shoal('put', source, '/tree')
    await cluster.converged()
    assert.equal(await a.shoal('loss', 'ls'), '')

    await run(process.execPath, ['-e', RANSOMWARE, join(b.mountFolder, 'tree')])
    await eventually('the loss is told of', async () => {
      return (await c.json<readonly Loss[]>('loss', 'ls')).length > 0
    })
    await cluster.converged()
    for (const node of cluster.nodes) {
      const losses = await node.json<readonly Loss[]>('loss', 'ls')
      assert.deepEqual(
        losses.map(({ volume, member }) => [volume, member]),
        [['main', b.name]],
      )
      const { code, stdout } = await node.run('status', '--check')
      assert.equal(code, 2)
      assert.match(stdout, /^CRITICAL: n2 replaced or removed much of main after /)
      assert.match(await node.shoal('status'), /mass loss: n2 replaced or removed much of it/)
    }
    assert.match(await c.shoal('events'), /mass-loss/)

    await c.shoal('loss', 'restore')
    await cluster.converged()
    await run('find', [join(a.mountFolder, 'tree'), '-name', '*.locked', '-delete'])
    await cluster.converged()
    for (const node of cluster.nodes) {
      const target = join(node.folder, 'restored')
      await node.shoal('get', '/tree', target)
      assertSameTree(await digestTree(target), before, node.name)
    }
    // Restoring is no loss, and what was lost is told of until somebody says that it is over.
    assert.equal((await c.json<readonly Loss[]>('loss', 'ls')).length, 1)
    await assert.rejects(c.shoal('loss', 'dismiss'), /only an admin/)
    await a.shoal('loss', 'dismiss')
    await cluster.converged()
    for (const node of cluster.nodes)
      assert.deepEqual(await node.json<readonly Loss[]>('loss', 'ls'), [])
  },
)
