// The peculiarities of the driver by way of libfuse: a value that it cannot carry is refused and
// not changed, and the calls that libfuse makes for itself nobody else sees.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { open, readFile, readdir, rename, stat, unlink, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { mountFuseNative } from '../../node/mount/drivers/fuse-native/driver.ts'
import { lackOfFuseNative } from '../mount/drivers.ts'
import { MemoryFileSystem } from '../mount/memory-file-system.ts'
import { mounted, until } from '../mount/mounted.ts'
import type { TestContext } from 'node:test'
import type { Mounted } from '../mount/mounted.ts'
import { needAll } from './need.ts'

needAll(lackOfFuseNative())

const options = { timeout: 60_000 }
const BINDING = import.meta.resolve('../../node/mount/drivers/fuse-native/binding.ts')
const LOAD = `const { loadBinding } = await import(${JSON.stringify(BINDING)})
try { loadBinding() } catch ({ code, message }) { process.stdout.write(code + ': ' + message) }`
/** Makes the package missing. */
const WITHOUT = `import { registerHooks } from 'node:module'
registerHooks({ resolve(name, context, next) {
  if (name.startsWith('fuse-native')) throw new Error('there is none')
  return next(name, context)
} })
`

function mount(t: TestContext): Promise<Mounted> {
  return mounted(t, {}, mountFuseNative)
}

test('a name that is not UTF-8 is neither made nor listed', options, async (t) => {
  const { folder, fileSystem } = await mount(t)
  const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe])])
  await assert.rejects(writeFile(path, 'x'), { code: 'EINVAL' })
  assert.deepEqual(fileSystem.names, [])
  fileSystem.putFile('\xff', 'x')
  fileSystem.putFile('b', 'x')
  assert.deepEqual(await readdir(folder), ['b'])
})

test(
  'a change from elsewhere is seen before long, though nobody tells the kernel',
  options,
  async (t) => {
    const { at, folder, fileSystem } = await mount(t)
    fileSystem.putFile('a', 'old')
    assert.equal(await readFile(at('a'), 'utf8'), 'old')
    fileSystem.putFile('a', 'new, longer')
    fileSystem.putFile('b', 'x')
    assert.deepEqual(await readdir(folder), ['a', 'b'])
    await until(async () => (await readFile(at('a'), 'utf8')) === 'new, longer')
    await fileSystem.unlink(1, 'b')
    await until(() =>
      stat(at('b')).then(
        () => false,
        () => true,
      ),
    )
  },
)

test('a file that is removed while open is gone for everybody else', options, async (t) => {
  const { at, fileSystem } = await mount(t)
  await using file = await open(at('a'), 'w+')
  await file.write('kept')
  await unlink(at('a'))
  assert.deepEqual(fileSystem.names, [])
  assert.equal((await file.stat()).size, 4)
  await file.truncate(2)
  await writeFile(at('a'), 'another')
  const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0)
  assert.equal(buffer.toString(), 'ke')
  await file.close()
  assert.equal(await readFile(at('a'), 'utf8'), 'another')
})

test('only what is open is hidden by a name of libfuse: else it is renamed', options, async (t) => {
  const { at, fileSystem } = await mount(t)
  await writeFile(at('a'), 'x')
  const name = '.fuse_hidden0000000200000001'
  await until(() => fileSystem.handles.size === 0)
  await rename(at('a'), at(name))
  assert.deepEqual(fileSystem.names, [name])
  assert.equal(await readFile(at(name), 'utf8'), 'x')
})

test('without the package, and off the main thread, it says what to do', async () => {
  const hook = `data:text/javascript,${encodeURIComponent(WITHOUT)}`
  const child = spawn(process.execPath, ['--import', hook, '--input-type=module', '-e', LOAD], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  assert.match(await text(child.stdout), /^mount-failed: .*not installed: run "npm ci"/)
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(LOAD)}`), {
    stdout: true,
  })
  const said = text(thread.stdout)
  await once(thread, 'exit')
  assert.match(await said, /^mount-failed: .*main thread/)
})

test(
  'a file system that arbitrates locks is not mounted: they would hold here only',
  options,
  async () => {
    class Locking extends MemoryFileSystem {
      readonly locks = {
        test: () => Promise.resolve(undefined),
        set: () => Promise.resolve(true),
        closed: () => Promise.resolve(),
      }
    }
    await assert.rejects(mountFuseNative(new Locking(), '/nowhere', {}), { code: 'unsupported' })
  },
)
