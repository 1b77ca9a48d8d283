// Three real nodes: files are edited, overwritten and removed on them, through mounts and by the
// command; and what was there comes back on each, byte by byte.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, putTree } from './trees.ts'

const FILES = 120
/** Longer than a millisecond, which is what times are told in. */
const PAUSE_MS = 50

interface ListedVersion {
  readonly id: string
  readonly end: string
  readonly author: string
}

test('what was overwritten or removed comes back on any node', { timeout: 300_000 }, async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = await putTree(cluster, FILES)
  const first = await digestTree(source)
  await sleep(PAUSE_MS)
  const atFirst = new Date().toISOString()
  await sleep(PAUSE_MS)

  const got = async (node: TestNode, path: string, name: string): Promise<string> => {
    const target = join(node.folder, name)
    await node.shoal('get', path, target)
    return target
  }

  await t.test('a tree at a time, after it was edited in a mount', async () => {
    const mounted = join(b.mountFolder, 'tree')
    await writeFile(join(mounted, 'large'), 'small now')
    await writeFile(join(mounted, 'new'), 'made since')
    await rm(join(mounted, 'folder 0'), { recursive: true })
    await cluster.converged()
    for (const { mountFolder, name } of cluster.nodes) {
      const then = join(mountFolder, 'tree', '.snapshots', `@${atFirst}`)
      assertSameTree(await digestTree(then), first, name)
    }
    const done = await c.json<{ files: number; nearest: number }>(
      'restore',
      '/tree',
      '--at',
      atFirst,
      '--to',
      '/as it was',
    )
    assert.equal(done.nearest, 0)
    assert.equal(done.files, FILES + 1)
    await cluster.converged()
    for (const node of cluster.nodes)
      assertSameTree(await digestTree(await got(node, '/as it was', 'beside')), first, node.name)
    await a.shoal('restore', '/tree', '--at', atFirst)
    assert.equal(await a.shoal('cat', '/tree/new'), 'made since')
    await a.shoal('rm', '/tree/new')
    await cluster.converged()
    for (const node of cluster.nodes)
      assertSameTree(await digestTree(await got(node, '/tree', 'in place')), first, node.name)
  })

  await t.test('a file that a shell writes over, one version a time', async () => {
    const path = join(b.mountFolder, 'by a shell')
    for (const word of ['one', 'second', 'the third'])
      await promisify(execFile)('sh', ['-c', `echo ${word} > "$1"`, 'sh', path])
    const listed = await b.json<readonly { sizeBytes: number }[]>('versions', '/by a shell')
    assert.deepEqual(
      listed.map(({ sizeBytes }) => sizeBytes),
      [10, 7, 4],
    )
    await rm(path)
  })

  await t.test('a tree that was removed in a mount, with one command', async () => {
    await rm(join(b.mountFolder, 'tree'), { recursive: true })
    await cluster.converged()
    const listed = await c.json<readonly { path: string; removedBy: string }[]>('undelete')
    const tree = listed.find(({ path }) => path === '/tree')
    assert.equal(tree?.removedBy, b.name)
    await c.shoal('undelete', '/tree')
    await cluster.converged()
    for (const node of cluster.nodes)
      assertSameTree(await digestTree(await got(node, '/tree', 'undeleted')), first, node.name)
  })

  await t.test('a file of any version, saved over by a rename or written over', async () => {
    const path = join(a.mountFolder, 'note.txt')
    await writeFile(path, 'one')
    await writeFile(path, 'two')
    await writeFile(`${path}.tmp`, 'three')
    await rename(`${path}.tmp`, path)
    await cluster.converged()
    const versions = await b.json<readonly ListedVersion[]>('versions', '/note.txt')
    assert.deepEqual(
      versions.map(({ end }) => end),
      ['current', 'replaced', 'overwritten'],
    )
    const texts = await Promise.all(
      versions.map(({ id }) => c.shoal('cat', '/note.txt', '--version', id)),
    )
    assert.deepEqual(texts, ['three', 'two', 'one'])
    await b.shoal('restore', '/note.txt', '--version', versions[2]?.id ?? '')
    await cluster.converged()
    assert.equal(await readFile(join(c.mountFolder, 'note.txt'), 'utf8'), 'one')
  })

  await t.test('a node that starts anew tells the same', async () => {
    const before = await a.json<readonly ListedVersion[]>('versions', '/note.txt')
    await c.kill('SIGKILL')
    await c.start()
    await cluster.connected()
    assert.deepEqual(await c.json('versions', '/note.txt'), before)
  })
})
