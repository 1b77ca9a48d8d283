// Three real nodes: snapshots that one of them makes are on all, byte by byte, over kills, edits
// and removals on any of them, and bring back what was there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  link,
  mkdir,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { attribute } from './attribute.ts'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, putTree } from './trees.ts'

const FILES = 120
const run = promisify(execFile)

/** Waits until something is so; the limit of the test ends it. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(100)
}

interface Listed {
  readonly name: string
  readonly state: string
  readonly held: boolean
}

interface Changed {
  readonly kind: string
  readonly path: string
}

test('snapshots are the same on every node, and bring back', { timeout: 300_000 }, async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  const source = await putTree(cluster, FILES)
  const first = await digestTree(source)
  await a.shoal('volume', 'set', 'main', 'versions=off')

  const restored = async (node: TestNode, snapshot: string, name: string): Promise<string> => {
    await node.shoal('restore', '/tree', '--at', snapshot, '--to', `/${name}`)
    const target = join(node.folder, name)
    await node.shoal('get', `/${name}`, target)
    return target
  }

  await t.test('what was closed in a mount just before is in it', async () => {
    await writeFile(join(a.mountFolder, 'last words'), 'in the journal')
    await a.shoal('snapshot', 'create', 'good')
    await writeFile(join(a.mountFolder, 'last words'), 'too late')
    assert.equal(await a.shoal('cat', '/last words', '--at', 'good'), 'in the journal')
  })

  await t.test(
    'it is in each folder of every mount, and nothing can be changed there',
    async () => {
      const tree = join(a.mountFolder, 'tree')
      const odd = join(tree, 'odd')
      await mkdir(odd)
      await writeFile(join(odd, 'file'), 'text', { mode: 0o640 })
      await link(join(odd, 'file'), join(odd, 'twin'))
      await symlink('file', join(odd, 'link'))
      await attribute(join(odd, 'file'), 'user.color', 'red')
      await a.shoal('snapshot', 'create', '/tree', 'odd')
      await cluster.converged()
      await rename(odd, join(tree, 'even'))
      await writeFile(join(tree, 'even', 'file'), 'another text')
      await cluster.converged()
      for (const node of cluster.nodes) {
        const mounted = join(node.mountFolder, 'tree')
        await until(async () => (await readdir(join(mounted, '.snapshots'))).length === 2)
        assert.deepEqual(await readdir(join(mounted, '.snapshots')), ['good', 'odd'])
        assert.ok(!(await readdir(mounted)).includes('.snapshots'))
        assertSameTree(await digestTree(join(mounted, '.snapshots', 'good')), first, node.name)
        const then = join(mounted, '.snapshots', 'odd', 'odd')
        assert.equal(await readFile(join(then, 'file'), 'utf8'), 'text')
        assert.equal(await readlink(join(then, 'link')), 'file')
        const [file, twin] = [await stat(join(then, 'file')), await stat(join(then, 'twin'))]
        assert.deepEqual([file.mode & 0o777, file.nlink, file.ino], [0o640, 2, twin.ino])
        assert.equal(await attribute(join(then, 'file'), 'user.color'), 'red')
        // Found by what the folder is, whatever it is called now.
        const inside = join(mounted, 'even', '.snapshots', 'odd', 'file')
        assert.equal(await readFile(inside, 'utf8'), 'text')
        const copy = join(node.folder, 'copy')
        await run('cp', ['--archive', join(mounted, '.snapshots', 'odd'), copy])
        await run('diff', ['--recursive', copy, join(mounted, '.snapshots', 'odd')])
        const isReadOnly = { code: 'EROFS' }
        await assert.rejects(writeFile(join(then, 'new'), 'x'), isReadOnly)
        await assert.rejects(writeFile(join(then, 'file'), 'x'), isReadOnly)
        await assert.rejects(rm(join(then, 'file')), isReadOnly)
        await assert.rejects(readdir(join(mounted, '.snapshots', 'none')), { code: 'ENOENT' })
      }
      await rm(join(tree, 'even'), { recursive: true })
      await a.shoal('snapshot', 'rm', 'odd')
      await cluster.converged()
      for (const node of cluster.nodes)
        await until(
          async () => !(await readdir(join(node.mountFolder, '.snapshots'))).includes('odd'),
        )
    },
  )

  await t.test('one is on all nodes after edits, removals and a kill', async () => {
    const mounted = join(b.mountFolder, 'tree')
    await cluster.converged()
    await rm(join(mounted, 'folder 0'), { recursive: true })
    await writeFile(join(mounted, 'large'), 'small now')
    await writeFile(join(mounted, 'new'), 'made since')
    await cluster.converged()
    await c.kill('SIGKILL')
    await c.start()
    await cluster.connected()
    for (const [at, node] of cluster.nodes.entries()) {
      const [listed] = await node.json<readonly Listed[]>('snapshot', 'ls')
      assert.deepEqual([listed?.name, listed?.state], ['good', 'same'], node.name)
      assert.equal(await node.shoal('cat', '/last words', '--at', 'good'), 'in the journal')
      const tree = await restored(node, 'good', `beside ${at}`)
      assertSameTree(await digestTree(tree), first, node.name)
    }
  })

  await t.test('a rollback brings the tree back in place on all nodes', async () => {
    const before = await c.json<readonly Changed[]>('snapshot', 'diff', 'good', '--path', '/tree')
    assert.ok(before.some(({ kind, path }) => kind === 'added' && path === '/tree/new'))
    assert.ok(before.some(({ kind, path }) => kind === 'changed' && path === '/tree/large'))
    assert.ok(before.some(({ kind, path }) => kind === 'removed' && path === '/tree/folder 0'))
    const plan = await c.json<{ done: boolean; removed: number; broughtBack: number }>(
      'snapshot',
      'rollback',
      'good',
      '/tree',
    )
    assert.deepEqual([plan.done, plan.removed], [false, 1])
    assert.ok(plan.broughtBack > 1)
    await c.shoal('snapshot', 'rollback', 'good', '/tree', '--yes')
    await cluster.converged()
    for (const node of cluster.nodes) {
      const target = join(node.folder, 'rolled back')
      await node.shoal('get', '/tree', target)
      assertSameTree(await digestTree(target), first, node.name)
      assert.deepEqual(await node.json('snapshot', 'diff', 'good', '--path', '/tree'), [])
    }
  })

  await t.test('one that is held stays until it is let go, and then is gone on all', async () => {
    await a.shoal('snapshot', 'hold', 'good')
    await assert.rejects(a.shoal('snapshot', 'rm', 'good'), /held/)
    await a.shoal('snapshot', 'release', 'good')
    await a.shoal('snapshot', 'rm', 'good')
    await cluster.converged()
    for (const node of cluster.nodes) {
      assert.deepEqual(await node.json('snapshot', 'ls'), [])
      await assert.rejects(node.shoal('cat', '/last words', '--at', 'good'), /no snapshot/)
    }
  })
})
