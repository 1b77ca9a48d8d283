// Local places of `shoal sync` and `shoal get`: paths that are not as they read, and what commands
// that were killed have left there.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, mock, test } from 'node:test'
import { serveControl } from '../../node/control/server.ts'
import { socketPathOf } from '../../node/control/wire.ts'
import { localNames, makeLocalFolders } from '../../cli/local-path.ts'
import { nameKey } from '../../cli/paths.ts'
import { HOUR_MS } from '../../protocol/units.ts'
import { runInProcess } from './in-process.ts'
import { MemoryNode } from './memory-node.ts'
import { withNode } from './shoal.ts'
import type { Outcome } from './in-process.ts'

/** Folders whose name does not say what its bytes are. */
const ODD_NAMES = ['\\x41', Buffer.from('caf\xe9', 'latin1')] as const

/** Runs `use` with a folder of such a name, and in it the home of a node. */
async function withOddHome(
  name: string | Buffer,
  use: (place: { readonly home: string; readonly folder: string }) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-places-'))
  const odd = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name)])
  await mkdir(Buffer.concat([odd, Buffer.from('/home')]), { recursive: true })
  // What is typed need not have what it leads to.
  await symlink(odd, join(root, 'link'))
  const folder = typeof name === 'string' ? join(root, name) : join(root, 'link')
  const home = join(folder, 'home')
  const door = await serveControl(new MemoryNode(), {
    socketPath: socketPathOf(home),
    onError: (error) => console.error(error),
  })
  try {
    await use({ home, folder: root })
  } finally {
    await door.close()
    await rm(root, { recursive: true, force: true })
  }
}

describe('the home of the node, at a path that is not as it reads', () => {
  for (const name of ODD_NAMES)
    test(`${name.toString('latin1')}: neither sync nor put goes into it`, () =>
      withOddHome(name, async ({ home, folder }) => {
        const run = (...words: readonly string[]): Promise<Outcome> =>
          runInProcess(['--home', home, ...words])
        await mkdir(join(folder, 'src'))
        await run('put', join(folder, 'src'), '/src')
        for (const words of [
          ['sync', ':/src', join(home, 'new', 'folder')],
          ['sync', ':/src', home],
          ['sync', home, ':/keys'],
          ['put', home, '/keys'],
        ]) {
          const { code, stderr } = await run(...words)
          assert.match(stderr, /: it is (in )?the home of this node/)
          assert.equal(code, 2)
        }
        assert.deepEqual(await readdir(home), ['api.sock'])
      }))
})

describe('names as they are compared', () => {
  test('those that are not UTF-8 are one only where their bytes are the same', () => {
    const composed = 'caf\u00e9\\xff'
    const decomposed = 'cafe\u0301\\xff'
    assert.notEqual(nameKey(composed), nameKey(decomposed))
    assert.equal(nameKey('caf\u00e9'), nameKey('cafe\u0301'))
    assert.equal(nameKey('\\x5cxff \u00e9'), nameKey('\\x5cxff e\u0301'))
  })
})

describe('makeLocalFolders', () => {
  test('ends where no folder can be made, whatever bytes its name has', async () => {
    for (const name of ['plain', 'caf\\xe9', '\\x5cx41']) {
      await assert.rejects(makeLocalFolders(`/proc/shoal-test/${name}`), { code: 'ENOENT' })
      await assert.rejects(makeLocalFolders(`/proc/${name}/deep`), { code: 'ENOENT' })
    }
  })

  test('makes what is missing, and takes what is there', async () => {
    const root = await mkdtemp(join(tmpdir(), 'shoal-places-'))
    try {
      for (const path of ['a/caf\\xe9/b', 'a/caf\\xe9/b/\\xff', 'a/\\x5cx41'])
        for (let time = 0; time < 2; time++) await makeLocalFolders(join(root, path))
      for (const [folder, names] of [
        ['a', ['\\x5cx41', 'caf\\xe9']],
        ['a/caf\\xe9', ['b']],
        ['a/caf\\xe9/b', ['\\xff']],
      ] as const)
        assert.deepEqual(await localNames(join(root, folder)), names)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  })
})

describe('what a killed command has left at DEST', () => {
  const temporary = (): string => `.shoal-${crypto.randomUUID()}`

  afterEach(() => mock.timers.reset())

  test('goes with the next sync or get of that folder, once nobody can write it any more', () =>
    withNode(async ({ home, folder }) => {
      const run = (...words: readonly string[]): Promise<Outcome> =>
        runInProcess(['--home', home, ...words])
      const [src, dest] = [join(folder, 'src'), join(folder, 'dest')]
      const inDest = async (): Promise<string[]> =>
        (await readdir(dest, { recursive: true })).toSorted()
      await mkdir(join(src, 'deep'), { recursive: true })
      await run('sync', src, ':/src')
      for (const command of ['sync', 'get'] as const) {
        await run(command, ':/src', dest)
        const [left, other] = [temporary(), '.shoal-notes']
        for (const name of [left, `deep/${left}`, other]) await writeFile(join(dest, name), 'x')
        // Its time may be that of the file which it was to be.
        await utimes(join(dest, left), 1, 1)
        await run(command, ':/src', dest)
        assert.deepEqual(await inDest(), [other, left, 'deep', `deep/${left}`].toSorted())
        mock.timers.enable({ apis: ['Date'], now: Date.now() + 2 * HOUR_MS })
        const { stdout } = await run('sync', '--dry-run', ':/src', dest)
        assert.match(stdout, new RegExp(`delete ${join(dest, 'deep', left)}\n`))
        await run(command, ':/src', dest)
        mock.timers.reset()
        assert.deepEqual(await inDest(), [other, 'deep'].toSorted())
        await rm(dest, { recursive: true })
      }
    }))
})

describe('sync --dry-run', () => {
  test('a folder that is a root has one slash', () =>
    withNode(async ({ home, folder }) => {
      const run = (...words: readonly string[]): Promise<Outcome> =>
        runInProcess(['--home', home, ...words])
      const dest = join(folder, 'all')
      const { stdout } = await run('sync', '--dry-run', ':/', dest)
      assert.equal(stdout.split('\n')[0], `:/ -> ${dest}/`)
    }))
})
