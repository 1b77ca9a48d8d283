// kill -9 of a real node in the middle of a rollback, of a restore and of a clone: nothing is lost
// by it, and the command does the rest when it is given again.
import assert from 'node:assert/strict'
import { appendFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { openClient } from '../../node/control/client.ts'
import type { Client } from '../../node/control/client.ts'
import { hasCode } from '../../protocol/errors.ts'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'
import type { TreeDigest } from './trees.ts'

/** Longer than a millisecond, which is what times are told in. */
const PAUSE_MS = 50

async function now(): Promise<string> {
  await sleep(PAUSE_MS)
  const text = new Date().toISOString()
  await sleep(PAUSE_MS)
  return text
}

async function namesIn(client: Client, path: string): Promise<readonly string[]> {
  const names: string[] = []
  try {
    for await (const page of client.list(path)) names.push(...page.map(({ name }) => name))
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  return names
}

/** Kill the node as soon as a command has come so far, and start it again. */
async function killDuring(
  node: TestNode,
  words: readonly string[],
  isMidway: (client: Client) => Promise<boolean>,
): Promise<void> {
  const client = openClient({ home: node.home })
  try {
    const outcome = node.run(...words)
    while (!(await isMidway(client))) assert(node.isRunning)
    await node.kill('SIGKILL')
    const { code } = await outcome
    assert.notEqual(code, 0, `shoal ${words.join(' ')} was not over`)
  } finally {
    client.close()
  }
  await node.start()
}

async function treeAt(node: TestNode, path: string): Promise<TreeDigest> {
  const target = join(node.folder, 'got')
  await rm(target, { recursive: true, force: true })
  await node.shoal('get', path, target)
  return digestTree(target)
}

/** Bring a tree of so many files back, with a kill each time. */
export async function killWhileBringingBack(t: TestContext, files: number): Promise<void> {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, files)
  await node.shoal('put', source, '/tree')
  const first = await digestTree(source)
  await node.shoal('snapshot', 'create', 'good')
  const second = await edit(node, source, first)
  await t.test('a rollback', () => rollBack(node, first, second))
  await t.test('a restore of a folder', () => restore(node, first))
  await t.test('a clone, of which nothing is left', () => clone(node, first))
}

/** Files are changed, removed and made, and a folder is renamed. returns the tree after that. */
async function edit(node: TestNode, source: string, first: TreeDigest): Promise<TreeDigest> {
  for (const [path, digest] of first)
    if (digest.startsWith('file') && path.endsWith('1')) await appendFile(join(source, path), '!')
  await rm(join(source, 'folder 0'), { recursive: true })
  await rename(join(source, 'folder 1'), join(source, 'renamed'))
  await mkdir(join(source, 'new'))
  for (let at = 0; at < 50; at++) await writeFile(join(source, 'new', `${at}`), `new ${at}`)
  await node.shoal('rm', '-r', '/tree/folder 0')
  await node.shoal('mv', '/tree/folder 1', '/tree/renamed')
  await node.shoal('sync', source, ':/tree')
  const second = await digestTree(source)
  assertSameTree(await treeAt(node, '/tree'), second, 'the second state')
  return second
}

async function rollBack(node: TestNode, first: TreeDigest, second: TreeDigest): Promise<void> {
  const atSecond = await now()
  const rollback = ['snapshot', 'rollback', 'good', '/tree', '--yes']
  await killDuring(
    node,
    rollback,
    async (client) => (await namesIn(client, '/tree/folder 0')).length > 0,
  )
  // Of a folder that was renamed, the name that it has now counts.
  const renamed = (path: string): string => path.replace(/^renamed/, 'folder 1')
  const byNameNow = new Map([...second].map(([path, digest]) => [renamed(path), digest]))
  for (const [path, digest] of await treeAt(node, '/tree')) {
    const either = [first.get(renamed(path)), byNameNow.get(renamed(path))]
    assert.ok(either.includes(digest), `${path}: ${digest}`)
  }
  await node.shoal(...rollback)
  assertSameTree(await treeAt(node, '/tree'), first, 'rolled back')
  await node.shoal('restore', '/tree', '--at', atSecond, '--to', '/second')
  assertSameTree(await treeAt(node, '/second'), byNameNow, 'what was rolled back')
  await node.shoal('undelete', '/tree/new')
  assert.equal(await node.shoal('cat', '/tree/new/49'), 'new 49')
  await node.shoal('rm', '-r', '/tree/new')
}

async function restore(node: TestNode, first: TreeDigest): Promise<void> {
  const words = ['restore', '/tree', '--at', await now()]
  await node.shoal('rm', '-r', '/tree')
  await killDuring(node, words, async (client) => (await namesIn(client, '/tree')).length > 1)
  await node.shoal(...words)
  assertSameTree(await treeAt(node, '/tree'), first, 'restored')
}

async function clone(node: TestNode, first: TreeDigest): Promise<void> {
  const words = ['clone', '/tree', '/copy']
  await killDuring(node, words, async (client) => {
    const hidden = (await namesIn(client, '/')).find((name) => name.startsWith('.shoal-clone-'))
    return hidden !== undefined && (await namesIn(client, `/${hidden}`)).length > 1
  })
  const names = await node.ask((client) => namesIn(client, '/'))
  assert.deepEqual(names, ['second', 'tree'])
  assertSameTree(await treeAt(node, '/tree'), first, 'cloned')
  await node.shoal(...words)
  assertSameTree(await treeAt(node, '/copy'), first, 'the clone')
}
