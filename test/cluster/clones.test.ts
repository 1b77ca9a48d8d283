// Three real nodes with mounts: five generations of a tree, each made on another of them, a clone
// that is edited on another node than it was made on, removal, undeletion, and each generation
// again, byte by byte on all.
import assert from 'node:assert/strict'
import {
  appendFile,
  link,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { attribute } from './attribute.ts'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, putTree } from './trees.ts'
import type { TreeDigest } from './trees.ts'

const FILES = 70
const GENERATIONS = 5
/** Longer than a millisecond, which is what times are told in. */
const PAUSE_MS = 50

interface Generation {
  readonly at: string
  readonly tree: TreeDigest
}

/** Other content, new files, in several folders. */
async function edit(root: string, generation: number): Promise<void> {
  for (let at = generation; at < FILES; at += 9)
    await appendFile(join(root, `folder ${at % 7}`, `g${at % 9}`), `generation ${generation}\n`)
  await mkdir(join(root, `made ${generation}`, 'deep'), { recursive: true })
  await writeFile(join(root, `made ${generation}`, 'deep', 'new'), `new ${generation}`)
  await writeFile(join(root, 'each time'), `generation ${generation}`)
  await appendFile(join(root, 'folder 1', 'with space-1'), `generation ${generation}\n`)
}

test('a clone is a tree of its own on every node', { timeout: 300_000 }, async (t) => {
  await using cluster = await TestCluster.start(3, { mounts: true })
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  await putTree(cluster, FILES)

  const mounted = (node: TestNode, name: string): string => join(node.mountFolder, name)
  const onAll = async (name: string, expected: TreeDigest): Promise<void> => {
    await cluster.converged()
    for (const node of cluster.nodes)
      assertSameTree(await digestTree(mounted(node, name)), expected, `${name} on ${node.name}`)
  }
  const odd = join(mounted(a, 'tree'), 'odd')
  await mkdir(odd, { mode: 0o2750 })
  await writeFile(join(odd, 'file'), 'text', { mode: 0o4640 })
  await link(join(odd, 'file'), join(odd, 'twin'))
  await symlink('file', join(odd, 'link'))
  await attribute(join(odd, 'file'), 'user.color', 'red')
  await attribute(odd, 'user.color', 'blue')
  await utimes(join(odd, 'file'), 1_000_000, 2_000_000)
  await utimes(odd, 1_000_000, 3_000_000)

  const generations: Generation[] = []
  for (let generation = 0; generation < GENERATIONS; generation++) {
    const node = cluster.nodes[generation % 3] as TestNode
    if (generation > 0) await edit(mounted(node, 'tree'), generation)
    // Not on the node that removes all: that would bring it back with the rest.
    if (generation === 2) await rm(join(mounted(node, 'tree'), 'made 1'), { recursive: true })
    await cluster.converged()
    const tree = await digestTree(mounted(node, 'tree'))
    await sleep(PAUSE_MS)
    generations.push({ at: new Date().toISOString(), tree })
    await sleep(PAUSE_MS)
    if (generation === 2) await b.shoal('snapshot', 'create', 'third')
  }
  const [first, , third] = generations as [Generation, Generation, Generation]
  const last = generations.at(-1) as Generation

  await t.test('with all that its files have', async () => {
    await b.shoal('clone', '/tree', '/clone')
    await onAll('clone', last.tree)
    for (const node of cluster.nodes) {
      const folder = join(mounted(node, 'clone'), 'odd')
      const [file, twin] = [await lstat(join(folder, 'file')), await lstat(join(folder, 'twin'))]
      const original = await lstat(join(mounted(node, 'tree'), 'odd', 'file'))
      assert.deepEqual([file.nlink, file.ino, file.mtimeMs], [2, twin.ino, 2_000_000_000])
      assert.notEqual(file.ino, original.ino)
      assert.equal((await lstat(folder)).mtimeMs, 3_000_000_000)
      assert.equal(await readlink(join(folder, 'link')), 'file')
      assert.equal(await attribute(join(folder, 'twin'), 'user.color'), 'red')
      assert.equal(await attribute(folder, 'user.color'), 'blue')
    }
  })

  await t.test('is edited on another node, and its source stays as it was', async () => {
    const folder = mounted(c, 'clone')
    await edit(folder, GENERATIONS)
    await appendFile(join(folder, 'large'), 'more')
    await rename(join(folder, 'folder 1'), join(folder, 'moved'))
    await rm(join(folder, 'folder 2'), { recursive: true })
    const edited = await digestTree(folder)
    await onAll('clone', edited)
    await onAll('tree', last.tree)
    await rm(mounted(a, 'tree'), { recursive: true })
    await onAll('clone', edited)
    await c.shoal('undelete', '/tree')
    await onAll('tree', last.tree)
    await onAll('clone', edited)
  })

  await t.test('of each state that was, and those come back in place', async () => {
    await c.shoal('volume', 'clone', 'main@third', 'copy')
    const copy = join(c.folder, 'copy')
    await c.shoal('mount', '--volume', 'copy', copy)
    assertSameTree(await digestTree(join(copy, 'tree')), third.tree, 'a volume of its own')
    assert.equal((await lstat(join(copy, 'tree', 'odd', 'file'))).nlink, 2)
    assert.equal(await attribute(join(copy, 'tree', 'odd', 'twin'), 'user.color'), 'red')
    await c.shoal('clone', '--at', 'third', '/tree', '/tree/third')
    await onAll('tree/third', third.tree)
    await rm(join(mounted(b, 'tree'), 'third'), { recursive: true })
    for (const [index, { at, tree }] of generations.entries()) {
      await a.shoal('clone', '/tree', `/g${index}`, '--at', at)
      await cluster.converged()
      assertSameTree(await digestTree(mounted(c, `g${index}`)), tree, `generation ${index}`)
    }
    await rm(mounted(b, 'tree'), { recursive: true })
    await cluster.converged()
    await a.shoal('restore', '/tree', '--at', first.at)
    await onAll('tree', first.tree)
    assert.equal(await readFile(join(mounted(b, 'tree'), 'odd', 'twin'), 'utf8'), 'text')
  })
})
