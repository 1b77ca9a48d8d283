// put and get of many small files, which travel together: each has its own fault, and where they
// cannot travel together they travel alone.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ShoalError } from '../../protocol/errors.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { CallOptions } from '../../node/control/api.ts'
import type { FileContent, NewFile, ReadRange } from '../../node/control/files.ts'
import type { SmallFile } from '../../node/control/small-files.ts'

describe('put and get of small files', { concurrency: 4 }, () => {
  test('of many small files, get skips an unreadable one and gets a grown one whole', async () => {
    const node = new Moving()
    await withNode(async ({ shoal, folder }) => {
      await node.makeFolder('/many')
      for (let i = 0; i < 600; i++) await node.writeFile(`/many/${i}`, contentOf(`${i} ☃`))
      node.lost = '/many/7'
      node.grown = '/many/599'
      const first = await shoal('get', '/many', 'many')
      assert.equal(first.code, 1)
      assert.match(first.stderr, /a chunk is nowhere\. The rest was copied\.\n$/)
      const names = await readdir(join(folder, 'many'))
      assert.deepEqual(
        names.toSorted((a, b) => Number(a) - Number(b)),
        Array.from({ length: 600 }, (_, i) => String(i)).filter((name) => name !== '7'),
      )
      assert.equal(await readFile(join(folder, 'many', '598'), 'utf8'), '598 ☃')
      assert.equal((await readFile(join(folder, 'many', '599'))).byteLength, 300_000)
      node.lost = undefined
      const again = await shoal('get', '/many', 'many')
      assert.match(again.stdout, /^Got 2 files .*, 598 unchanged\n$/)
      assert.equal(await readFile(join(folder, 'many', '7'), 'utf8'), '7 ☃')
    }, node)
  })

  test('of many small files, put tells of each that cannot be put, and repeats only those', async () => {
    const node = new MemoryNode()
    await withNode(async ({ shoal, folder }) => {
      await mkdir(join(folder, 'many'))
      for (let i = 0; i < 600; i++) await writeFile(join(folder, 'many', `${i}`), `${i} ☃`)
      await node.makeFolder('/many/7', { parents: true })
      await node.makeFolder('/many/400', { parents: true })
      const first = await shoal('put', 'many', '/many')
      assert.equal(first.code, 1)
      const told = first.stderr.split('\n').map((line) => line.replace(/;.*/, ''))
      assert.deepEqual(told.slice(0, 2), [
        'shoal: /many/400 is a folder but many/400 is not',
        'shoal: /many/7 is a folder but many/7 is not',
      ])
      for (const name of ['7', '400']) await node.remove(`/many/${name}`)
      assert.match(
        (await shoal('put', 'many', '/many')).stdout,
        /^Put 2 files .*, 598 unchanged\n$/,
      )
      assert.equal((await shoal('cat', '/many/7')).stdout, '7 ☃')
    }, node)
  })

  test('a small file that the node refuses is told of, and the others are put', async () => {
    await withNode(async ({ shoal, folder }) => {
      await mkdir(join(folder, 'tree'))
      for (const name of ['a', 'bad', 'c']) await writeFile(join(folder, 'tree', name), name)
      const { code, stderr } = await shoal('put', 'tree', '/tree')
      const expected = 'shoal: /tree/bad is not wanted. The rest was copied.\n'
      assert.deepEqual({ code, stderr }, { code: 1, stderr: expected })
      assert.equal((await shoal('ls', '/tree')).stdout, 'a\nc\n')
    }, new Picky())
  })

  test('put sends small files one by one where the call for many fails', async () => {
    await withNode(async ({ shoal, folder }) => {
      await mkdir(join(folder, 'tree'))
      for (let i = 0; i < 40; i++) await writeFile(join(folder, 'tree', `${i}`), `${i}`)
      assert.match((await shoal('put', 'tree', '/tree')).stdout, /^Put 40 files /)
      assert.equal((await shoal('cat', '/tree/39')).stdout, '39')
    }, new Refusing())
  })

  test('get fetches small files one by one where the call for many fails', async () => {
    const node = new Refusing()
    await withNode(async ({ shoal, folder }) => {
      for (let i = 0; i < 40; i++) await node.writeFile(`/${i}`, contentOf(`${i}`))
      assert.match((await shoal('get', '/', 'back')).stdout, /^Got 40 files /)
      assert.equal(await readFile(join(folder, 'back', '39'), 'utf8'), '39')
    }, node)
  })

  test('get fetches small files with long names that need escaping', async () => {
    const node = new MemoryNode()
    await withNode(async ({ shoal, folder }) => {
      const deep = `/${Array.from({ length: 3 }, () => '\u0001'.repeat(250)).join('/')}`
      await node.makeFolder(deep, { parents: true })
      for (let i = 0; i < 400; i++) await node.writeFile(`${deep}/${i}`, contentOf(''))
      assert.match((await shoal('get', '/', 'back')).stdout, /^Got 400 files /)
      assert.equal((await readdir(join(folder, 'back', deep))).length, 400)
    }, node)
  })
})

/** A node that takes all files but one. */
class Picky extends MemoryNode {
  override async writeFile(
    path: string,
    content: AsyncIterable<Uint8Array>,
    attributes?: NewFile,
  ): Promise<void> {
    if (path.endsWith('bad')) throw new ShoalError('EINVAL', `${path} is not wanted`)
    await super.writeFile(path, content, attributes)
  }
}

/** A node that gives a page of small files and then fails, and takes none. */
class Refusing extends MemoryNode {
  override async *readSmallFiles(
    paths: readonly string[],
  ): AsyncGenerator<readonly SmallFile[], never> {
    yield* super.readSmallFiles(paths.slice(0, 3))
    throw new ShoalError('unsupported', 'this node has no such call')
  }

  override async writeSmallFiles(): Promise<never> {
    throw new ShoalError('unsupported', 'this node has no such call')
  }
}

/** A node of which one file is not to be read, and one is larger than a list says. */
class Moving extends MemoryNode {
  lost: string | undefined
  grown: string | undefined

  override async readFile(path: string, options?: CallOptions & ReadRange): Promise<FileContent> {
    if (path === this.lost) throw new ShoalError('chunk-unavailable', 'a chunk is nowhere')
    const whole = await super.readFile(path, options)
    if (path !== this.grown) return whole
    return { ...whole, lengthBytes: 300_000, content: contentOf('x'.repeat(300_000)) }
  }
}

async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
