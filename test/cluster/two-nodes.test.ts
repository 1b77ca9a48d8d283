// Two machines that write at once, and one that writes while it is alone.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

test('two nodes that write different files at once end with the same names and bytes', async () => {
  await using cluster = await TestCluster.start(2, { mounts: true })
  const [a, b] = cluster.nodes as [TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 150)
  await mkdir(join(a.mountFolder, 'from a'))
  await mkdir(join(b.mountFolder, 'from b'))
  await Promise.all([
    writeSmallTree(join(a.mountFolder, 'from a'), 150),
    writeSmallTree(join(b.mountFolder, 'from b'), 150),
    a.shoal('put', source, '/put by a'),
    b.shoal('put', source, '/put by b'),
  ])
  await cluster.converged()
  const [seenByA, seenByB] = [await digestTree(a.mountFolder), await digestTree(b.mountFolder)]
  assertSameTree(seenByA, seenByB, 'the two mounts')
  const expected = await digestTree(source)
  for (const part of ['from a', 'from b', 'put by a', 'put by b']) {
    assertSameTree(await digestTree(join(b.mountFolder, part)), expected, part)
  }
})

test('a change shows in the mount of the other node within two seconds', async () => {
  await using cluster = await TestCluster.start(2, { mounts: true })
  const [a, b] = cluster.nodes as [TestNode, TestNode]
  const [here, there] = [join(a.mountFolder, 'note.txt'), join(b.mountFolder, 'note.txt')]
  for (const text of ['first', 'second, longer', '3']) {
    await writeFile(here, text)
    await eventually(
      `"${text}" is there`,
      async () => (await readFile(there, 'utf8').catch(() => '')) === text,
      2000,
    )
  }
  await b.shoal('rm', '/note.txt')
  await eventually(
    'the file is gone',
    async () => !(await readdir(a.mountFolder)).includes('note.txt'),
    2000,
  )
})

test('a node that wrote while it was away catches up by itself, and so do the others', async () => {
  await using cluster = await TestCluster.start(3)
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, 60)
  await a.shoal('put', source, '/before')
  await cluster.converged()
  // Alone: the two others are stopped.
  await a.kill('SIGTERM')
  await b.kill('SIGTERM')
  await c.shoal('put', source, '/written by c alone')
  await c.shoal('mv', '/before', '/moved by c')
  await c.kill('SIGTERM')
  await a.start()
  await b.start()
  await a.shoal('put', source, '/written without c')
  await cluster.converged()
  await c.start()
  await cluster.connected()
  await cluster.converged()
  const expected = await digestTree(source)
  for (const node of cluster.nodes) {
    const target = join(node.folder, 'got')
    await node.shoal('get', '/', target)
    assert.deepEqual((await readdir(target)).sort(), [
      'moved by c',
      'written by c alone',
      'written without c',
    ])
    for (const name of await readdir(target))
      assertSameTree(await digestTree(join(target, name)), expected, `${node.name} ${name}`)
  }
})

test('a member that was removed gets nothing of what is written after', async () => {
  await using cluster = await TestCluster.start(3)
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  await a.shoal('mkdir', '/before')
  await cluster.converged()
  await a.shoal('peer', 'rm', 'n3')
  await a.shoal('mkdir', '/after')
  await eventually('the others have it', async () => (await b.shoal('ls', '/')).includes('after'))
  // It comes back as a stranger, as it does not know yet: with its old keys and all its addresses.
  await c.kill('SIGTERM')
  await c.start()
  await a.shoal('mkdir', '/later')
  await eventually('the others have that too', async () =>
    (await b.shoal('ls', '/')).includes('later'),
  )
  assert.equal(await c.shoal('ls', '/'), 'before/\n')
})
