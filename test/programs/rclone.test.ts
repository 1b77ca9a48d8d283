// A tier on a remote of rclone, here a folder, held to the seam; and what is peculiar to rclone.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { PARTIAL_FOLDER } from '../../node/world/tiers/dir.ts'
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
import { rcloneTier, TIER_NAME } from '../cold/tiers.ts'
import { need } from './need.ts'

need('rclone')

const LOCAL = { TYPE: 'local' }

objectTierSuite('rclone to a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-rclone-'))
  const root = join(folder, 'remote')
  await mkdir(root)
  const fill = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) {
      await mkdir(dirname(join(root, key)), { recursive: true })
      await writeFile(join(root, key), 'x')
    }
  }
  return {
    tier: rcloneTier(folder, root, LOCAL),
    fill,
    end: () => rm(folder, { recursive: true }),
  }
})

describe('rclone', () => {
  test('a folder that is not there is not made, and nothing in it is said to be missing', () =>
    using(async (folder) => {
      const tier = rcloneTier(folder, join(folder, 'remote'), LOCAL)
      const gone = says('cold-gone', TIER_NAME, 'rclone mkdir')
      await assert.rejects(put(tier, 'a', patternOf(1)), gone)
      await assert.rejects(get(tier, 'a'), gone)
      await assert.rejects(tier.head('a', { signal: forever() }), gone)
      await assert.rejects(keysOf(tier), gone)
      await assert.rejects(tier.check({ signal: forever() }), gone)
      assert.deepEqual(await readdir(folder), ['spool'])
      assert.deepEqual(await readdir(join(folder, 'spool')), [])
    }))

  test('a remote that rclone does not know is named, with what to do', () =>
    using(async (folder) => {
      const tier = rcloneTier(folder, 'path', {})
      await assert.rejects(
        tier.check({ signal: forever() }),
        says('cold-gone', TIER_NAME, 'rclone config'),
      )
    }))

  test('without the program there is a word on how to get it', () =>
    using(async (folder) => {
      const tier = rcloneTier(folder, 'path', LOCAL, join(folder, 'no-rclone'))
      await assert.rejects(
        tier.check({ signal: forever() }),
        says('unsupported', TIER_NAME, 'apt install rclone'),
      )
    }))

  test('what a killed process was putting is no object', () =>
    using(async (folder) => {
      const root = join(folder, 'remote')
      await mkdir(join(root, PARTIAL_FOLDER), { recursive: true })
      await writeFile(join(root, PARTIAL_FOLDER, 'half'), 'x')
      const tier = rcloneTier(folder, root, LOCAL)
      await tier.check({ signal: forever() })
      assert.deepEqual(await keysOf(tier), [])
      await put(tier, 'a/b', patternOf(70_000))
      assert.deepEqual(await keysOf(tier), ['a/b'])
      await rename(join(root, 'a'), join(root, 'c'))
      assertSame(await get(tier, 'c/b'), patternOf(70_000))
    }))

  test('an object that cannot be asked back is said to be so', () =>
    using(async (folder) => {
      await mkdir(join(folder, 'remote'))
      const tier = rcloneTier(folder, join(folder, 'remote'), LOCAL)
      await put(tier, 'a', patternOf(1))
      await assert.rejects(tier.restore('a', 1, { signal: forever() }), says('unsupported', 'a'))
    }))
})

async function using(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-rclone-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
