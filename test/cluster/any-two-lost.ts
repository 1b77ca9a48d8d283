// The main job: six machines, class rs4+2, any two lost without a byte.
import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TestCluster, eventually } from './cluster.ts'
import type { TestContext } from 'node:test'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestFile, digestTree, writeRandomFile } from './trees.ts'
import type { TreeDigest } from './trees.ts'

/** Nobody reads it before a third machine is gone, so that no cache has it. */
const UNREAD = 'not read before 🐟.bin'
const UNREAD_MIB = 2
const MODULES = fileURLToPath(new URL('../../node_modules/@libp2p', import.meta.url))

/** The data that the machines are given. */
export interface Size {
  /** Folders of node_modules/@libp2p, an even number. */
  readonly packages: readonly string[]
  /** Files that these have at least. */
  readonly filesMin: number
  /** Length of one more file. */
  readonly bigMib: number
}

/** Six machines keep every byte when any two are killed, say so when a third is, and recover. */
export async function keepAllWithoutTwo(
  t: TestContext,
  { packages, filesMin, bigMib }: Size,
): Promise<void> {
  await using cluster = await TestCluster.start(6, { mounts: true })
  const [first, second, ...others] = cluster.nodes as [TestNode, TestNode, ...TestNode[]]
  const source = join(cluster.folder, 'tree')
  const unread = join(cluster.folder, UNREAD)
  await t.test('a tree and a big file are put in, half by a mount, half by put', async () => {
    await first.shoal('volume', 'set', 'main', 'class=rs4+2')
    await eventually(
      'the class is known at the second node',
      async () => (await second.volume()).class === 'rs4+2',
    )
    const copy = { recursive: true, verbatimSymlinks: true }
    for (const name of packages) await cp(join(MODULES, name), join(source, name), copy)
    await writeRandomFile(join(source, 'big file.bin'), bigMib)
    await writeRandomFile(unread, UNREAD_MIB)
    const half = packages.length / 2
    const tree = join(first.mountFolder, 'tree')
    for (const name of packages.slice(0, half)) await cp(join(source, name), join(tree, name), copy)
    const rest = [...packages.slice(half), 'big file.bin'].map((name) => join(source, name))
    await cluster.converged()
    await cluster.connected()
    await second.shoal('put', '--ack', 'placed', ...rest, '/tree')
    // All that this node wrote, through the mount too, is on its holders when one put with this ack
    // returns.
    await first.shoal('put', '--ack', 'placed', unread, '/')
    await cluster.converged()
  })
  const expected = await digestTree(source)
  const files = [...expected.values()].filter((what) => what.startsWith('file')).length
  assert(files >= filesMin, `${files} files`)

  await t.test('all stripes are full, and any two nodes may be lost', async () => {
    for (const node of cluster.nodes) {
      const { stripes, tolerates } = await node.volume()
      assert.deepEqual(
        { ...stripes, full: stripes.full > 0 },
        { full: true, degraded: 0, atRisk: 0, lost: 0 },
      )
      assert.equal(tolerates, 2)
    }
  })

  await first.kill('SIGKILL')
  await second.kill('SIGKILL')
  // Every survivor reads the tree, in turn through its mount and by command: both take the same way
  // below.
  for (const [n, node] of others.entries()) {
    const throughMount = n % 2 === 0
    const how = throughMount ? 'reads every file through its mount' : 'gets every file'
    await t.test(`with both writers dead, ${node.name} ${how}`, async () => {
      const read = throughMount ? digestTree(join(node.mountFolder, 'tree')) : getTree(node)
      assertSameTree(await read, expected, `${node.name} ${how}`)
    })
  }

  const [third, reader] = others as [TestNode, TestNode]
  const seen = join(reader.mountFolder, UNREAD)
  const got = join(reader.folder, UNREAD)
  await t.test(
    'with a third node dead, reads that need it fail with a clear error and the node stays up',
    async () => {
      await third.kill('SIGKILL')
      const { code, stderr } = await reader.run('get', `/${UNREAD}`, got)
      assert.equal(code, 1)
      assert.match(
        stderr,
        /read before 🐟\.bin: chunk \w+ of stripe \w+: 4 of its 6 shards are needed, no answer from n\d \(unreachable\)/,
      )
      await assert.rejects(digestFile(seen), { code: 'EIO' })
      assert(reader.isRunning)
      assert.equal((await reader.volume()).tolerates, 0)
      assert((await reader.volume()).stripes.lost > 0)
    },
  )

  await t.test('reads succeed again once the third node is back', async () => {
    await third.start({ mount: third.mountFolder })
    await cluster.connected()
    await reader.shoal('get', `/${UNREAD}`, got)
    for (const path of [got, seen]) assert.equal(await digestFile(path), await digestFile(unread))
    assertSameTree(await getTree(reader), expected, 'get after the return')
  })
}

async function getTree(node: TestNode): Promise<TreeDigest> {
  const target = await mkdtemp(join(node.folder, 'got-'))
  await node.shoal('get', '/tree', target)
  assert((await readdir(target)).length > 0)
  return digestTree(target)
}
