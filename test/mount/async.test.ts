// The work that closing a file waits for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '../../protocol/errors.ts'
import { mountedVolume } from './mounted-volume.ts'

const READ_WRITE = 2

/** Did it end within this turn of the event loop? */
async function hasEnded(call: Promise<unknown>): Promise<boolean> {
  let ended = false
  void call.then(
    () => (ended = true),
    () => (ended = true),
  )
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
  return ended
}

test('close waits for the disk; on an asynchronous mount only fsync does', async () => {
  for (const isAsync of [false, true]) {
    const { fs, inode, volume } = await mountedVolume({ isAsync })
    const handle = await fs.open(inode, READ_WRITE)
    const written = Promise.withResolvers<void>()
    volume.commit = () => written.promise
    await fs.write(handle, 0, Buffer.from('after!'))
    const closed = fs.flush(handle)
    const synced = fs.fsync(handle)
    assert.equal(await hasEnded(closed), isAsync)
    assert.equal(await hasEnded(synced), false)
    written.resolve()
    await Promise.all([closed, synced])
  }
})

test('close of a new, empty file waits for the disk', async () => {
  const { fs, volume } = await mountedVolume()
  const { handle } = await fs.create(1, 'new', 0o644, { uid: 0, gid: 0, umask: 0 })
  const written = Promise.withResolvers<void>()
  volume.commit = () => written.promise
  const closed = fs.flush(handle)
  assert.equal(await hasEnded(closed), false)
  written.resolve()
  await closed
})

test('a disk failure after close is reported by fsync', async () => {
  const { fs, inode, volume } = await mountedVolume({ isAsync: true })
  const handle = await fs.open(inode, READ_WRITE)
  volume.commit = async () => {
    throw new ShoalError('EIO', 'the disk is broken')
  }
  await fs.write(handle, 0, Buffer.from('after!'))
  await fs.flush(handle)
  await assert.rejects(fs.fsync(handle), { code: 'EIO' })
})
