// put and get: what goes in comes out, byte for byte and with mode and time; repeats and
// interruptions do no harm.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ShoalError } from '../../protocol/errors.ts'
import { MemoryNode } from './memory-node.ts'
import { outcomeOf, withNode } from './shoal.ts'
import type { CallOptions } from '../../node/control/api.ts'
import type { FileContent, NewFile, ReadRange, WriteOptions } from '../../node/control/files.ts'

/** A file as tests compare it: kind, permissions, time in ms, and content or target. */
type Picture = Readonly<Record<string, readonly unknown[]>>

const OLD = new Date('2020-02-02T02:02:02.250Z')

describe('put and get', { concurrency: 4 }, () => {
  test('put and get keep names, bytes, modes, times, symlinks, and empty entries', async () => {
    await withNode(async ({ shoal, folder }) => {
      const tree = join(folder, 'a tree 🌳')
      await makeTree(tree)
      const put = await shoal('put', 'a tree 🌳', '/')
      assert.deepEqual({ code: put.code, stderr: put.stderr }, { code: 0, stderr: '' })
      assert.match(put.stdout, /^Put 54 files \(3\.\d\d MB\) in \d+\.\d s\n$/)
      const get = await shoal('get', '/', 'back')
      assert.match(get.stdout, /^Got 54 files /)
      assert.deepEqual(await picture(join(folder, 'back', 'a tree 🌳')), await picture(tree))
    })
  })

  test('get skips special files and says so; ls and stat show them', async () => {
    const node = new MemoryNode()
    await withNode(async ({ shoal, folder }) => {
      await mkdir(join(folder, 'tree'))
      await writeFile(join(folder, 'tree', 'file'), 'x')
      await shoal('put', 'tree', '/tree')
      node.makeSpecial('/tree/pipe', 'fifo')
      node.makeSpecial('/tree/null', 'character-device', 0x103)
      const { code, stderr } = await shoal('get', '/tree', 'back')
      assert.notEqual(code, 0)
      assert.match(stderr, /\/tree\/pipe is a fifo; skipped/)
      assert.match(stderr, /\/tree\/null is a character device; skipped/)
      assert.deepEqual(await readdir(join(folder, 'back')), ['file'])
      const { stdout } = await shoal('ls', '--long', '/tree')
      assert.match(stdout, /^crw-r--r-- +1, 3 .* null$/m)
      assert.match(stdout, /^prw-r--r-- +0 B .* pipe$/m)
      assert.match((await shoal('stat', '/tree/null')).stdout, /Kind +character device 1, 3\n/)
      assert.match((await shoal('stat', '/tree/pipe')).stdout, /Kind +fifo\n/)
    }, node)
  })

  test('put and get skip unchanged files and copy changed ones', async () => {
    await withNode(async ({ json, folder }) => {
      await makeTree(join(folder, 'tree'))
      const whole = { files: 54, folders: 5, symlinks: 2, unchanged: 0, failed: 0 }
      const repeated = { ...whole, files: 1, folders: 0, symlinks: 0, unchanged: 55 }
      assert.partialDeepStrictEqual(await json('put', 'tree', '/tree'), whole)
      await writeFile(join(folder, 'tree', 'many', '7'), 'changed')
      assert.partialDeepStrictEqual(await json('put', 'tree', '/tree'), { ...repeated, bytes: 7 })
      assert.partialDeepStrictEqual(await json('get', '/tree', 'back'), whole)
      await truncate(join(folder, 'back', 'many', '8'))
      await chmod(join(folder, 'back', 'many', '9'), 0o777)
      assert.partialDeepStrictEqual(await json('get', '/tree', 'back'), repeated)
      assert.deepEqual(await picture(join(folder, 'back')), await picture(join(folder, 'tree')))
    })
  })

  test('DEST is the new name, or the folder to copy into', async () => {
    await withNode(async ({ shoal, node, folder }) => {
      for (const name of ['a', 'b']) await writeFile(join(folder, name), name)
      for (const words of [
        ['a', '/one'],
        ['a', 'main:/made/on/the/way'],
        ['a', 'b', '/into'],
        ['b', '/into/deeper/'],
        ['b', '/made'],
      ])
        assert.equal((await shoal('put', ...words)).code, 0)
      assert.deepEqual((await shoal('ls', '-R')).stdout.trim().split('\n'), [
        '/into',
        '/into/a',
        '/into/b',
        '/into/deeper',
        '/into/deeper/b',
        '/made',
        '/made/b',
        '/made/on',
        '/made/on/the',
        '/made/on/the/way',
        '/one',
      ])
      await mkdir(join(folder, 'here'))
      for (const dest of ['here', 'new', '.']) await shoal('get', '/one', dest)
      for (const path of ['here/one', 'new', 'one'])
        assert.equal(await readFile(join(folder, path), 'utf8'), 'a')
      assert.deepEqual(node.settled, Array.from({ length: 5 }))
    })
  })

  test('put waits once for all files, as --ack says, and fails if that is impossible', async () => {
    await withNode(async ({ shoal, node, folder }) => {
      await makeTree(join(folder, 'tree'))
      assert.equal((await shoal('put', '--ack', 'copied', 'tree', '/tree')).code, 0)
      assert.deepEqual(node.settled, ['copied'])
      const { code, stderr } = await shoal('put', '--ack', 'placed', 'tree', '/tree')
      assert.equal(code, 1)
      assert.match(stderr, /^shoal: no peer can hold shards\. Invite one with "shoal invite"\.\n$/)
    })
  })

  test('"-" is stdin for put and stdout for get', async () => {
    await withNode(async ({ start, shoal }) => {
      const child = start('put', '-', '/deep/log')
      child.stdin.end('line\n'.repeat(50_000))
      assert.match((await outcomeOf(child)).stdout, /^Put 1 file \(250 KB\)/)
      assert.equal((await shoal('get', '/deep/log', '-')).stdout, 'line\n'.repeat(50_000))
      assert.equal((await shoal('put', '-', '/deep/')).code, 2)
    })
  })

  test('a file that cannot be copied does not stop the others', async () => {
    await withNode(async ({ shoal, folder }) => {
      await mkdir(join(folder, 'tree', 'both'), { recursive: true })
      await writeFile(join(folder, 'tree', 'good'), 'good')
      await shoal('put', 'tree/good', '/tree/both')
      const { code, stderr } = await shoal('put', 'tree', '/tree')
      const expected =
        'shoal: /tree/both is a file but tree/both is a folder; ' +
        'remove one of them and try again. The rest was copied.\n'
      assert.deepEqual({ code, stderr }, { code: 1, stderr: expected })
      assert.equal((await shoal('cat', '/tree/good')).stdout, 'good')
      const several = await shoal('put', 'none', 'tree/good', 'nothing', '/x')
      assert.deepEqual(several.stderr.split('\n'), [
        'shoal: no such local file: none',
        'shoal: no such local file: nothing',
        'shoal: 2 files or folders could not be copied. The rest was copied.',
        '',
      ])
      assert.equal((await shoal('cat', '/x/good')).stdout, 'good')
    })
  })

  test('a missing file is named in the error', async () => {
    await withNode(async ({ shoal, folder }) => {
      assert.equal((await shoal('put', 'none', '/x')).stderr, 'shoal: no such local file: none\n')
      assert.equal((await shoal('get', '/none', 'x')).stderr, 'shoal: /none is not there\n')
      assert.deepEqual(await readdir(folder), [])
    })
  })

  test('names chosen by other members cannot lead get out of DEST', async () => {
    await withNode(async ({ shoal, folder, node }) => {
      await mkdir(join(folder, 'outside'))
      await mkdir(join(folder, 'dest'))
      await symlink('../outside', join(folder, 'dest', 'trap'))
      await node.makeFolder('/tree/trap', { parents: true })
      await node.writeFile('/tree/trap/file', contentOf('x'))
      const { code } = await shoal('get', '/tree', 'dest')
      assert.equal(code, 1)
      assert.deepEqual(await readdir(join(folder, 'outside')), [])
    })
  })

  test('an interrupted get leaves the old file, and a repeated one completes', async () => {
    const node = new Halting()
    await withNode(async ({ start, shoal, folder }) => {
      await node.writeFile('/big', contentOf('x'.repeat(500_000)))
      await writeFile(join(folder, 'big'), 'the file before')
      node.halting = true
      const get = start('get', '/big', 'big')
      await node.halted
      get.kill('SIGINT')
      const { code, stderr } = await outcomeOf(get)
      assert.equal(code, 130)
      assert.match(stderr, /^shoal: interrupted\. .*run the same command again/)
      assert.equal(await readFile(join(folder, 'big'), 'utf8'), 'the file before')
      assert.deepEqual(await readdir(folder), ['big'])
      node.halting = false
      assert.equal((await shoal('get', '/big', 'big')).code, 0)
      assert.equal((await readFile(join(folder, 'big'))).byteLength, 500_000)
    }, node)
  })

  test('an interrupted put leaves the file as it was', async () => {
    const node = new Halting()
    await withNode(async ({ start, shoal }) => {
      await node.writeFile('/file', contentOf('before'))
      node.halting = true
      const put = start('put', '-', '/file')
      put.stdin.write('x'.repeat(200_000))
      await node.writing
      put.kill('SIGTERM')
      assert.equal((await outcomeOf(put)).code, 143)
      node.halting = false
      assert.equal((await shoal('cat', '/file')).stdout, 'before')
    }, node)
  })

  test('a get that fails midway leaves no file', async () => {
    const node = new Halting()
    await withNode(async ({ start, folder }) => {
      await node.writeFile('/big', contentOf('x'.repeat(500_000)))
      node.halting = true
      const get = start('get', '/big', 'big')
      await node.halted
      node.fail()
      const { code, stderr } = await outcomeOf(get)
      assert.deepEqual({ code, stderr }, { code: 1, stderr: 'shoal: a chunk is nowhere\n' })
      assert.deepEqual(await readdir(folder), [])
    }, node)
  })
})

/**
 * A node that can tell when a file is being written, and whose reads can stop after their first
 * part.
 */
class Halting extends MemoryNode {
  halting = false
  readonly #halted = Promise.withResolvers<void>()
  readonly #writing = Promise.withResolvers<void>()
  readonly #failed = Promise.withResolvers<never>()
  readonly halted: Promise<void> = this.#halted.promise
  readonly writing: Promise<void> = this.#writing.promise

  fail(): void {
    this.#failed.reject(new ShoalError('chunk-unavailable', 'a chunk is nowhere'))
  }

  override async readFile(
    path: string,
    options: CallOptions & ReadRange = {},
  ): Promise<FileContent> {
    const whole = await super.readFile(path, options)
    return this.halting ? { ...whole, content: this.#halt(whole.content, options.signal) } : whole
  }

  override writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
    options?: CallOptions & WriteOptions,
  ): Promise<void> {
    return super.writeFile(path, this.#watch(content), attributes, options)
  }

  async *#halt(
    parts: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      yield part
      this.#halted.resolve()
      const aborted = signal === undefined ? [] : [once(signal, 'abort')]
      await Promise.race([this.#failed.promise, ...aborted])
      signal?.throwIfAborted()
    }
  }

  async *#watch(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const part of parts) {
      if (this.halting) this.#writing.resolve()
      yield part
    }
  }
}

/** 54 files, 5 folders with itself, 2 symlinks. */
async function makeTree(tree: string): Promise<void> {
  await mkdir(join(tree, 'many'), { recursive: true })
  await mkdir(join(tree, 'empty'))
  await mkdir(join(tree, 'read only'))
  await mkdir(join(tree, 'old'))
  for (let i = 0; i < 50; i++) await writeFile(join(tree, 'many', String(i)), `${i}`.repeat(i * 10))
  await writeFile(join(tree, 'big'), Buffer.alloc(3_300_000, 'big '))
  await writeFile(join(tree, 'nothing'), '')
  await writeFile(join(tree, '.hidden ☃'), 'x', { mode: 0o600 })
  await writeFile(join(tree, 'read only', 'script'), '#!/bin/sh\n', { mode: 0o755 })
  await symlink('many/1', join(tree, 'link'))
  await symlink('/nowhere at all', join(tree, 'broken link'))
  await chmod(join(tree, 'read only'), 0o555)
  await chmod(join(tree, 'nothing'), 0o444)
  for (const name of ['big', 'nothing', 'old', 'read only/script'])
    await utimes(join(tree, name), OLD, OLD)
}

async function picture(folder: string): Promise<Picture> {
  const seen: Record<string, readonly unknown[]> = {}
  for (const name of ['', ...(await readdir(folder, { recursive: true })).toSorted()]) {
    const path = join(folder, name)
    const { mode, mtimeMs } = await lstat(path)
    const kind = mode & 0o170000
    const content =
      kind === 0o120000
        ? await readlink(path)
        : kind === 0o100000
          ? (await readFile(path)).toString('latin1')
          : ''
    // A symlink has no mode, and its time is not kept.
    seen[name] =
      kind === 0o120000 ? [kind, content] : [kind, mode & 0o7777, Math.round(mtimeMs), content]
  }
  return seen
}

async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
