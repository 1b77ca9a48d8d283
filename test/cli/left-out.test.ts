// The parts of a tree that `shoal put` leaves out, and what `shoal rm` refuses.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { withNode } from './shoal.ts'

/** Files of so many folders, each holding what its path is. */
async function make(folder: string, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(join(folder, dirname(path)), { recursive: true })
    await writeFile(join(folder, path), path)
  }
}

describe('put', () => {
  test('put leaves out what patterns match, as git does', async () => {
    await withNode(async ({ shoal, folder }) => {
      await make(folder, 'src/a.ts', 'src/b.tmp', 'src/keep.tmp', 'src/out/c', 'src/deep/out/d')
      await make(folder, 'src/deep/e 🐟', 'src/built')
      await writeFile(join(folder, 'patterns'), '# what a build makes\nout/\n*.tmp\n!keep.tmp\n')
      const patterns = ['--exclude-from', 'patterns', '--exclude', '/built']
      const { code, stderr } = await shoal('put', ...patterns, 'src', '/src')
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
      assert.equal((await shoal('ls', '/src')).stdout, 'a.ts\ndeep/\nkeep.tmp\n')
      assert.equal((await shoal('ls', '/src/deep')).stdout, 'e 🐟\n')
    })
  })

  test('put --dry-run says what it would copy, and changes nothing', async () => {
    await withNode(async ({ shoal, folder }) => {
      await make(folder, 'src/a', 'src/deep/b', 'src/c.tmp')
      const { code, stdout } = await shoal('put', '--dry-run', '--exclude=*.tmp', 'src', '/src')
      assert.equal(code, 0)
      assert.match(
        stdout,
        new RegExp(
          '^src/ -> /src/\nsrc/a -> /src/a\nsrc/deep/ -> /src/deep/\nsrc/deep/b -> /src/deep/b\n' +
            'Would put 2 files ',
        ),
      )
      assert.equal((await shoal('ls', '/src')).code, 1)
    })
  })

  test('put leaves out the home of the node, and refuses it as a source', async () => {
    await withNode(async ({ shoal, folder, home }) => {
      await make(folder, 'file')
      const { code, stderr } = await shoal('put', dirname(home), '/copy')
      assert.equal(code, 0)
      assert.equal(stderr, `warning: ${home} is left out: the home of this node, with its keys\n`)
      assert.equal((await shoal('ls', '/copy')).stdout, `${basename(folder)}/\n`)
      assert.equal((await shoal('ls', `/copy/${basename(folder)}`)).stdout, 'file\n')
      const refused = await shoal('put', home, '/keys')
      assert.match(refused.stderr, /cannot be copied: it is the home of this node, with its keys/)
      assert.equal(refused.code, 2)
    })
  })

  test('put leaves out the homes of other nodes, and refuses them as a source', async () => {
    await withNode(async ({ shoal, folder }) => {
      const other = join(folder, 'src/.other')
      await make(folder, 'src/file', 'src/.other/config.yaml', 'src/.other/identity.key')
      await make(folder, 'src/.other/segments/1', 'src/app/config.yaml', 'src/keys/identity.key')
      const { code, stderr } = await shoal('put', 'src', '/src')
      assert.equal(stderr, 'warning: src/.other is left out: the home of a node, with its keys\n')
      assert.equal(code, 0)
      assert.equal((await shoal('ls', '/src')).stdout, 'app/\nfile\nkeys/\n')
      for (const [source, said] of [
        [other, /it is the home of a node, with its keys/],
        [join(other, 'segments'), /it is in the home of a node/],
      ] as const) {
        const refused = await shoal('put', source, '/keys')
        assert.match(refused.stderr, said)
        assert.equal(refused.code, 2)
      }
    })
  })

  test('put and sync refuse what the kernel makes up, and leave it out below', async () => {
    await withNode(async ({ shoal }) => {
      for (const [source, name] of [
        ['/proc', 'proc'],
        ['/proc/self/net', 'proc'],
        ['/sys/kernel', 'sys'],
      ] as const)
        for (const words of [
          ['put', '--no-one-file-system', source, '/made-up'],
          ['sync', source, 'main:/made-up'],
          ['sync', 'main:/', source],
        ]) {
          const { code, stderr } = await shoal(...words)
          assert.match(stderr, new RegExp(`in a file system of the kernel \\(${name}`))
          assert.notEqual(code, 0)
        }
      assert.equal((await shoal('ls', '/made-up')).code, 1)
      // A file that is named is what it is.
      assert.equal((await shoal('put', '/proc/self/status', '/status')).code, 0)
      const options = ['--no-one-file-system', '--dry-run', '--exclude=/*', '--exclude=!/proc']
      const { stderr } = await shoal('put', ...options, '/', '/all')
      assert.match(stderr, /warning: \/proc is left out: a file system of the kernel \(proc\)/)
    })
  })
})

describe('rm', () => {
  test('rm -r of a root removes nothing, whatever else it is given', async () => {
    await withNode(async ({ shoal, folder }) => {
      await make(folder, 'src/a')
      await shoal('put', 'src', '/src')
      for (const root of ['/', 'main:', 'main:/', '//']) {
        const { code, stderr } = await shoal('rm', '-r', '/src', root)
        assert.equal(stderr, `shoal: ${root}: the root of a volume cannot be removed\n`)
        assert.equal(code, 1)
      }
      assert.equal((await shoal('ls', '/src')).stdout, 'a\n')
    })
  })
})
