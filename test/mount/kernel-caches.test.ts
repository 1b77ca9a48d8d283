// The kernel does not ask again for what it caches, until it is told of a change: requests are
// counted.
import assert from 'node:assert/strict'
import { appendFile, open, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { mounted, skip, until } from './mounted.ts'
import type { Mounted } from './mounted.ts'

const FILES = 100
/**
 * The kernel may take whatever it keeps when it wants the memory, so that one attempt says little;
 * a fault is in each.
 */
const ATTEMPTS = 5
const options = { skip, timeout: 60_000 }
/** Opening and closing are always told. */
const HANDLES: ReadonlySet<string> = new Set(['open', 'release', 'openFolder', 'releaseFolder'])

/** Names of the operations that the kernel asks for from now on, those on handles aside. */
function counted({ fileSystem }: Mounted): string[] {
  const asked: string[] = []
  fileSystem.before = (operation) => {
    if (!HANDLES.has(operation)) asked.push(operation)
  }
  return asked
}

/**
 * In one of some attempts, nothing is asked for that should have been kept. `attempt` resolves to
 * what was.
 */
async function isKept(attempt: () => Promise<readonly string[]>): Promise<void> {
  for (let left = ATTEMPTS - 1; ; left--) {
    const asked = await attempt()
    if (asked.length === 0) return
    if (left === 0) assert.deepEqual(asked, [])
  }
}

async function useAll({ at, folder }: Mounted): Promise<void> {
  assert.equal((await readdir(folder)).length, FILES)
  for (let file = 0; file < FILES; file++) {
    assert.equal((await stat(at(`f${file}`))).size, 100_000)
    assert.equal((await readFile(at(`f${file}`))).length, 100_000)
    await assert.rejects(stat(at(`absent ${file}`)), { code: 'ENOENT' })
  }
}

/** Files of which the kernel has everything. */
async function warm(mount: Mounted): Promise<void> {
  for (let file = 0; file < FILES; file++) mount.fileSystem.putFile(`f${file}`, letters('a'))
  // A folder's list is kept from the second time on.
  for (let time = 0; time < 2; time++) await useAll(mount)
}

function letters(letter: string): string {
  return letter.repeat(100_000)
}

test('listings, lookups, reads and absent names are cached by the kernel', options, async (t) => {
  const mount = await mounted(t)
  await warm(mount)
  const asked = counted(mount)
  await isKept(async () => {
    asked.length = 0
    await useAll(mount)
    return asked
  })
})

test(
  'an invalidated file is requested again when opened, and no other file',
  options,
  async (t) => {
    const mount = await mounted(t)
    await warm(mount)
    await using held = await open(mount.at('f7'))
    const asked = counted(mount)
    await isKept(async () => {
      const inode = mount.fileSystem.putFile('f7', letters('b'))
      mount.mount.invalidator.inode(inode)
      await mount.mount.invalidator.settled()
      asked.length = 0
      assert.equal(await readFile(mount.at('f7'), 'utf8'), letters('b'))
      assert.ok(asked.includes('read') && asked.includes('getAttributes'))
      // For all that the kernel knows, the read has moved its access time.
      await stat(mount.at('f7'))
      asked.length = 0
      const { buffer } = await held.read(Buffer.alloc(1), 0, 1, 0)
      assert.equal(buffer.toString(), 'b')
      await useAll(mount)
      return asked
    })
  },
)

test(
  'an invalidated name is looked up again, and its folder listed, and no other',
  options,
  async (t) => {
    const mount = await mounted(t)
    await warm(mount)
    await mount.fileSystem.unlink(1, 'f7')
    mount.fileSystem.putFile('absent 7', letters('c'))
    for (const name of ['f7', 'absent 7']) mount.mount.invalidator.entry(1, name)
    await mount.mount.invalidator.settled()
    const asked = counted(mount)
    await assert.rejects(stat(mount.at('f7')), { code: 'ENOENT' })
    assert.equal((await stat(mount.at('absent 7'))).size, 100_000)
    assert.ok((await readdir(mount.folder)).includes('absent 7'))
    assert.equal(asked.filter((operation) => operation === 'lookup').length, 2)
    await until(async () => {
      asked.length = 0
      await readdir(mount.folder)
      return asked.length === 0
    })
    await isKept(async () => {
      asked.length = 0
      for (let file = 10; file < FILES; file++) await stat(mount.at(`f${file}`))
      return asked
    })
  },
)

test('creating a file just made elsewhere opens it, and fails with O_EXCL', options, async (t) => {
  const { fileSystem, at } = await mounted(t)
  for (const name of ['a', 'b', 'c']) {
    await assert.rejects(stat(at(name)), { code: 'ENOENT' })
    fileSystem.putFile(name, 'theirs')
  }
  await appendFile(at('a'), ' and ours')
  await writeFile(at('b'), 'ours')
  await assert.rejects(writeFile(at('c'), 'ours', { flag: 'wx' }), { code: 'EEXIST' })
  assert.equal(await readFile(at('a'), 'utf8'), 'theirs and ours')
  assert.equal(await readFile(at('b'), 'utf8'), 'ours')
  assert.equal(await readFile(at('c'), 'utf8'), 'theirs')
})

test(
  'a name that the file system keeps out of the cache is looked up each time',
  options,
  async (t) => {
    const { fileSystem, folder, at } = await mounted(t)
    fileSystem.keepsName = (name) => !name.startsWith('passing')
    for (const name of ['a', 'passing a']) fileSystem.putFile(name, 'x')
    const names = ['a', 'b', 'passing a', 'passing b']
    const isThere = async (): Promise<boolean[]> =>
      Promise.all(names.map((name) => stat(at(name)).then(Boolean, () => false)))
    await readdir(folder)
    assert.deepEqual(await isThere(), [true, false, true, false])
    for (const name of ['a', 'passing a']) await fileSystem.unlink(1, name)
    for (const name of ['b', 'passing b']) fileSystem.putFile(name, 'x')
    assert.deepEqual(await isThere(), [true, false, false, true])
  },
)
