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
  const [a] = cluster.nodes as [TestNode]
  const source = join(cluster.folder, 'source')
  await mkdir(source)
  await writeSmallTree(source, files)
  await a.shoal('put', source, '/tree')
  const first = await digestTree(source)
  await a.shoal('snapshot', 'create', 'good')

  for (const [path, digest] of first)
    if (digest.startsWith('file') && path.endsWith('1')) await appendFile(join(source, path), '!')
  await rm(join(source, 'folder 0'), { recursive: true })
  await rename(join(source, 'folder 1'), join(source, 'renamed'))
  await mkdir(join(source, 'new'))
  for (let at = 0; at < 50; at++) await writeFile(join(source, 'new', `${at}`), `new ${at}`)
  const second = await digestTree(source)
  await a.shoal('rm', '-r', '/tree/folder 0')
  await a.shoal('mv', '/tree/folder 1', '/tree/renamed')
  await a.shoal('sync', source, ':/tree')
  assertSameTree(await treeAt(a, '/tree'), second, 'the second state')
  const atSecond = await now()

  await t.test('a rollback', async () => {
    const rollback = ['snapshot', 'rollback', 'good', '/tree', '--yes']
    await killDuring(a, rollback, async (client) => {
      const back = await namesIn(client, '/tree/folder 0')
      return back.length > 0
    })
    // Of a folder that was renamed, the name that it has now counts.
    const renamed = (path: string): string => path.replace(/^renamed/, 'folder 1')
    const byNameNow = new Map([...second].map(([path, digest]) => [renamed(path), digest]))
    for (const [path, digest] of await treeAt(a, '/tree')) {
      const either = [first.get(renamed(path)), byNameNow.get(renamed(path))]
      assert.ok(either.includes(digest), `${path}: ${digest}`)
    }
    await a.shoal(...rollback)
    assertSameTree(await treeAt(a, '/tree'), first, 'rolled back')
    await a.shoal('restore', '/tree', '--at', atSecond, '--to', '/second')
    assertSameTree(await treeAt(a, '/second'), byNameNow, 'what was rolled back')
    await a.shoal('undelete', '/tree/new')
    assert.equal(await a.shoal('cat', '/tree/new/49'), 'new 49')
    await a.shoal('rm', '-r', '/tree/new')
  })

  await t.test('a restore of a folder', async () => {
    const atFirst = await now()
    await a.shoal('rm', '-r', '/tree')
    const restore = ['restore', '/tree', '--at', atFirst]
    await killDuring(a, restore, async (client) => (await namesIn(client, '/tree')).length > 1)
    await a.shoal(...restore)
    assertSameTree(await treeAt(a, '/tree'), first, 'restored')
  })

  await t.test('a clone, of which nothing is left', async () => {
    const clone = ['clone', '/tree', '/copy']
    await killDuring(a, clone, async (client) => {
      const hidden = (await namesIn(client, '/')).find((name) => name.startsWith('.shoal-clone-'))
      return hidden !== undefined && (await namesIn(client, `/${hidden}`)).length > 1
    })
    const names = await a.ask((client) => namesIn(client, '/'))
    assert.deepEqual(names, ['second', 'tree'])
    assertSameTree(await treeAt(a, '/tree'), first, 'cloned')
    await a.shoal(...clone)
    assertSameTree(await treeAt(a, '/copy'), first, 'the clone')
  })
}
