// Names and symlinks of this machine that are not UTF-8, into the namespace and back.
import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runInProcess } from './in-process.ts'
import { withNode } from './shoal.ts'

const LATIN1 = Buffer.from('caf\xe9 \\xff', 'latin1')
const TEXT = 'caf\\xe9 \\x5cxff'

describe('names that are not UTF-8', () => {
  test('put takes files, folders and symlinks with any bytes, and get gives them back', () =>
    withNode(async ({ home, folder }) => {
      const run = async (...words: readonly string[]): Promise<string> => {
        const { code, stdout, stderr } = await runInProcess(['--home', home, ...words])
        assert.equal(code, 0, stderr)
        return stdout
      }
      const tree = join(folder, 'tree')
      const inner = Buffer.concat([Buffer.from(`${tree}/`), LATIN1])
      await mkdir(inner, { recursive: true })
      await writeFile(Buffer.concat([inner, Buffer.from('/\xff', 'latin1')]), 'content')
      await symlink(LATIN1, join(tree, 'link'))
      await run('put', tree, '/tree')
      assert.equal(await run('ls', '--recursive', '/tree'), `${listed.join('\n')}\n`)
      assert.equal(await run('cat', `/tree/${TEXT}/\\xff`), 'content')

      await run('get', '/tree', join(folder, 'back'))
      assert.deepEqual(await readdir(join(folder, 'back')), await readdir(tree))
      const back = Buffer.concat([Buffer.from(join(folder, 'back/')), LATIN1])
      assert.deepEqual(
        await readFile(Buffer.concat([back, Buffer.from('/\xff', 'latin1')])),
        CONTENT,
      )
      assert.deepEqual(await readlink(join(folder, 'back/link'), 'buffer'), LATIN1)

      await run('get', `/tree/${TEXT}/\\xff`, folder)
      const names = await readdir(folder, { encoding: 'buffer' })
      assert.ok(names.some((name) => name.equals(Buffer.from([0xff]))))
      assert.match(await run('get', '/tree', join(folder, 'back')), /2 unchanged/)
    }))

  test('a name that no local file can have is skipped, escaped or not', () =>
    withNode(async ({ home, folder, node }) => {
      await node.makeFolder('/tree')
      for (const name of ['\\x2e\\x2e', 'a\\x2fb', '\\x00'])
        await node.writeFile(`/tree/${name}`, content())
      const { code, stderr } = await runInProcess([
        '--home',
        home,
        'get',
        '/tree',
        join(folder, 'x'),
      ])
      assert.equal(code, 1)
      assert.equal(stderr.match(/is not a valid local file name/g)?.length, 3)
      assert.deepEqual(await readdir(folder, { recursive: true }), ['x'])
    }))
})

const CONTENT = Buffer.from('content')
const listed = [`/tree/${TEXT}`, `/tree/${TEXT}/\\xff`, '/tree/link']

async function* content(): AsyncGenerator<Uint8Array> {
  yield CONTENT
}
