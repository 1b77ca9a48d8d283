// Files whose last name was removed while they were open.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Machine } from '../node/log/machines.ts'
import { exchange } from '../node/log/replicas.ts'
import { mountedVolume } from './mounted-volume.ts'
import type { VolumeFileSystem } from '../../node/mount/operations.ts'
import type { Replica } from '../node/log/replicas.ts'

const READ_WRITE = 2
const ROOT_INODE = 1
const { signal } = new AbortController()

/**
 * Until the log has forgotten what was removed: a checkpoint purges what was gone at the one before
 * it.
 */
async function forgotten(replica: Replica): Promise<void> {
  const machine = new Machine(replica)
  for (let count = 0; count < 2; count++) {
    await replica.volume.commit()
    await machine.makeCheckpoint()
  }
  await machine.checkpoints.stop()
  assert.deepEqual(machine.notes, [])
}

async function textOf(fs: VolumeFileSystem, handle: number): Promise<string> {
  return Buffer.concat(await fs.read(handle, 0, 100, signal)).toString()
}

test('open files stay after their removal until closed, though the log forgot them', async () => {
  const { fs, replica, inode } = await mountedVolume()
  const { handle: replaced } = await fs.create(ROOT_INODE, 'g', 0o600, maker())
  const handle = await fs.open(inode, READ_WRITE)
  await fs.write(handle, 6, Buffer.from('hand'))
  await fs.unlink(ROOT_INODE, 'f')
  await fs.create(ROOT_INODE, 'h', 0o600, maker())
  await fs.rename(ROOT_INODE, 'h', ROOT_INODE, 'g', 0)
  await forgotten(replica)
  assert.deepEqual(await replica.names(), ['g'])
  assert.equal(await textOf(fs, handle), 'beforehand')
  await fs.write(handle, 0, Buffer.from('B'))
  await fs.fsync(handle)
  await fs.write(handle, 10, Buffer.from('!'))
  const { sizeBytes, linkCount, mode } = await fs.setAttributes(inode, { mode: 0o640 }, handle)
  assert.deepEqual([sizeBytes, linkCount, mode], [11, 0, 0o640])
  const again = await fs.open(inode, READ_WRITE)
  await fs.flush(handle)
  await fs.release(handle)
  assert.equal(await textOf(fs, again), 'Beforehand!')
  assert.equal(await textOf(fs, replaced), '')
  await fs.release(again)
  await fs.release(replaced)
  const last = await fs.open(inode, 0)
  assert.equal(await textOf(fs, last), 'Beforehand!')
  await fs.release(last)
  fs.forget(inode, 1)
  await assert.rejects(fs.open(inode, 0), { code: 'ESTALE' })
})

test('a file removed between lookup and open is opened as it was', async () => {
  const { fs, replica, inode } = await mountedVolume()
  await fs.create(ROOT_INODE, 'g', 0o600, maker())
  await fs.rename(ROOT_INODE, 'g', ROOT_INODE, 'f', 0)
  await forgotten(replica)
  const handle = await fs.open(inode, READ_WRITE)
  assert.equal(await textOf(fs, handle), 'before')
  await fs.write(handle, 0, Buffer.from('B'))
  const again = await fs.open(inode, 0)
  await fs.release(handle)
  assert.equal(await textOf(fs, again), 'Before')
  fs.forget(inode, 1)
  await fs.release(again)
  await assert.rejects(fs.open(inode, 0), { code: 'ESTALE' })
  assert.deepEqual(await replica.names(), ['f'])
})

test('changes to a removed open file are not logged', async () => {
  const { fs, volume, inode } = await mountedVolume()
  const handle = await fs.open(inode, READ_WRITE)
  await fs.unlink(ROOT_INODE, 'f')
  await volume.commit()
  await fs.read(handle, 0, 1, signal)
  const before = volume.actors.hlc
  await fs.write(handle, 0, Buffer.from('x'))
  await fs.setAttributes(inode, { mode: 0o640, modifiedNs: 1n }, undefined)
  await fs.fsync(handle)
  await fs.release(handle)
  await volume.commit()
  assert.equal(volume.actors.hlc, before)
})

test('a removed open file that was changed elsewhere shows again, as it is there', async () => {
  const { fs, replica, inode } = await mountedVolume()
  const other = await replica.member('bob')
  await exchange(replica, other)
  const handle = await fs.open(inode, READ_WRITE)
  const there = other.namespace.resolvePath(['f'])
  other.rewrite(there, 'theirs')
  await fs.unlink(ROOT_INODE, 'f')
  await fs.read(handle, 0, 1, signal)
  assert.equal((await fs.getAttributes(inode)).linkCount, 0)
  await exchange(replica, other)
  const found = await fs.lookup(ROOT_INODE, 'f')
  assert.deepEqual([found?.inode, found?.linkCount, found?.sizeBytes], [inode, 1, 6])
  assert.equal(await textOf(fs, handle), 'theirs')
})

test('writes by the mount itself do not invalidate the kernel cache', async () => {
  const { fs, inode, told } = await mountedVolume()
  const handle = await fs.open(inode, READ_WRITE)
  await fs.write(handle, 0, Buffer.from('B'))
  await fs.flush(handle)
  await fs.release(handle)
  assert.deepEqual(told, [])
})

function maker(): { uid: number; gid: number; umask: number } {
  return { uid: 0, gid: 0, umask: 0 }
}
