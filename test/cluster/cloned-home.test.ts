// A home whose whole disk is put back as it once was, so that nothing marks it as a copy, while all
// that it wrote since has spread: it writes on under the numbers that it had used.
import assert from 'node:assert/strict'
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually } from './cluster.ts'
import { assertSameTree, digestTree } from './trees.ts'
import type { TestNode } from './cluster.ts'

test('a node on an old disk image forks its log, and both branches reach all nodes', async () => {
  await using cluster = await TestCluster.start(3)
  const [a, b, c] = cluster.nodes as [TestNode, TestNode, TestNode]
  await put(c, 'before', 'the image')
  await cluster.converged()
  await c.kill('SIGTERM')
  const image = await readImage(c.home)
  await c.start()
  await put(c, 'before', 'changed after the image')
  await put(c, 'after the image')
  await cluster.connected()
  await cluster.converged()
  for (const node of cluster.nodes) await node.kill('SIGTERM')

  await writeImage(c.home, image)
  await c.start()
  await put(c, 'before', 'changed on the image')
  for (const n of [1, 2, 3]) await put(c, `on the image ${n}`)
  const log = await readFile(join(c.home, 'logs', 'node.log'), 'utf8')
  assert.ok(!log.includes('this home was copied'), 'nothing tells that it is not the only one')
  await Promise.all([a.start(), b.start()])
  await cluster.connected()
  const all = ['after the image', 'before', 'on the image 1', 'on the image 2', 'on the image 3']
  for (const node of cluster.nodes) {
    await eventually(`${node.name} has all`, async () => {
      const shown = await namesAt(node)
      return [...all, 'before.conflict-'].every((name) => shown.includes(name))
    })
  }
  await put(c, 'written together')
  await cluster.converged()
  const trees = await Promise.all(
    cluster.nodes.map(async (node) => {
      const folder = join(node.folder, 'got')
      await node.shoal('get', '/', folder)
      return { tree: await digestTree(folder), folder }
    }),
  )
  const [first = assert.fail(), ...others] = trees
  for (const { tree } of others) assertSameTree(tree, first.tree, 'all nodes')
  assert.equal(first.tree.size, all.length + 2, [...first.tree.keys()].join(' '))
  const contents = await Promise.all(
    [...first.tree.keys()]
      .filter((name) => name.startsWith('before'))
      .map((name) => readFile(join(first.folder, name), 'utf8')),
  )
  assert.deepEqual(contents.sort(), ['changed after the image', 'changed on the image'])
})

/** A small file of this name, in the root. */
async function put(node: TestNode, name: string, text: string = name): Promise<void> {
  const source = join(node.folder, name)
  await writeFile(source, text)
  await node.shoal('put', source, `/${name}`)
}

/** The bytes of all files of a home, by path. */
async function readImage(home: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const image = new Map<string, Uint8Array>()
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile()) image.set(path, await readFile(path))
  }
  return image
}

/**
 * Put them back where they were: a file keeps its inode, by which a home knows that it was not
 * copied.
 */
async function writeImage(home: string, image: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const path of (await readImage(home)).keys()) if (!image.has(path)) await rm(path)
  for (const [path, bytes] of image) {
    await truncate(path, 0).catch(() => undefined)
    await writeFile(path, bytes)
  }
}

async function namesAt(node: TestNode): Promise<string> {
  return node.ask(async (client) => {
    const names: string[] = []
    for await (const page of client.list('/')) names.push(...page.map(({ name }) => name))
    return names.join(' ')
  })
}
