// Reads that wait for remote or offline data block no other calls.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, stat, unlink, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { mounted, skip, until } from './mounted.ts'
import type { ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'
import type { Mounted } from './mounted.ts'

const SLOW_FILES = 200
const OTHER_CALLS = 1000
/** Opens what it is given, says so, and reads a byte of each, all at a time. */
const READER = `
const { open } = require('node:fs/promises')
const files = process.argv.slice(1)
Promise.all(files.map((name) => open(name))).then(async (opened) => {
  process.stdout.write('open')
  const ends = await Promise.allSettled(opened.map((file) => file.read(Buffer.alloc(4096), 0, 4096, 0)))
  process.stdout.write(JSON.stringify(ends.map(({ reason }) => reason?.code ?? 'read')))
})`

/** Files of which nothing can be read until the gate opens. */
interface Slow {
  readonly names: readonly string[]
  readonly asked: () => number
  readonly open: () => void
}

function slowFiles({ fileSystem, at }: Mounted, count: number): Slow {
  const gate = Promise.withResolvers<void>()
  const inodes = new Set<number>()
  const names = Array.from({ length: count }, (_, number) => {
    inodes.add(fileSystem.putFile(`slow ${number}`, 'x'.repeat(100_000)))
    return at(`slow ${number}`)
  })
  let asked = 0
  const read = fileSystem.read.bind(fileSystem)
  fileSystem.read = async (handle, position, length, signal) => {
    const { inode } = fileSystem.handles.get(handle) ?? assert.fail('is open')
    if (inodes.has(inode.inode)) {
      asked++
      await gate.promise
    }
    return read(handle, position, length, signal)
  }
  return { names, asked: () => asked, open: gate.resolve }
}

function reader(t: TestContext, names: readonly string[]): ChildProcess {
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(names.length + 4) }
  const child = spawn(process.execPath, ['-e', READER, ...names], {
    cwd: '/',
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  return child
}

test(
  `${OTHER_CALLS} other calls succeed while ${SLOW_FILES} reads wait`,
  { skip, timeout: 120_000 },
  async (t) => {
    const mount = await mounted(t)
    const { at, folder, fileSystem } = mount
    const slow = slowFiles(mount, SLOW_FILES)
    t.after(slow.open)
    const child = reader(t, slow.names)
    await once(child.stdout ?? child, 'data')
    await until(() => slow.asked() >= SLOW_FILES)
    for (let call = 0; call < OTHER_CALLS / 5; call++) {
      fileSystem.putFile(`there ${call}`, `content ${call}`)
      assert.equal(await readFile(at(`there ${call}`), 'utf8'), `content ${call}`)
      await writeFile(at('own'), `own ${call}`)
      assert.equal((await stat(at('own'))).size, `own ${call}`.length)
      await unlink(at(`there ${call}`))
    }
    assert.ok((await readdir(folder)).includes('own'))
    slow.open()
    const [said] = (await once(child.stdout ?? child, 'data')) as [Buffer]
    assert.deepEqual(JSON.parse(said.toString()), Array(SLOW_FILES).fill('read'))
  },
)
