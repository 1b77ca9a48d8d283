// The real disk, held to the seam. test/simulations does the same for the simulated one.
import assert from 'node:assert/strict'
import { cp, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SystemDisk } from '../../node/world/disk.ts'
import { diskSuite } from './disk.ts'

diskSuite('SystemDisk', async () => {
  const home = await mkdtemp(join(tmpdir(), 'shoal-disk-'))
  return { disk: new SystemDisk(home), end: () => rm(home, { recursive: true }) }
})

test('a copy of a home has another identity; a moved or reopened one keeps its own', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-disk-'))
  try {
    const [home, copy, moved] = ['home', 'copy', 'moved'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await new SystemDisk(folder).makeFolder('home')
    const identity = await new SystemDisk(home).identity()
    await cp(home, copy, { recursive: true, preserveTimestamps: true })
    const ofCopy = await new SystemDisk(copy).identity()
    assert.notEqual(ofCopy, identity)
    assert.equal(await new SystemDisk(home).identity(), identity)
    await rename(home, moved)
    assert.equal(await new SystemDisk(moved).identity(), identity)
    // Back to where it was.
    await cp(copy, home, { recursive: true, preserveTimestamps: true })
    assert.ok(![identity, ofCopy].includes(await new SystemDisk(home).identity()))
  } finally {
    await rm(folder, { recursive: true })
  }
})
