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

test('close waits for the journal, and on request for the disk; fsync does always', async () => {
  for (const isSynced of [false, true]) {
    const { fs, inode, volume } = await mountedVolume({ isSynced })
    const handle = await fs.open(inode, READ_WRITE)
    const waits: (boolean | undefined)[] = []
    const written = Promise.withResolvers<void>()
    volume.keep = async (how) => {
      waits.push(how?.sync)
      await written.promise
    }
    await fs.write(handle, 0, Buffer.from('after!'))
    const closed = fs.flush(handle)
    assert.equal(await hasEnded(closed), false)
    const synced = fs.fsync(handle)
    assert.equal(await hasEnded(synced), false)
    assert.deepEqual(waits, [isSynced, true])
    written.resolve()
    await Promise.all([closed, synced])
  }
})

test('close of a new, empty file waits as well', async () => {
  const { fs, volume } = await mountedVolume()
  const { handle } = await fs.create(1, 'new', 0o644, { uid: 0, gid: 0, umask: 0 })
  const written = Promise.withResolvers<void>()
  volume.keep = () => written.promise
  const closed = fs.flush(handle)
  assert.equal(await hasEnded(closed), false)
  written.resolve()
  await closed
})

test('a disk failure is reported by close and by fsync', async () => {
  const { fs, inode, volume } = await mountedVolume()
  const handle = await fs.open(inode, READ_WRITE)
  volume.keep = async () => {
    throw new ShoalError('EIO', 'the disk is broken')
  }
  await fs.write(handle, 0, Buffer.from('after!'))
  await assert.rejects(fs.flush(handle), { code: 'EIO' })
  await assert.rejects(fs.fsync(handle), { code: 'EIO' })
})
