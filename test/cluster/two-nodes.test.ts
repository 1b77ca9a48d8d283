// Two machines that write at once, one that writes while it is alone, and a removed one.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

const FILES = 40

test('nodes of one volume converge', async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, FILES)
  const expected = await digestTree(source)

  await t.test(
    'two nodes that write different files at once end with the same names and bytes',
    () => writeAtOnce(cluster, source),
  )

  await t.test('a change shows in the mount of another node within two seconds', async () => {
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

  await t.test('a node that wrote while offline catches up, and so do the others', async () => {
    await a.shoal('put', source, '/before')
    await cluster.converged()
    // Alone: the two others are stopped.
    await a.kill('SIGTERM')
    await b.kill('SIGTERM')
    await c.shoal('mkdir', '/away')
    await c.shoal('put', source, '/away/written by c alone')
    await c.shoal('mv', '/before', '/away/moved by c')
    await c.kill('SIGTERM')
    await a.start()
    await b.start()
    await a.shoal('put', source, '/written without c')
    await cluster.converged()
    await c.start()
    await cluster.connected()
    await cluster.converged()
    await a.shoal('mv', '/written without c', '/away/')
    await cluster.converged()
    for (const node of cluster.nodes) {
      const target = join(node.folder, 'got')
      await node.shoal('get', '/away', target)
      assert.deepEqual((await readdir(target)).sort(), [
        'moved by c',
        'written by c alone',
        'written without c',
      ])
      for (const name of await readdir(target))
        assertSameTree(await digestTree(join(target, name)), expected, `${node.name} ${name}`)
    }
  })

  await t.test('a removed member gets nothing that is written afterwards', async () => {
    await a.shoal('mkdir', '-p', '/removal/before')
    await cluster.converged()
    await a.shoal('peer', 'rm', 'n3')
    await a.shoal('mkdir', '/removal/after')
    await eventually('the other has it', async () =>
      (await b.shoal('ls', '/removal')).includes('after'),
    )
    // It comes back as a stranger, and does not know yet: with its keys and all its addresses.
    await c.kill('SIGTERM')
    await c.start()
    await a.shoal('mkdir', '/removal/later')
    await eventually('the other has that too', async () =>
      (await b.shoal('ls', '/removal')).includes('later'),
    )
    assert.equal(await c.shoal('ls', '/removal'), 'before/\n')
  })
})

/** Both by their mounts and by the command. */
async function writeAtOnce(cluster: TestCluster, source: string): Promise<void> {
  const [a, b] = cluster.nodes as [TestNode, TestNode]
  await mkdir(join(a.mountFolder, 'from a'))
  await mkdir(join(b.mountFolder, 'from b'))
  await Promise.all([
    writeSmallTree(join(a.mountFolder, 'from a'), FILES),
    writeSmallTree(join(b.mountFolder, 'from b'), FILES),
    a.shoal('put', source, '/put by a'),
    b.shoal('put', source, '/put by b'),
  ])
  await cluster.converged()
  const [seenByA, seenByB] = [await digestTree(a.mountFolder), await digestTree(b.mountFolder)]
  assertSameTree(seenByA, seenByB, 'the two mounts')
  const expected = await digestTree(source)
  for (const part of ['from a', 'from b', 'put by a', 'put by b'])
    assertSameTree(await digestTree(join(b.mountFolder, part)), expected, part)
}
