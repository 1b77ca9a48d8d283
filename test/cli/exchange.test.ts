// `shoal export` and `shoal import` against a node in memory: where files go, what is printed, and
// what is left after a failure.
import assert from 'node:assert/strict'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodeCarHeader, parseCid } from '../../protocol/car/car.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { ROOT_CID } from './memory-exchange.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'

const HEADER = Buffer.from(encodeCarHeader(parseCid(ROOT_CID)))

describe('CAR archives', () => {
  test('export writes the root CID into the CAR header and prints it', () =>
    withNode(async ({ shoal, json, folder }) => {
      const out = join(folder, 'a.car')
      await shoal('put', await fileOf(folder, 'hello'), '/a')
      const { stdout } = await shoal('export', '/a', out)
      assert.equal(stdout, `Exported 1 file (5 B) as ${ROOT_CID}\n`)
      assert.deepEqual(await readFile(out), Buffer.concat([HEADER, Buffer.from('hello')]))
      const counts = { files: 1, folders: 0, symlinks: 0, leftOut: 0, leftOutPaths: [] }
      assert.deepEqual(await json('export', '/a', out), { root: ROOT_CID, bytes: 5, ...counts })
    }))

  test('export to - writes nothing but the archive', () =>
    withNode(async ({ shoal, folder }) => {
      await shoal('put', await fileOf(folder, 'hello'), '/a')
      const { stdout } = await shoal('export', '/a', '-')
      assert(stdout.endsWith('hello'))
      assert(!stdout.includes('Exported'))
    }))

  test('a failed export leaves the existing file, and no temporary file beside it', () =>
    withNode(async ({ shoal, folder }) => {
      const out = join(folder, 'a.car')
      await writeFile(out, 'before')
      const { code, stderr } = await shoal('export', '/broken', out)
      assert.equal(code, 1)
      assert.match(stderr, /broken/)
      assert.equal(await readFile(out, 'utf8'), 'before')
      assert.deepEqual(await readdir(folder), ['a.car'])
    }, new BrokenNode()))

  test('export lists the files that it leaves out, and fails', () =>
    withNode(async ({ shoal, folder }) => {
      await shoal('put', await fileOf(folder, 'hello'), '/a')
      const { code, stderr } = await shoal('export', '/a', join(folder, 'a.car'))
      assert.equal(code, 1)
      assert.match(stderr, /not exported.* cannot hold: .*\/dev\. The rest was/)
    }, new LeavingOutNode()))

  test('import writes to DEST, or into it if it ends in /; from stdin DEST must be new', () =>
    withNode(async ({ shoal, json, folder }) => {
      const file = await fileOf(folder, 'archive', 'photos.car')
      const { stdout } = await shoal('import', file, '/new')
      assert.equal(stdout, 'Imported 1 file (7 B) to /new\n')
      await shoal('mkdir', '/folder')
      const again = await shoal('import', file, '/folder')
      assert.equal(again.code, 1)
      assert.match(again.stderr, /\/folder exists already.* or write \/folder\/ to import into/)
      await shoal('import', file, '/folder/')
      assert.deepEqual(await json('import', file, '/'), {
        path: '/photos',
        root: ROOT_CID,
        files: 1,
        folders: 0,
        symlinks: 0,
        bytes: 7,
      })
      for (const path of ['/new', '/folder/photos', '/photos'])
        assert.equal((await shoal('cat', path)).stdout, 'archive')
      const { code, stderr } = await shoal('import', '-', '/folder/')
      assert.equal(code, 2)
      assert.match(stderr, /with - as IN, DEST must be a new path/)
      assert.equal((await shoal('import', join(folder, 'none.car'), '/x')).code, 1)
    }))
})

class BrokenNode extends MemoryNode {
  override async *exportCar(): AsyncGenerator<Uint8Array> {
    yield HEADER
    throw new ShoalError('chunk-unavailable', '/broken: cannot be read')
  }
}

class LeavingOutNode extends MemoryNode {
  override exportCar(
    ...[path, options = {}]: Parameters<MemoryNode['exportCar']>
  ): AsyncGenerator<Uint8Array> {
    return super.exportCar(path, {
      onExported: (told) => options.onExported?.({ ...told, leftOut: 1, leftOutPaths: ['/dev'] }),
    })
  }
}

async function fileOf(folder: string, text: string, name = 'file'): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}
