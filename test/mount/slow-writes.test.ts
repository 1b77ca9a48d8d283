// Writes that wait for remote or offline data block no other calls.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { mounted, skip, until } from './mounted.ts'
import type { TestContext } from 'node:test'
import type { Mounted } from './mounted.ts'

const WRITERS = 40
/**
 * Opens what it is given, and writes to each, all at a time; the last page in part. Says how each
 * ended.
 */
const WRITER = `
const { open } = require('node:fs/promises')
const files = process.argv.slice(1)
Promise.all(files.map((name) => open(name, 'r+'))).then(async (opened) => {
  const ends = await Promise.allSettled(opened.map((file) => file.write(Buffer.alloc(1_000_000, 'w'), 0, 1_000_000, 0)))
  process.stdout.write(JSON.stringify(ends.map(({ reason }) => reason?.code ?? 'written')))
})`

interface Slow {
  readonly inodes: readonly number[]
  readonly asked: () => number
  readonly open: () => void
  readonly said: () => Promise<readonly string[]>
}

/**
 * A mount, and a program that writes to so many files of it, to which no write gets through until
 * the gate opens.
 */
async function slowWrites(t: TestContext, count: number): Promise<Mounted & Slow> {
  const gate = Promise.withResolvers<void>()
  // Before the mount ends, which waits for them.
  t.after(() => gate.resolve())
  const mount = await mounted(t)
  const { fileSystem, at } = mount
  const names = Array.from({ length: count }, (_, number) => `slow ${number}`)
  const inodes = names.map((name) => fileSystem.putFile(name, 'before'))
  let asked = 0
  const write = fileSystem.write.bind(fileSystem)
  fileSystem.write = async (handle, position, bytes) => {
    const { inode } = fileSystem.handles.get(handle) ?? assert.fail('is open')
    if (inodes.includes(inode.inode)) {
      asked++
      await gate.promise
    }
    return write(handle, position, bytes)
  }
  const child = spawn(process.execPath, ['-e', WRITER, ...names.map(at)], {
    cwd: '/',
    env: { ...process.env, UV_THREADPOOL_SIZE: String(count + 4) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const said = once(child.stdout, 'data').then(
    ([text]) => JSON.parse(String(text)) as readonly string[],
  )
  return { ...mount, inodes, asked: () => asked, open: gate.resolve, said: () => said }
}

test(
  `other calls succeed while ${WRITERS} large writes wait`,
  { skip, timeout: 30_000 },
  async (t) => {
    const slow = await slowWrites(t, WRITERS)
    const { at, fileSystem } = slow
    await until(() => slow.asked() >= WRITERS)
    for (let call = 0; call < 100; call++) {
      fileSystem.putFile(`there ${call}`, `content ${call}`)
      assert.equal(await readFile(at(`there ${call}`), 'utf8'), `content ${call}`)
    }
    slow.open()
    assert.deepEqual(await slow.said(), Array(WRITERS).fill('written'))
  },
)

test(
  'remote changes show while a write waits, also in the file being written',
  { skip, timeout: 30_000 },
  async (t) => {
    const slow = await slowWrites(t, 1)
    const { at, fileSystem } = slow
    const { invalidator } = slow.mount
    fileSystem.putFile('other', 'before')
    assert.equal(await readFile(at('other'), 'utf8'), 'before')
    await until(() => slow.asked() === 1)
    fileSystem.putFile('slow 0', 'x'.repeat(10_000))
    invalidator.inode(slow.inodes[0] ?? assert.fail('is there'))
    invalidator.inode(fileSystem.putFile('other', 'after!'))
    await until(async () => (await readFile(at('other'), 'utf8')) === 'after!')
    slow.open()
    assert.deepEqual(await slow.said(), ['written'])
    assert.equal((await readFile(at('slow 0'), 'utf8')).slice(0, 10), 'w'.repeat(10))
  },
)
