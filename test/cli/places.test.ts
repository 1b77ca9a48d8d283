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

describe('cold tiers', () => {
  test('a folder is named to the node by its whole path', async () => {
    await withNode(async ({ shoal, folder, node }) => {
      const tiers = { attic: 'dir:disk/attic', barn: 'dir:/barn/', cellar: 's3://backups/x' }
      for (const [name, url] of Object.entries(tiers)) await shoal('cold', 'add', name, url)
      const known = await node.listTiers()
      assert.deepEqual(
        known.map(({ url }) => url),
        [`dir:${join(folder, 'disk/attic')}`, 'dir:/barn', 's3://backups/x'],
      )
    })
  })
})

async function* contentOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
