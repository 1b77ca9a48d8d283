// The view through a mount, by its options: part of a volume, as one owner's, read-only, over an
// existing folder.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { emptyFolder, until } from '../mount/mounted.ts'
import { TestCluster } from './cluster.ts'
import type { TestNode } from './cluster.ts'

test('a mount follows its options', async (t) => {
  await using cluster = await TestCluster.start(1)
  const [node] = cluster.nodes as [TestNode]
  const folder = join(node.folder, 'a mount 🐟')
  await node.shoal('mkdir', '-p', '/photos/2026 ☀')
  await node.shoal('mkdir', '/other')

  await t.test('--subdir shows one folder of the volume, and new files go there', async () => {
    await node.shoal('mount', '--subdir', '/photos/2026 ☀', folder)
    await writeFile(join(folder, 'one.jpg'), 'one')
    assert.deepEqual(await readdir(folder), ['one.jpg'])
    assert.equal(await node.shoal('cat', '/photos/2026 ☀/one.jpg'), 'one')
    await node.shoal('mkdir', '/photos/2026 ☀/new')
    assert.deepEqual((await readdir(folder)).sort(), ['new', 'one.jpg'])
    await node.shoal('unmount', folder)
  })

  await t.test('--uid, --gid and --umask show one owner, with fewer permissions', async () => {
    await node.shoal('mount', '--uid', '1234', '--gid', '99', '--umask', '027', folder)
    await writeFile(join(folder, 'mine'), '')
    await chmod(join(folder, 'mine'), 0o777)
    const { uid, gid, mode } = await stat(join(folder, 'mine'))
    assert.deepEqual([uid, gid, mode & 0o777], [1234, 99, 0o750])
    const root = await stat(folder)
    assert.deepEqual([root.uid, root.gid, root.mode & 0o777], [1234, 99, 0o750])
    await chown(join(folder, 'mine'), 1234, 99)
    await assert.rejects(chown(join(folder, 'mine'), 1, 99), { code: 'EPERM' })
    await node.shoal('unmount', folder)
  })

  await t.test('permission bits hidden by --umask are not changed', async () => {
    const whole = `${folder} as it is`
    await node.shoal('mount', whole)
    await node.shoal('mount', '--umask', '077', folder)
    await writeFile(join(whole, 'script'), '', { mode: 0o644 })
    await chmod(join(whole, 'script'), 0o644)
    await until(async () => (await readdir(folder)).includes('script'))
    const modes = async (): Promise<string[]> => {
      const both = [folder, whole].map((mount) => stat(join(mount, 'script')))
      return (await Promise.all(both)).map(({ mode }) => (mode & 0o777).toString(8))
    }
    assert.deepEqual(await modes(), ['600', '644'])
    await chmod(join(folder, 'script'), 0o700)
    await until(async () => (await modes())[1] !== '644')
    assert.deepEqual(await modes(), ['700', '744'])
    await rm(join(folder, 'script'))
    await node.shoal('unmount', folder)
    await node.shoal('unmount', whole)
  })

  await t.test('a --read-only mount refuses changes with EROFS', async () => {
    await node.shoal('mount', '--read-only', folder)
    await assert.rejects(writeFile(join(folder, 'mine'), 'x'), { code: 'EROFS' })
    await assert.rejects(mkdir(join(folder, 'dir')), { code: 'EROFS' })
    assert.equal(await readFile(join(folder, 'photos/2026 ☀/one.jpg'), 'utf8'), 'one')
    await node.shoal('unmount', folder)
  })

  await t.test(
    'a non-empty folder is mounted over only with --non-empty, and is back afterwards',
    async () => {
      await writeFile(join(folder, 'hidden'), 'local')
      const { code, stderr } = await node.run('mount', folder)
      assert.equal(code, 1)
      assert.match(stderr, /not empty.*--non-empty/s)
      await node.shoal('mount', '--non-empty', folder)
      assert.deepEqual((await readdir(folder)).sort(), ['mine', 'other', 'photos'])
      await node.shoal('unmount', folder)
      assert.deepEqual(await readdir(folder), ['hidden'])
    },
  )

  await t.test('invalid options are refused by name', async () => {
    for (const [words, message] of [
      [['--subdir', '/none'], /\/none: no such file or folder/],
      [['--subdir', '/mine'], /\/mine is not a folder/],
      [['--subdir', 'other:/x'], /--volume/],
      [['--umask', '8'], /octal/],
      [['--uid', '-1'], /whole number/],
    ] as const) {
      const { code, stderr } = await node.run('mount', ...words, join(node.folder, 'm'))
      assert.notEqual(code, 0)
      assert.match(stderr, message)
    }
  })
})

test('mount.shoal follows mount(8): it starts the node if needed, and mounts', async () => {
  await using cluster = await TestCluster.create()
  const node = cluster.node('a node')
  await node.run('init')
  const folder = join(node.folder, 'from fstab')
  const helper = (...words: readonly string[]): Promise<number | null> =>
    exitCodeOf(join(import.meta.dirname, '../../cli/mount.shoal'), [node.home, folder, ...words])
  try {
    assert.equal(await helper('-o', 'rw,cache=big'), 1)
    assert.equal(await helper('-o', 'rw,_netdev,nofail,umask=077'), 0)
    await writeFile(join(folder, 'a file'), 'x')
    assert.equal((await stat(join(folder, 'a file'))).mode & 0o777, 0o600)
    await node.shoal('unmount', folder)
    assert.equal(await helper('-n', '-o', 'ro,x-systemd.automount', '-t', 'shoal'), 0)
    await assert.rejects(writeFile(join(folder, 'other'), ''), { code: 'EROFS' })
    assert.equal(await helper(), 32, 'it is mounted already')
    await node.shoal('unmount', folder)
    // What mount(8) makes of "user".
    assert.equal(await helper('-o', 'rw,noexec,nosuid,nodev,user'), 0)
    await writeFile(join(folder, 'program'), '#!/bin/sh', { mode: 0o755 })
    await assert.rejects(exitCodeOf(join(folder, 'program'), []), { code: 'EACCES' })
  } finally {
    await node.run('down')
  }
})

test('mount.shoal does not create a missing home', async (t) => {
  const parent = await emptyFolder(t)
  const home = join(parent, 'mistyped')
  const words = [home, join(parent, 'folder')]
  assert.equal(await exitCodeOf(join(import.meta.dirname, '../../cli/mount.shoal'), words), 32)
  assert.deepEqual(await readdir(parent), [])
})

async function exitCodeOf(program: string, words: readonly string[]): Promise<number | null> {
  const child = spawn(program, words, { stdio: 'ignore' })
  const [code] = (await once(child, 'close')) as [number | null]
  return code
}
