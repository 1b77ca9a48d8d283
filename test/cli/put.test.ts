// put, rm and mv of what they refuse, or cannot read; and bytes in --json.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { jsonLine } from '../../cli/output.ts'
import { withNode } from './shoal.ts'

describe('put', { concurrency: 2 }, () => {
  test('what the shell may have made of a pattern is not taken for a path in Shoal', async () => {
    await withNode(async ({ shoal, folder }) => {
      for (const name of ['a', 'b']) await writeFile(join(folder, name), name)
      await shoal('put', 'a', 'b', '/')
      for (const words of ['put a b', 'rm a b', 'mv a b', 'mv :a b']) {
        const { code, stderr } = await shoal(...words.split(' '))
        assert.match(stderr, /^shoal: [ab] is in the current folder; in Shoal it is \/[ab]\n$/)
        assert.equal(code, 2, words)
      }
      assert.equal((await shoal('ls')).stdout, 'a\nb\n')
      await shoal('put', 'a', 'c/')
      assert.equal((await shoal('cat', 'c/a')).stdout, 'a')
      await shoal('rm', ':a')
      assert.equal((await shoal('ls', '/')).stdout, 'b\nc/\n')
    })
  })

  test('a file that cannot be read is named, and the rest is put', async () => {
    await withNode(async ({ shoal, folder }) => {
      await writeFile(join(folder, 'a'), 'a')
      // To read its first byte fails.
      const { code, stderr } = await shoal('put', '/proc/self/mem', 'a', '/')
      assert.match(
        stderr,
        /^shoal: \/proc\/self\/mem cannot be read: EIO: .* The rest was copied\.\n$/,
      )
      assert.equal(code, 1)
      assert.equal((await shoal('cat', '/a')).stdout, 'a')
    })
  })

  test('--json has bytes in hexadecimal', () => {
    assert.equal(jsonLine({ head: new Uint8Array([1, 255]) }), '{"head":"01ff"}')
  })
})
