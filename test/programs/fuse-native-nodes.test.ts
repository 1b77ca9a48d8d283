// A node that mounts by fuse-native beside one that mounts by the kernel's protocol: each sees what
// the other writes; and how that mount ends: by command, by signal, by kill -9.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { mountAt } from '../../node/mount/drivers/mount-table.ts'
import { lackOfFuseNative } from '../mount/drivers.ts'
import { run } from '../mount/mounted.ts'
import { TestCluster, eventually } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from '../cluster/trees.ts'
import { needAll } from './need.ts'

needAll(lackOfFuseNative())

const options = { timeout: 300_000 }
const driver = 'fuse-native'

test(
  'what is written by one driver is seen by the other, in both directions',
  options,
  async () => {
    await using cluster = await TestCluster.create()
    const [one, other] = [cluster.node('n1'), cluster.node('n2')] as const
    await one.start({ mount: one.mountFolder, driver })
    await other.start({ mount: other.mountFolder, ticket: await one.invite() })
    await cluster.connected()
    const [here, there] = [one.mountFolder, other.mountFolder]

    await writeSmallTree(join(here, 'tree'), 50)
    await cluster.converged()
    const expected = await digestTree(join(here, 'tree'))
    assertSameTree(await digestTree(join(there, 'tree')), expected, 'the tree by the kernel')

    await rm(join(there, 'tree'), { recursive: true })
    await writeFile(join(there, 'mine'), 'first')
    await eventually('it is seen', async () => (await readdir(here)).join() === 'mine')
    assert.equal(await readFile(join(here, 'mine'), 'utf8'), 'first')
    await writeFile(join(there, 'mine'), 'second, longer')
    await rename(join(there, 'mine'), join(there, 'ours'))
    await eventually(
      'the new content is seen by the new name',
      async () => (await textOf(join(here, 'ours'))) === 'second, longer',
    )
    await eventually('the old name is gone', async () => (await textOf(join(here, 'mine'))) === '')

    await run('dd', 'if=/dev/urandom', `of=${join(here, 'big')}`, 'bs=1M', 'count=20', 'conv=fsync')
    await run('touch', '-d', '@1000000.25', join(here, 'big'))
    await cluster.converged()
    await run('cmp', join(here, 'big'), join(there, 'big'))
    assert.equal((await stat(join(there, 'big'))).mtimeMs, 1_000_000_250)
  },
)

test('times and modes survive being copied in', options, async () => {
  await using cluster = await TestCluster.create()
  const node = cluster.node('n1')
  await node.start({ mount: node.mountFolder, driver })
  const source = join(node.folder, 'source')
  await writeSmallTree(source, 30)
  await run('find', source, '-exec', 'touch', '-d', '@1000000000.125', '{}', '+')
  await run('cp', '-a', source, join(node.mountFolder, 'copy'))
  const asListed = ['-printf', '%P %y %m %s %T@\\n']
  const listed = async (folder: string): Promise<string[]> =>
    (await run('find', folder, '-not', '-type', 'd', ...asListed)).split('\n').toSorted()
  assert.deepEqual(await listed(join(node.mountFolder, 'copy')), await listed(source))
  assert.equal(await run('diff', '-r', source, join(node.mountFolder, 'copy')), '')
})

test(
  'the mount ends by command, by signal and by kill -9, and can be made again',
  options,
  async () => {
    await using cluster = await TestCluster.create()
    const node = cluster.node('n1')
    const folder = node.mountFolder
    const mount = { mount: folder, driver }
    await node.start(mount)
    assert.equal(mountAt(folder)?.type, 'fuse.shoal')
    await writeFile(join(folder, 'kept'), 'x')

    const user = spawn('sleep', ['600'], { cwd: folder, stdio: 'ignore' })
    try {
      await once(user, 'spawn')
      const busy = await node.run('unmount', folder)
      assert.match(busy.stderr, /busy|in use/)
      assert.equal(busy.code, 1)
      await node.shoal('unmount', '--force', folder)
      assert.equal(mountAt(folder), undefined)
    } finally {
      user.kill('SIGKILL')
      await once(user, 'exit')
    }

    await node.shoal('mount', '--driver', driver, folder)
    await exited(node, 'SIGTERM')
    assert.equal(mountAt(folder), undefined)
    await node.start(mount)
    assert.deepEqual(await readdir(folder), ['kept'])
    await node.kill('SIGKILL')
    await node.start(mount)
    assert.deepEqual(await readdir(folder), ['kept'])
    await node.kill('SIGKILL')
    await eventually('it goes by itself', async () => mountAt(folder) === undefined)
    await node.start({ mount: folder })
    assert.deepEqual(await readdir(folder), ['kept'])
  },
)

async function exited(node: TestNode, signal: NodeJS.Signals): Promise<void> {
  assert.equal(await node.kill(signal), 0, node.output)
}

/** '' if there is none. */
async function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
