// The simulated disk, held to the seam, and what its crashes leave.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { toByteString, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import { SimulatedDisk } from '../../simulations/disk.ts'
import { SimulatedProcess } from '../../simulations/process.ts'
import { SeededRandom } from '../../simulations/random.ts'
import { Scheduler } from '../../simulations/scheduler.ts'
import { diskSuite } from '../seams/disk.ts'
import type { Disk } from '../../node/world/world.ts'

diskSuite('SimulatedDisk', async () => {
  const { scheduler, disk } = freshDisk('suite')
  const pump = scheduler.pump()
  return { disk, end: async () => pump[Symbol.dispose]() }
})

describe('crashes of a simulated disk', () => {
  test('synced data survives every power loss, with its name', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { scheduler, disk } = freshDisk(seed)
      await scheduler.finish(writeSynced(disk, 'folder/kept', 'kept bytes'))
      await scheduler.finish(append(disk, 'folder/kept', ' and more'))
      const left = disk.crash(new SimulatedProcess(scheduler, 'next'))
      const text = await scheduler.finish(readAll(left, 'folder/kept'))
      assert.ok(text.startsWith('kept bytes'), `seed ${seed}: "${text}"`)
    }
  })

  test('unsynced data is kept, lost or torn, each in some run', async () => {
    const fates = new Set<string>()
    for (let seed = 0; seed < 60; seed++) {
      const { scheduler, disk } = freshDisk(seed)
      await scheduler.finish(writeSynced(disk, 'file', ''))
      await scheduler.finish(append(disk, 'file', 'x'.repeat(2048)))
      const left = disk.crash(new SimulatedProcess(scheduler, 'next'))
      const text = await scheduler.finish(readAll(left, 'file'))
      fates.add(text === '' ? 'lost' : text === 'x'.repeat(2048) ? 'kept' : 'torn')
    }
    assert.deepEqual(fates, new Set(['kept', 'lost', 'torn']))
  })

  test('a killed process loses no completed write', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { scheduler, disk } = freshDisk(seed)
      await scheduler.finish(append(disk, 'file', 'written'))
      const left = disk.restart(new SimulatedProcess(scheduler, 'next'))
      assert.equal(await scheduler.finish(readAll(left, 'file')), 'written')
    }
  })

  test('the identity of a disk survives crashes; an image has it, a copy does not', async () => {
    const { scheduler, disk } = freshDisk('identity')
    const identity = await scheduler.finish(disk.identity())
    const next = (): SimulatedProcess => new SimulatedProcess(scheduler, 'next')
    for (const same of [
      disk.crash(next()),
      disk.restart(next()),
      disk.clone(next(), { image: true }),
    ])
      assert.equal(await scheduler.finish(same.identity()), identity)
    const copies = [disk.clone(next()), disk.clone(next())]
    const others = await Promise.all(copies.map((copy) => scheduler.finish(copy.identity())))
    assert.equal(new Set([identity, ...others]).size, 3)
  })

  test('a full disk takes what fits and fails with ENOSPC', async () => {
    const { scheduler, disk } = freshDisk('full')
    disk.capacityBytes = 10
    const full = (error: unknown): boolean => error instanceof ShoalError && error.code === 'ENOSPC'
    await assert.rejects(scheduler.finish(append(disk, 'file', 'more than fits')), full)
    assert.equal(await scheduler.finish(readAll(disk, 'file')), 'more than ')
  })
})

function freshDisk(seed: string | number): { scheduler: Scheduler; disk: SimulatedDisk } {
  const scheduler = new Scheduler(seed)
  const process = new SimulatedProcess(scheduler, 'test')
  const disk = new SimulatedDisk({ process, random: new SeededRandom(seed, 'disk') })
  return { scheduler, disk }
}

async function writeSynced(disk: Disk, path: string, text: string): Promise<void> {
  const folder = path.split('/').slice(0, -1).join('/')
  await disk.makeFolder(folder)
  await append(disk, path, text)
  const file = await disk.open(path, 'write')
  await file.sync()
  await file.close()
  await disk.syncFolder(folder)
  await disk.syncFolder('')
}

async function append(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, 'write')
  await file.write(await file.size(), [utf8(text)])
  await file.close()
}

async function readAll(disk: Disk, path: string): Promise<string> {
  const file = await disk.open(path, 'read')
  const bytes = await file.read(0, await file.size())
  await file.close()
  return toByteString(bytes)
}
