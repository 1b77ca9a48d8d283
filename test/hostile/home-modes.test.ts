// Another user of the machine must have nothing of a home: its index holds the keys of volumes.
import assert from 'node:assert/strict'
import { chmod, chown, lstat, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { closeHome } from '../../node/world/closed-home.ts'
import { TestCluster } from '../cluster/cluster.ts'
import type { TestNode } from '../cluster/cluster.ts'
import { STRANGER, readBy } from '../mount/someone.ts'

const AS_ROOT = { skip: process.geteuid?.() === 0 ? false : 'needs root' }

/** Paths that others have a permission of, of a folder and all below. */
async function openBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const open: string[] = []
  for (const path of [folder, ...entries.map(({ parentPath, name }) => join(parentPath, name))]) {
    // Undefined: the node has removed it meanwhile.
    const { mode = 0 } = (await lstat(path).catch(() => undefined)) ?? {}
    if ((mode & 0o077) !== 0) open.push(`${(mode & 0o7777).toString(8)} ${path}`)
  }
  return open
}

let cluster: TestCluster
let node: TestNode

before(async () => {
  cluster = await TestCluster.start(2)
  ;[node] = cluster.nodes as [TestNode, TestNode]
  // Let others pass to the home: what guards it must be the home itself.
  await chmod(cluster.folder, 0o755)
  await chmod(node.folder, 0o755)
})
after(() => cluster[Symbol.asyncDispose]())

test('no file of a running node has permissions for others', async () => {
  await writeFile(join(node.folder, 'large'), new Uint8Array(5_000_000).fill(7))
  await node.shoal('put', '--ack', 'placed', join(node.folder, 'large'), '/')
  assert.deepEqual(await openBelow(node.home), [])
})

test(
  'a home that is open is closed before anything is done in it, and that is said',
  AS_ROOT,
  async () => {
    await node.kill('SIGTERM')
    await chmod(node.home, 0o755)
    for (const name of ['index', 'network', 'segments', 'logs', 'config.yaml'])
      await chmod(join(node.home, name), 0o755)
    await node.start()
    const log = (await readdir(join(node.home, 'index'))).find((name) => name.endsWith('.log'))
    assert(log !== undefined)
    for (const path of [join('index', log), 'config.yaml', 'logs/security.log'])
      assert.equal(readBy(STRANGER, join(node.home, path)), undefined, path)
    const { stdout } = await node.run('events', '--security')
    assert.match(stdout, /home-mended .*index.*open to other users/)
    await node.kill('SIGTERM')
    await node.start()
    assert.equal((await node.shoal('events', '--security')).split('home-mended').length, 2, 'once')
    assert.deepEqual(await openBelow(node.home), [])
  },
)

test('a home that somebody else can put another in the place of is refused', AS_ROOT, async () => {
  await node.kill('SIGTERM')
  const index = join(node.home, 'index')
  const refused = async (message: RegExp, undo: () => Promise<void>): Promise<void> => {
    await assert.rejects(closeHome(node.home), { code: 'EPERM', message })
    await undo()
  }
  await chown(node.home, STRANGER.uid, STRANGER.gid)
  const { code, stderr } = await node.run('up', '--detach')
  if (code === 0) await node.shoal('down')
  assert.deepEqual([code, /belongs to user 12345/.test(stderr)], [1, true], stderr)
  await refused(/belongs to user 12345/, () => chown(node.home, 0, 0))
  await chown(index, STRANGER.uid, STRANGER.gid)
  await refused(/index belongs to user 12345/, () => chown(index, 0, 0))
  await chmod(node.folder, 0o777)
  await refused(/writable by them.*chmod go-w/, () => chmod(node.folder, 0o755))
  await chown(node.folder, STRANGER.uid, STRANGER.gid)
  await refused(/belongs to user 12345/, () => chown(node.folder, 0, 0))
  const theirs = join(cluster.folder, 'theirs')
  await mkdir(theirs)
  await chown(theirs, STRANGER.uid, STRANGER.gid)
  await rename(index, `${index}.away`)
  await symlink(theirs, index)
  await refused(/index belongs to user 12345/, () => Promise.resolve())
})
