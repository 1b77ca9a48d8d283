// The mount of a real node, as programs use it, and how mounts end: by command, by signal, by kill
// -9.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  open,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestCluster, eventually, runShoal } from './cluster.ts'
import type { TestNode } from './cluster.ts'
import { assertSameTree, digestTree, writeSmallTree } from './trees.ts'

test('a mount behaves as programs expect of a file system', async (t) => {
  await using cluster = await TestCluster.start(1, { mounts: true })
  const [node] = cluster.nodes as [TestNode]
  const root = node.mountFolder
  const at = (name: string): string => join(root, name)

  await t.test('files are created, grown, truncated, appended to, and read in parts', async () => {
    await writeFile(at('a 🐟'), 'hello')
    await appendFile(at('a 🐟'), ' world')
    assert.equal(await readFile(at('a 🐟'), 'utf8'), 'hello world')
    await truncate(at('a 🐟'), 4)
    assert.equal(await readFile(at('a 🐟'), 'utf8'), 'hell')
    await truncate(at('a 🐟'), 3_000_000)
    const file = await open(at('a 🐟'), 'r+')
    try {
      await file.write('end', 2_999_997)
      const { buffer } = await file.read(Buffer.alloc(6), 0, 6, 2_999_994)
      assert.deepEqual(buffer, Buffer.from('\0\0\0end'))
    } finally {
      await file.close()
    }
    assert.equal((await stat(at('a 🐟'))).size, 3_000_000)
    await writeFile(at('empty'), '')
    assert.equal((await stat(at('empty'))).size, 0)
  })

  await t.test('mode and times are kept, at nanosecond resolution', async () => {
    await chmod(at('empty'), 0o640)
    await utimes(at('empty'), 1_000_000_000, 1_234_567_890.5)
    const { mode, mtimeMs } = await stat(at('empty'))
    assert.equal(mode & 0o7777, 0o640)
    assert.equal(mtimeMs, 1_234_567_890_500)
    const old = await node.json<{ modifiedNs: string }>('stat', '/empty')
    assert.equal(old.modifiedNs, '1234567890500000000')
  })

  await t.test('folders, symlinks and renames follow POSIX', async () => {
    await mkdir(at('x/y/z'), { recursive: true })
    await symlink('../a 🐟', at('x/link'))
    assert.equal(await readlink(at('x/link')), '../a 🐟')
    assert.equal((await stat(at('x/link'))).size, 3_000_000)
    assert((await lstat(at('x/link'))).isSymbolicLink())
    await assert.rejects(rmdir(at('x')), { code: 'ENOTEMPTY' })
    await assert.rejects(rename(at('x'), at('x/y/inside')), { code: 'EINVAL' })
    await assert.rejects(mkdir(at('x')), { code: 'EEXIST' })
    await assert.rejects(readFile(at('none')), { code: 'ENOENT' })
    await assert.rejects(writeFile(at('n'.repeat(256)), ''), { code: 'ENAMETOOLONG' })
    await writeFile(at('x/old'), 'old')
    await writeFile(at('x/new'), 'new')
    await rename(at('x/new'), at('x/old'))
    assert.equal(await readFile(at('x/old'), 'utf8'), 'new')
    await rename(at('x/y'), at('moved'))
    assert.deepEqual((await readdir(root)).sort(), ['a 🐟', 'empty', 'moved', 'x'])
  })

  await t.test('an open file stays readable and writable after it is unlinked', async () => {
    const file = await open(at('x/old'), 'r+')
    try {
      await unlink(at('x/old'))
      await file.write('!', 3)
      assert.equal((await file.readFile('utf8')).toString(), 'new!')
    } finally {
      await file.close()
    }
    assert(!(await readdir(at('x'))).includes('old'))
  })

  await t.test('writes through the mount show in the command, and the reverse', async () => {
    await node.shoal('put', join(import.meta.dirname, 'cluster.ts'), '/x/put')
    assert.equal(
      await readFile(at('x/put'), 'utf8'),
      await readFile(join(import.meta.dirname, 'cluster.ts'), 'utf8'),
    )
    await writeFile(at('x/put'), 'changed')
    assert.equal(await node.shoal('cat', '/x/put'), 'changed')
    await node.shoal('rm', '-r', '/x')
    await eventually('the kernel is told', async () => !(await readdir(root)).includes('x'))
  })

  await t.test('put of what holds the home and the mount leaves these out', async () => {
    const put = await node.run('put', node.folder, '/copy')
    assert.equal(put.code, 0)
    assert.match(put.stderr, /\/home is left out: the home of this node, with its keys/)
    assert.match(put.stderr, /\/mount is left out: a mount of this node/)
    assert.deepEqual(await readdir(at('copy')), [])
    const again = await node.run('put', root, '/copy')
    assert.match(again.stderr, /cannot be copied: it is in a mount of this node already/)
    await rmdir(at('copy'))
  })

  await t.test('and the home and the mount of another node', async () => {
    const other = cluster.node('other')
    await other.start({ mount: other.mountFolder })
    await writeFile(join(other.folder, 'file'), 'x')
    const around = other.folder
    const copied = await node.run('put', '--no-one-file-system', around, '/around')
    assert.equal(copied.code, 0)
    assert.deepEqual(copied.stderr.split('\n').sort(), [
      '',
      `warning: ${other.home} is left out: the home of a node, with its keys`,
      `warning: ${other.mountFolder} is left out: a mount of Shoal, which has it already`,
    ])
    assert.equal(await node.shoal('ls', '/around'), 'file\n')
    const refused = await node.run('put', other.mountFolder, '/other')
    assert.match(refused.stderr, /cannot be copied: it is in a mount of Shoal/)
    await other.kill('SIGTERM')
  })

  await t.test(
    'a folder too large for one reply lists completely, and rm -r removes it',
    async () => {
      const names = Array.from({ length: 300 }, (_, n) => `${n}-`.padEnd(200, 'long '))
      await mkdir(at('many'))
      for (const name of names) await writeFile(at(`many/${name}`), '')
      assert.deepEqual((await readdir(at('many'))).sort(), names.sort())
      await rm(at('many'), { recursive: true })
      assert((await statfs(root)).bfree > 0)
    },
  )

  await t.test('a mount ends by command, by signal and by kill -9, and can be mounted again', () =>
    endMounts(node),
  )
})

async function endMounts(node: TestNode): Promise<void> {
  const other = join(node.folder, 'another mount')
  await writeSmallTree(node.mountFolder, 20)
  const expected = await digestTree(node.mountFolder)

  await node.shoal('mount', other)
  assertSameTree(await digestTree(other), expected, 'the second mount')
  assert.equal((await node.status()).mounts.length, 2)
  const again = await node.run('mount', other)
  assert.match(again.stderr, /another mount.* mount/)
  assert.equal(again.code, 1)
  await node.shoal('unmount', other)
  assert.deepEqual(await readdir(other), [])

  const user = spawn('sleep', ['600'], { cwd: node.mountFolder, stdio: 'ignore' })
  const ended = once(user, 'exit')
  try {
    await once(user, 'spawn')
    const busy = await node.run('unmount', node.mountFolder)
    assert.match(busy.stderr, /busy|in use/)
    assert.equal(busy.code, 1)
  } finally {
    user.kill('SIGKILL')
    await ended
  }

  await node.kill('SIGTERM')
  assert.equal(await isMounted(node.mountFolder), false, 'after SIGTERM')
  await node.start({ mount: node.mountFolder })
  await node.kill('SIGINT')
  assert.equal(await isMounted(node.mountFolder), false, 'after Ctrl-C')
  await node.start({ mount: node.mountFolder })
  await node.kill('SIGKILL')
  await assert.rejects(readdir(node.mountFolder), { code: 'ENOTCONN' })
  await assert.rejects(writeFile(join(node.mountFolder, 'local'), ''), { code: 'ENOTCONN' })
  await node.start({ mount: node.mountFolder })
  assertSameTree(await digestTree(node.mountFolder), expected, 'the mount after kill -9')

  await node.kill('SIGTERM')
  await writeFile(join(node.mountFolder, 'in the way'), '')
  await node.start({ mount: node.mountFolder })
  assert.match(node.output, /warning: the node runs, but without its mount: .* is not empty/)
  assert.equal((await node.status()).mounts.length, 0)
  await node.kill('SIGTERM')
  const { stderr, code } = await runShoal([
    '--home',
    node.home,
    'up',
    '--detach',
    '--no-mdns',
    '--mount',
    node.mountFolder,
  ])
  assert.match(stderr, /^warning: the node runs, but without its mount: .* is not empty/)
  assert.equal(code, 0)
  await node.shoal('down')
}

async function isMounted(folder: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8')
  return mounts.split('\n').some((line) => line.split(' ')[4] === folder)
}
