// A tier in a folder: the rules of the seam, and those peculiar to a folder.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { FolderTier, PARTIAL_FOLDER, PARTIAL_KEPT_MS } from '../../node/world/tiers/dir.ts'
import {
  assertSame,
  forever,
  get,
  keysOf,
  objectTierSuite,
  patternOf,
  put,
  says,
} from '../seams/object-tier.ts'
import { bounded, clock, random, TIER_NAME } from './tiers.ts'
import type { ObjectTier } from '../../node/world/world.ts'

objectTierSuite('folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-tier-'))
  return {
    tier: tierIn(folder),
    fill: (keys) => fillFolder(folder, keys),
    end: () => rm(folder, { recursive: true }),
  }
})

test('a missing tier folder is not created, and its objects are not reported missing', () =>
  using(async (folder) => {
    const tier = tierIn(join(folder, 'disk'))
    const gone = says('cold-gone', TIER_NAME, join(folder, 'disk'), 'mount')
    await assert.rejects(put(tier, 'a', patternOf(1)), gone)
    await assert.rejects(get(tier, 'a'), gone)
    await assert.rejects(tier.head('a', { signal: forever() }), gone)
    await assert.rejects(keysOf(tier), gone)
    await assert.rejects(tier.remove(['a'], { signal: forever() }), gone)
    await assert.rejects(tier.check({ signal: forever() }), gone)
    assert.deepEqual(await readdir(folder), [])
  }))

test('a tier on a disk that was mounted again has all its objects', () =>
  using(async (folder) => {
    await mkdir(join(folder, 'disk'))
    const tier = tierIn(join(folder, 'disk'))
    await put(tier, 'a/b', patternOf(9))
    await rename(join(folder, 'disk'), join(folder, 'away'))
    await assert.rejects(get(tier, 'a/b'), says('cold-gone'))
    await rename(join(folder, 'away'), join(folder, 'disk'))
    assertSame(await get(tier, 'a/b'), patternOf(9))
  }))

test('symlinks that lead out of the tier are not followed', () =>
  using(async (folder) => {
    const [inside, outside] = [join(folder, 'in'), join(folder, 'out')]
    await mkdir(inside)
    await mkdir(outside)
    await writeFile(join(outside, 'secret'), 'secret')
    await symlink(outside, join(inside, 'link'))
    await symlink(join(outside, 'secret'), join(inside, 'file'))
    const tier = tierIn(inside)
    await assert.rejects(get(tier, 'link/secret'), says('cold-denied', 'link/secret'))
    await assert.rejects(put(tier, 'link/new', patternOf(1)), says('cold-denied', 'link/new'))
    await assert.rejects(tier.remove(['link/secret'], { signal: forever() }), says('cold-denied'))
    await assert.rejects(get(tier, 'file'), says('cold-denied'))
    assert.deepEqual(await keysOf(tier), [])
    assert.deepEqual(await readdir(outside), ['secret'])
  }))

test('nothing is made, written, listed or removed through a symlink in the tier', () =>
  using(async (folder) => {
    const [inside, outside] = [join(folder, 'in'), join(folder, 'out')]
    await mkdir(inside)
    await mkdir(outside)
    const precious = join(outside, 'precious')
    await writeFile(precious, 'x')
    const old = new Date(clock.wall() - PARTIAL_KEPT_MS - 1000)
    await utimes(precious, old, old)
    const tier = tierIn(inside)
    await symlink(outside, join(inside, 'link'))
    await assert.rejects(put(tier, 'link/deep/new', patternOf(1)), says('cold-denied', 'link'))
    await assert.rejects(keysOf(tier, 'link/'), says('cold-denied', 'link'))
    await symlink(precious, join(inside, 'file'))
    assert.equal(await tier.head('file', { signal: forever() }), undefined)
    // Where what is put lies before it is whole, and old files are cleared away.
    await rm(join(inside, PARTIAL_FOLDER), { recursive: true, force: true })
    await symlink(outside, join(inside, PARTIAL_FOLDER))
    await assert.rejects(put(tier, 'new', patternOf(1)), says('cold-denied', PARTIAL_FOLDER))
    await assert.rejects(tier.check({ signal: forever() }), says('cold-denied', PARTIAL_FOLDER))
    await rm(join(inside, PARTIAL_FOLDER))
    await mkdir(join(inside, 'packs'))
    await writeFile(join(inside, 'packs', 'pack'), 'x')
    await utimes(join(inside, 'packs', 'pack'), old, old)
    await symlink('packs', join(inside, PARTIAL_FOLDER))
    await assert.rejects(tier.check({ signal: forever() }), says('cold-denied', PARTIAL_FOLDER))
    assert.deepEqual(await readdir(join(inside, 'packs')), ['pack'])
    assert.deepEqual(await readdir(outside), ['precious'])
  }))

test('a FIFO in place of an object is not an object, and is not waited for', () =>
  using(async (folder) => {
    spawnSync('mkfifo', [join(folder, 'pipe')])
    const tier = tierIn(folder)
    await assert.rejects(get(tier, 'pipe'), says('cold-denied', 'pipe'))
    assert.equal(await tier.head('pipe', { signal: forever() }), undefined)
    assert.deepEqual(await keysOf(tier), [])
  }))

test('a partial put of a killed process is not an object, and is removed after a day', () =>
  using(async (folder) => {
    const tier = tierIn(folder)
    const partials = join(folder, PARTIAL_FOLDER)
    await mkdir(partials)
    await writeFile(join(partials, 'old'), 'x')
    await writeFile(join(partials, 'new'), 'x')
    const old = new Date(clock.wall() - PARTIAL_KEPT_MS - 1000)
    await utimes(join(partials, 'old'), old, old)
    assert.deepEqual(await keysOf(tier), [])
    await tier.check({ signal: forever() })
    assert.deepEqual(await readdir(partials), ['new'])
    await assert.rejects(get(tier, `${PARTIAL_FOLDER}/new`), says('cold-denied'))
  }))

test(
  'a tier folder without write permission is reported as such',
  { skip: process.getuid?.() === 0 ? 'root may write everywhere' : false },
  () =>
    using(async (folder) => {
      await chmod(folder, 0o500)
      await assert.rejects(
        tierIn(folder).check({ signal: forever() }),
        says('cold-denied', 'rights'),
      )
      await chmod(folder, 0o700)
    }),
)

function tierIn(path: string): ObjectTier {
  const location = { kind: 'dir', path } as const
  return bounded(new FolderTier({ clock, random }, location, { name: TIER_NAME }))
}

async function fillFolder(folder: string, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await mkdir(dirname(join(folder, key)), { recursive: true })
    await writeFile(join(folder, key), 'x')
  }
}

async function using(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-tier-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
