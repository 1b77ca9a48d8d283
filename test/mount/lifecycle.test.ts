// How mounts begin and end, and what of a file system the kernel may keep meanwhile.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import {
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { rootMounter } from '../../node/mount/drivers/kernel/mount-process.ts'
import { MOUNT_TYPE, parseMountInfo } from '../../node/world/mount-info.ts'
import { mountAt, parseMountList } from '../../node/mount/drivers/mount-table.ts'
import { startWatchdog } from '../../node/mount/drivers/watchdog.ts'
import { behaves } from './drivers.ts'
import { MemoryFileSystem } from './memory-file-system.ts'
import { emptyFolder, mounted, run, skip, until } from './mounted.ts'
import type { ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'
import type { DriverName } from '../../node/control/mounts.ts'

const TIMEOUT_MS = 30_000
const SERVE = fileURLToPath(import.meta.resolve('./serve.ts'))
const options = { skip, timeout: TIMEOUT_MS }

/** A child that serves a mount at `folder`. */
async function serving(
  t: TestContext,
  driver: DriverName,
  folder: string,
  stderr: 'inherit' | 'ignore' = 'inherit',
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [SERVE, folder, driver], {
    stdio: ['pipe', 'pipe', stderr],
  })
  t.after(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout, 'data')) as [Buffer]
  assert.equal(said.toString(), 'ready')
  return child
}

behaves(
  'a missing folder is created, and ended tells when the mount is gone',
  async (mounted, t) => {
    const folder = join(await emptyFolder(t), 'not/yet there')
    const mount = await mounted.mounter(new MemoryFileSystem(), folder, {})
    assert.equal(mount.folder, folder)
    assert.equal(mountAt(folder)?.type, 'fuse.shoal')
    await writeFile(join(folder, 'a'), 'x')
    await mount.unmount()
    await mount.ended
    await mount.unmount()
    assert.equal(mountAt(folder), undefined)
    assert.deepEqual(await readdir(folder), [])
  },
)

behaves('an outer umount ends the mount too', async (mounted) => {
  const { mount, folder, fileSystem } = await mounted()
  await writeFile(join(folder, 'a'), 'x')
  await run('umount', folder)
  await mount.ended
  assert.equal(fileSystem.handles.size, 0)
})

behaves(
  'a non-empty folder, a file and a mount are refused as mount points',
  async (mounted, t) => {
    const folder = await emptyFolder(t)
    await mkdir(join(folder, 'full/x'), { recursive: true })
    await writeFile(join(folder, 'file'), '')
    const attempt = (name: string): Promise<unknown> =>
      mounted.mounter(new MemoryFileSystem(), join(folder, name), {})
    await assert.rejects(attempt('full'), { code: 'mount-failed', message: /not empty/ })
    await assert.rejects(attempt('file'), { code: 'mount-failed', message: /not a folder/ })
    await assert.rejects(attempt('file/below'), { code: 'mount-failed', message: /not a folder/ })
    const { folder: there } = await mounted()
    await assert.rejects(mounted.mounter(new MemoryFileSystem(), there, {}), { code: 'EBUSY' })
  },
)

behaves('a busy mount is unmounted only by force, which fails open files', async (mounted, t) => {
  const { mount, at, fileSystem } = await mounted()
  const script =
    'exec 3>"$0"; echo open; read -r _; echo written >&3; echo $?; read -r _; echo more >&3 || echo failed'
  const user = spawn('sh', ['-c', script, at('a')], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.after(() => user.kill('SIGKILL'))
  const said = async (): Promise<string> => String(await once(user.stdout, 'data'))
  assert.equal(await said(), 'open\n')
  const message = new RegExp(`in use by .*sh \\(process ${user.pid}\\).*--force`)
  await assert.rejects(mount.unmount(), { code: 'EBUSY', message })
  user.stdin.write('\n')
  assert.equal(await said(), '0\n')
  await mount.unmount({ force: true })
  assert.equal(fileSystem.handles.size, 0)
  user.stdin.write('\n')
  assert.equal(await said(), 'failed\n')
})

behaves('force ends a mount whose file system does not answer', async (mounted) => {
  const { mount, at, fileSystem } = await mounted()
  const gate = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  fileSystem.before = () => {
    asked.resolve()
    return gate.promise
  }
  const waiting = stat(at('a'))
  waiting.catch(() => undefined)
  await asked.promise
  const unmounted = mount.unmount({ force: true })
  await assert.rejects(waiting)
  gate.resolve()
  await unmounted
})

behaves('a dead mount is taken over', async (mounted, t) => {
  const folder = await emptyFolder(t)
  const settings = { name: 'shoal', readOnly: false, allowOther: true }
  for (let layer = 0; layer < 2; layer++) closeSync(await rootMounter.mount(folder, settings))
  await assert.rejects(readdir(folder), { code: 'ENOTCONN' })
  await using mount = await mounted.mounter(new MemoryFileSystem(), folder, {})
  await writeFile(join(mount.folder, 'a'), 'x')
  assert.deepEqual(await readdir(folder), ['a'])
})

behaves('the mount of a killed process can be taken over at once', async (mounted, t) => {
  const folder = await emptyFolder(t)
  const child = await serving(t, mounted.driver, folder)
  assert.equal(await readFile(join(folder, 'mine'), 'utf8'), 'content')
  const closed = once(child, 'exit')
  child.kill('SIGKILL')
  await closed
  await using mount = await mounted.mounter(new MemoryFileSystem(), folder, {})
  assert.deepEqual(await readdir(mount.folder), [])
})

for (const how of ['is killed', 'fails'] as const) {
  behaves(`the mount of a process that ${how} stays, and answers nothing`, async (mounted, t) => {
    const folder = await emptyFolder(t)
    const child = await serving(t, mounted.driver, folder, how === 'fails' ? 'ignore' : 'inherit')
    const closed = once(child, 'exit')
    if (how === 'is killed') child.kill('SIGKILL')
    else child.stdin?.write('fail\n')
    await closed
    await assert.rejects(readdir(folder), { code: 'ENOTCONN' })
    await assert.rejects(writeFile(join(folder, 'local'), ''), { code: 'ENOTCONN' })
    assert.equal(mountAt(folder)?.type, MOUNT_TYPE)
    await run('umount', folder)
    assert.deepEqual(await readdir(folder), [])
  })
}

behaves('an unmount that a killed process had begun is finished', async (_mounted, t) => {
  const folder = await emptyFolder(t)
  const settings = { name: 'shoal', readOnly: false, allowOther: true }
  const descriptor = await rootMounter.mount(folder, settings)
  const watchdog = startWatchdog(folder, rootMounter.unmountCommand(folder, true))
  watchdog.unmounting()
  closeSync(descriptor)
  watchdog.letGo()
  await until(() => mountAt(folder) === undefined)
})

behaves('exit() unmounts, without delay', async (mounted, t) => {
  const folder = await emptyFolder(t)
  const child = await serving(t, mounted.driver, folder)
  child.stdin?.write('exit\n')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.equal(mountAt(folder), undefined)
})

behaves('two mounts serve side by side', async (mounted) => {
  const [one, other] = [await mounted(), await mounted()]
  await Promise.all([writeFile(one.at('a'), '1'), writeFile(other.at('a'), '2')])
  assert.equal(await readFile(one.at('a'), 'utf8'), '1')
  assert.equal(await readFile(other.at('a'), 'utf8'), '2')
  await one.mount.unmount()
  assert.equal(await readFile(other.at('a'), 'utf8'), '2')
  await rm(other.at('a'))
})

test('content changed elsewhere shows once the kernel is told, not before', options, async (t) => {
  const { at, mount, fileSystem } = await mounted(t)
  const inode = fileSystem.putFile('a', 'old')
  await using reader = await open(at('a'))
  const read = async (): Promise<string> => {
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(100), 0, 100, 0)
    return buffer.toString('utf8', 0, bytesRead)
  }
  assert.equal(await read(), 'old')
  fileSystem.putFile('a', 'new')
  assert.equal(await readFile(at('a'), 'utf8'), 'old')
  mount.invalidator.inode(inode)
  await until(async () => (await read()) === 'new')
  fileSystem.putFile('a', 'much longer')
  mount.invalidator.inode(inode)
  await until(async () => (await read()) === 'much longer')
  assert.equal((await stat(at('a'))).size, 11)
})

test('a file that grew elsewhere never shows old content with the new size', options, async (t) => {
  const { at, fileSystem } = await mounted(t, { attributeTimeoutMs: 0 })
  fileSystem.putFile('a', 'old')
  assert.equal(await readFile(at('a'), 'utf8'), 'old')
  fileSystem.putFile('a', 'new, longer')
  assert.equal(await readFile(at('a'), 'utf8'), 'new, longer')
})

test('names added and removed elsewhere show once the kernel is told', options, async (t) => {
  const { at, folder, mount, fileSystem } = await mounted(t)
  await assert.rejects(stat(at('b')), { code: 'ENOENT' })
  assert.deepEqual(await readdir(folder), [])
  fileSystem.putFile('b', 'x')
  await assert.rejects(stat(at('b')), { code: 'ENOENT' })
  assert.deepEqual(await readdir(folder), [])
  mount.invalidator.entry(1, 'b')
  await until(async () => (await readdir(folder)).length === 1)
  assert.equal(await readFile(at('b'), 'utf8'), 'x')
  await fileSystem.unlink(1, 'b')
  mount.invalidator.entry(1, 'b')
  await until(async () => (await readdir(folder)).length === 0)
  await assert.rejects(stat(at('b')), { code: 'ENOENT' })
})

test(
  'a lookup reply in flight is not cached when its name changes meanwhile',
  options,
  async (t) => {
    const { at, mount, fileSystem } = await mounted(t)
    await assert.rejects(stat(at('other')), { code: 'ENOENT' })
    const gate = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    const lookup = fileSystem.lookup.bind(fileSystem)
    fileSystem.lookup = async (parent, name) => {
      const found = await lookup(parent, name)
      asked.resolve()
      await gate.promise
      return found
    }
    const absent = stat(at('a'))
    await asked.promise
    fileSystem.putFile('a', 'x')
    mount.invalidator.entry(1, 'a')
    gate.resolve()
    await assert.rejects(absent, { code: 'ENOENT' })
    await until(() =>
      stat(at('a')).then(
        () => true,
        () => false,
      ),
    )
  },
)

test(
  'notifications during a storm of requests for the same names block nothing',
  options,
  async (t) => {
    const { at, folder, mount, fileSystem } = await mounted(t)
    fileSystem.before = () => {
      for (let index = 0; index < 4; index++) mount.invalidator.entry(1, `f${index}`)
      for (const inode of fileSystem.inodes.keys()) mount.invalidator.inode(inode)
      return new Promise(setImmediate)
    }
    const client = async (name: string): Promise<void> => {
      for (let round = 0; round < 40; round++) {
        await writeFile(at(name), 'x')
        await Promise.all([readFile(at(name)), stat(at(name)), readdir(folder)])
        await rename(at(name), at(`${name}'`))
        await unlink(at(`${name}'`))
      }
    }
    await Promise.all(['f0', 'f1', 'f2', 'f3'].map(client))
    assert.deepEqual(fileSystem.names, [])
  },
)

test('mountinfo is parsed with folders as byte strings', () => {
  const lines = [
    String.raw`36 35 0:57 / /mnt/a\040b\134 rw,nosuid - fuse.shoal shoal rw,user_id=0`,
    '37 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw',
  ]
  assert.deepEqual(parseMountInfo(lines.join('\n')), [
    { device: '0:57', folder: '/mnt/a b\\', type: 'fuse.shoal' },
    { device: '98:0', folder: '/mnt2', type: 'ext3' },
  ])
})

test('the mount list of macOS is parsed, with Shoal mounts recognized', () => {
  const lines = [
    '/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)',
    'shoal@macfuse0 on /Users/a b/Shoal (macfuse, nodev, nosuid, synchronous, mounted by a)',
  ]
  assert.deepEqual(parseMountList(lines.join('\n')), [
    { device: '/dev/disk3s1s1', folder: '/', type: 'apfs' },
    { device: 'shoal@macfuse0', folder: '/Users/a b/Shoal', type: 'fuse.shoal' },
  ])
})
