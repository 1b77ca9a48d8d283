// `shoal sync`: both directions, what is deleted and what never is, and that a repeat does nothing.
import assert from 'node:assert/strict'
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readdir,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { ShoalError } from '../../protocol/errors.ts'
import { runInProcess } from './in-process.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { FileStat } from '../../node/control/files.ts'
import type { Outcome } from './in-process.ts'

interface Place {
  readonly node: MemoryNode
  readonly home: string
  /** A path in the folder of the test. */
  readonly at: (...parts: readonly string[]) => string
  readonly sync: (...words: readonly string[]) => Promise<Outcome>
}

const OLD = new Date('2020-02-02T02:02:02.250Z')
const NOTHING = { files: 0, folders: 0, symlinks: 0, bytes: 0, failed: 0, deleted: 0 }

/** Runs commands in this process: a process of their own takes far longer. */
async function withSync(
  use: (place: Place) => Promise<void>,
  node: MemoryNode = new MemoryNode(),
): Promise<void> {
  await withNode(async ({ home, folder }) => {
    const at = (...parts: readonly string[]): string => join(folder, ...parts)
    const sync = (...words: readonly string[]): Promise<Outcome> =>
      runInProcess(['--home', home, 'sync', ...words])
    await use({ node, home, at, sync })
  }, node)
}

/** Files, each holding what its path is. */
async function make(folder: string, ...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(join(folder, dirname(path)), { recursive: true })
    await writeFile(join(folder, path), path)
    await utimes(join(folder, path), OLD, OLD)
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).toSorted()
}

async function sharedNames(node: MemoryNode, folder: string): Promise<readonly string[]> {
  const names: string[] = []
  for await (const page of node.list(folder))
    for (const { name, kind } of page) {
      names.push(name)
      if (kind === 'folder')
        for (const below of await sharedNames(node, `${folder}/${name}`))
          names.push(`${name}/${below}`)
    }
  return names.toSorted()
}

function tallyOf({ code, stdout, stderr }: Outcome): Record<string, number> {
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, number>
}

describe('sync', { concurrency: 4 }, () => {
  test('a tree goes up and comes down the same, and a repeat copies nothing', async () => {
    await withSync(async ({ at, sync }) => {
      await make(at('src'), 'a folder 🐟/deep/file ☃', 'script')
      await writeFile(at('src', 'empty file'), '')
      await mkdir(at('src', 'empty folder'))
      await symlink('script', at('src', 'link'))
      await chmod(at('src', 'script'), 0o755)
      await utimes(at('src', 'empty folder'), OLD, OLD)
      for (const [from, to] of [
        [at('src'), ':/mirror'],
        ['main:/mirror/', at('back')],
      ] as const) {
        const whole = { files: 3, folders: 4, symlinks: 1, unchanged: 0, failed: 0, deleted: 0 }
        assert.partialDeepStrictEqual(tallyOf(await sync('--json', from, to)), whole)
        const again = tallyOf(await sync('--json', '--delete', from, to))
        assert.deepEqual(again, { ...NOTHING, unchanged: 4 })
        assert.match((await sync('--dry-run', from, to)).stdout, /^Would sync 0 files/)
      }
      assert.deepEqual(await namesIn(at('back')), await namesIn(at('src')))
      assert.equal(await readlink(at('back', 'link')), 'script')
      assert.equal((await stat(at('back', 'script'))).mode & 0o777, 0o755)
      assert.equal(Math.round((await stat(at('back', 'script'))).mtimeMs), OLD.getTime())
      assert.equal(Math.round((await stat(at('back', 'empty folder'))).mtimeMs), OLD.getTime())
    })
  })

  test('--delete removes what SRC lacks and replaces other kinds, as --dry-run says', async () => {
    await withSync(async ({ at, sync, node }) => {
      await make(at('src'), 'same', 'now a file', 'now a folder/in', 'deep/kept')
      await make(at('old'), 'same', 'now a file/in', 'now a folder', 'deep/kept', 'deep/gone')
      await make(at('old'), 'gone/deeper/x')
      await sync(at('old'), ':/up')
      await make(at('down'), 'same', 'now a file/in', 'now a folder', 'deep/kept', 'deep/gone')
      await make(at('down'), 'gone/deeper/x')
      const deleted = ['deep/gone', 'gone', 'gone/deeper', 'gone/deeper/x']
      const replaced = ['now a file', 'now a file/in', 'now a folder']
      const pairs = [
        [at('src'), ':/up'],
        [':/up', at('down')],
      ] as const
      for (const [from, to] of pairs) {
        const before = await sync(from, to)
        assert.equal(before.code, 1)
        assert.match(before.stderr, /2 files or folders could not be synced\. The rest was synced/)
        const said = (await sync('--delete', '--dry-run', from, to)).stdout.trim().split('\n')
        const expected = [...deleted, ...replaced].map((path) => `delete ${to}/${path}`)
        expected.push(`${from}/now a file -> ${to}/now a file`)
        expected.push(`${from}/now a folder/ -> ${to}/now a folder/`)
        expected.push(`${from}/now a folder/in -> ${to}/now a folder/in`)
        assert.deepEqual(said.slice(0, -1).toSorted(), expected.toSorted())
        const tally = tallyOf(await sync('--json', '--delete', from, to))
        assert.partialDeepStrictEqual(tally, { files: 2, folders: 1, deleted: 7, failed: 0 })
        assert.deepEqual(tallyOf(await sync('--json', '--delete', from, to)), {
          ...NOTHING,
          unchanged: 4,
        })
      }
      assert.deepEqual(await sharedNames(node, '/up'), await namesIn(at('src')))
      assert.deepEqual(await namesIn(at('down')), await namesIn(at('src')))
      // Deletions have touched it.
      const [source, dest] = await Promise.all([stat(at('src', 'deep')), stat(at('down', 'deep'))])
      assert.ok(Math.abs(source.mtimeMs - dest.mtimeMs) < 0.01)
    })
  })

  test('what is excluded is neither copied nor deleted, nor the folder that holds it', async () => {
    await withSync(async ({ at, sync, node }) => {
      await make(at('src'), 'a', 'b.tmp')
      await make(at('old'), 'keep.tmp', 'gone/x', 'gone/y.tmp')
      await sync(at('old'), ':/up')
      const words = ['--delete', '--exclude', '*.tmp'] as const
      assert.equal((await sync(...words, at('src'), ':/up')).code, 0)
      assert.deepEqual(await sharedNames(node, '/up'), ['a', 'gone', 'gone/y.tmp', 'keep.tmp'])
      await make(at('down'), 'mine.tmp', 'gone/z', 'other/x')
      assert.equal((await sync(...words, ':/up', at('down'))).code, 0)
      assert.deepEqual(await namesIn(at('down')), ['a', 'gone', 'mine.tmp'])
    })
  })

  test('a missing SRC is an error, and an empty one deletes nothing without --yes', async () => {
    await withSync(async ({ at, sync, node }) => {
      await make(at('full'), 'a', 'b/c')
      await mkdir(at('empty'))
      await sync(at('full'), ':/full')
      await node.makeFolder('/empty')
      const pairs = [
        [at('empty'), ':/full', at('none')],
        [':/empty', at('full'), ':/none'],
      ] as const
      for (const [empty, full, missing] of pairs) {
        assert.equal((await sync('--delete', '--yes', missing, full)).code, 1)
        const { code, stderr } = await sync('--delete', empty, full)
        assert.equal(code, 1)
        assert.match(stderr, /is empty, and all that is in .* would be deleted; if that is meant/)
      }
      assert.deepEqual(await sharedNames(node, '/full'), ['a', 'b', 'b/c'])
      assert.deepEqual(await namesIn(at('full')), ['a', 'b', 'b/c'])
      assert.equal((await sync('--delete', '--yes', at('empty'), 'main:')).code, 0)
      assert.deepEqual(await sharedNames(node, ''), [])
    })
  })

  test('where not all of SRC can be read, what can be is copied, and nothing deleted', async () => {
    const node = new Unreadable()
    await withSync(async ({ at, sync }) => {
      await make(at('src'), 'a', 'deep/b')
      await make(at('down'), 'gone')
      await sync(at('src'), ':/src')
      node.unreadable = '/src/deep'
      const { code, stderr } = await sync('--delete', ':/src', at('down'))
      assert.equal(code, 1)
      assert.match(stderr, /nothing is deleted at DEST, because not all of SRC could be read/)
      assert.deepEqual(await namesIn(at('down')), ['a', 'deep', 'gone'])
      node.unreadable = undefined
      assert.equal((await sync('--delete', ':/src', at('down'))).code, 0)
      assert.deepEqual(await namesIn(at('down')), ['a', 'deep', 'deep/b'])
    }, node)
  })

  test('--checksum finds what has the same size and time, and copies no equal file', async () => {
    await withSync(async ({ at, sync }) => {
      await make(at('src'), 'changed', 'touched')
      await writeFile(at('src', 'large'), Buffer.alloc(400_000, 'large '))
      const check = ['--json', '--checksum'] as const
      for (const [from, to] of [
        [at('src'), ':/up'],
        [':/up', at('down')],
      ] as const) {
        await sync(from, to)
        if (to === ':/up') {
          await writeFile(at('src', 'changed'), 'Changed')
          await utimes(at('src', 'changed'), OLD, OLD)
          await utimes(at('src', 'touched'), 1, 1)
        } else {
          await writeFile(at('down', 'changed'), 'cHANGED')
          await utimes(at('down', 'changed'), OLD, OLD)
          await utimes(at('down', 'large'), 1, 1)
        }
        const tally = tallyOf(await sync(...check, from, to))
        assert.partialDeepStrictEqual(tally, { files: 1, bytes: 7, unchanged: 2 })
        assert.deepEqual(tallyOf(await sync('--json', from, to)), { ...NOTHING, unchanged: 3 })
      }
      assert.equal(await readFile(at('down', 'changed'), 'utf8'), 'Changed')
    })
  })

  test('nothing leads out of DEST: a symlink there is deleted, not followed', async () => {
    await withSync(async ({ at, sync }) => {
      await make(at('src'), 'trap/file')
      await make(at('outside'), 'precious')
      await make(at('down'), 'x')
      await symlink('../outside', at('down', 'trap'))
      await symlink('../outside', at('down', 'other'))
      await sync(at('src'), ':/src')
      assert.equal((await sync(':/src', at('down'))).code, 1)
      assert.equal((await sync('--delete', ':/src', at('down'))).code, 0)
      assert.deepEqual(await namesIn(at('outside')), ['precious'])
      assert.deepEqual(await namesIn(at('down')), ['trap', 'trap/file'])
      assert.ok((await lstat(at('down', 'trap'))).isDirectory())
    })
  })

  test('the home of the node is neither copied, nor written into, nor deleted', async () => {
    await withSync(async ({ at, home, sync, node }) => {
      await make(at('src'), 'a')
      await sync(at('src'), ':/src')
      for (const [from, to] of [
        [home, ':/x'],
        [':/src', home],
        [':/src', join(home, 'new', 'folder')],
      ] as const) {
        const { code, stderr } = await sync(from, to)
        assert.match(stderr, /cannot be synced: it is the home of this node, with its keys/)
        assert.equal(code, 2)
      }
      await writeFile(join(home, 'key'), 'secret')
      assert.equal((await sync('--delete', ':/src', dirname(home))).code, 0)
      assert.equal(await readFile(join(home, 'key'), 'utf8'), 'secret')
      assert.equal((await sync('--delete', dirname(home), ':/src')).code, 0)
      assert.deepEqual(await sharedNames(node, '/src'), ['a'])
    })
  })

  test('what a killed process left is not copied, and names that compose to one are told', async () => {
    await withSync(async ({ at, sync, node }) => {
      await make(at('src'), `.shoal-${crypto.randomUUID()}`, 'e\u0301', '\u00e9')
      const { code, stderr } = await sync('--delete', at('src'), ':/up')
      assert.equal(code, 1)
      assert.match(stderr, /differ only in how Unicode composes them/)
      assert.equal((await sharedNames(node, '/up')).length, 1)
      await rm(at('src', '\u00e9'))
      assert.deepEqual(tallyOf(await sync('--json', '--delete', at('src'), ':/up')), {
        ...NOTHING,
        unchanged: 1,
      })
    })
  })

  test('names that are not UTF-8 are synced, and deleted only where they are gone', async () => {
    await withSync(async ({ at, node, sync }) => {
      const latin1 = Buffer.from('caf\xe9', 'latin1')
      const bytesIn = (folder: string): Promise<Buffer[]> =>
        readdir(at(folder), { encoding: 'buffer' })
      await make(at('src'), 'a')
      const odd = Buffer.concat([Buffer.from(`${at('src')}/`), latin1])
      await writeFile(odd, 'x')
      await utimes(odd, OLD, OLD)
      assert.equal(tallyOf(await sync('--json', '--delete', at('src'), ':/x'))['files'], 2)
      assert.deepEqual(await sharedNames(node, '/x'), ['a', 'caf\\xe9'])
      assert.deepEqual(tallyOf(await sync('--json', '--delete', at('src'), ':/x'))['deleted'], 0)
      assert.equal(tallyOf(await sync('--json', '--delete', ':/x', at('back')))['files'], 2)
      assert.deepEqual((await bytesIn('back')).at(-1), latin1)
      assert.equal(tallyOf(await sync('--json', '--delete', ':/x', at('back')))['deleted'], 0)
      await rm(odd)
      assert.equal(tallyOf(await sync('--json', '--delete', at('src'), ':/x'))['deleted'], 1)
      assert.equal(tallyOf(await sync('--json', '--delete', ':/x', at('back')))['deleted'], 1)
      assert.deepEqual(await namesIn(at('back')), ['a'])
    })
  })

  test('exactly one of both is in Shoal, and both are folders', async () => {
    await withSync(async ({ at, sync }) => {
      await make(at('src'), 'a')
      for (const [words, expected, status] of [
        [[at('src'), '/x'], /one folder must be in Shoal; write it with its volume/, 2],
        [[':/a', ':/b'], /both folders are in Shoal/, 2],
        [['--ack', 'copied', ':/', at('x')], /--ack is for what is copied into Shoal/, 2],
        [['--preserve', at('src'), ':/x'], /--preserve is for what is copied to this/, 2],
        [[at('src', 'a'), ':/x'], /is not a folder; copy a file with "shoal put"/, 1],
        [[':/', at('src', 'a')], /is not a folder; remove it first/, 1],
      ] as const) {
        const { code, stderr } = await sync(...words)
        assert.match(stderr, expected)
        assert.equal(code, status)
      }
    })
  })
})

/** A node of which one folder cannot be listed. */
class Unreadable extends MemoryNode {
  unreadable: string | undefined

  override async *list(path: string): AsyncGenerator<readonly FileStat[]> {
    if (path.replace(/^:/, '') === this.unreadable)
      throw new ShoalError('chunk-unavailable', 'a chunk is nowhere')
    yield* super.list(path)
  }
}
