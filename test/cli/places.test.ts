// Folders of this machine that commands are given: what is missing of a path, and what cannot be.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runInProcess } from './in-process.ts'
import { withNode } from './shoal.ts'

describe('local folders', () => {
  test('get creates the folders on the way to DEST, as put does', async () => {
    await withNode(async ({ home, folder, node }) => {
      await node.writeFile('/a', contentOf('x'))
      const to = join(folder, 'new/deep/a')
      const { code } = await runInProcess(['--home', home, 'get', '/a', to])
      assert.deepEqual([code, await readFile(to, 'utf8')], [0, 'x'])
      const { stderr } = await runInProcess(['--home', home, 'get', '/a', '/proc/none/a'])
      assert.equal(stderr, 'shoal: no folder can be made in /proc; choose another one\n')
    })
  })
})

async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
