// A close that fails leaves nothing visible: neither to the next open of the file, nor in the
// kernel caches.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { mountedVolume } from './mounted-volume.ts'
import type { VolumeFileSystem } from '../../node/mount/operations.ts'

const READ_WRITE = 2
const { signal } = new AbortController()

async function textOf(fs: VolumeFileSystem, inode: number): Promise<string> {
  const handle = await fs.open(inode, 0)
  const parts = await fs.read(handle, 0, 100, signal)
  await fs.release(handle)
  return Buffer.concat(parts).toString()
}

describe('a refused write', () => {
  test('a failed close drops a refused write, also in the kernel, before it returns', async () => {
    const { fs, inode, told, state } = await mountedVolume()
    const handle = await fs.open(inode, READ_WRITE)
    await fs.write(handle, 0, Buffer.from('refused bytes'))
    state.refusing = true
    await assert.rejects(fs.flush(handle), { code: 'NO_QUORUM' })
    assert.deepEqual(told, [inode, 'settled'])
    assert.equal(await textOf(fs, inode), 'before')
    assert.equal((await fs.getAttributes(inode)).sizeBytes, 6)
    await fs.release(handle)
    assert.equal(await textOf(fs, inode), 'before')
  })

  test('a refused write leaves no hole: its handles fail from then on, others work', async () => {
    const { fs, inode, state } = await mountedVolume()
    const handle = await fs.open(inode, READ_WRITE)
    await fs.write(handle, 0, Buffer.from('first '))
    state.refusing = true
    await assert.rejects(fs.flush(handle), { code: 'NO_QUORUM' })
    state.refusing = false
    await assert.rejects(fs.write(handle, 6, Buffer.from('second')), { code: 'NO_QUORUM' })
    for (const end of [fs.flush(handle), fs.fsync(handle)])
      await assert.rejects(end, { code: 'NO_QUORUM' })
    assert.equal(Buffer.concat(await fs.read(handle, 0, 9, signal)).toString(), 'before')
    const other = await fs.open(inode, READ_WRITE)
    await fs.write(other, 0, Buffer.from('B'))
    await fs.flush(other)
    await fs.release(handle)
    await fs.release(other)
    assert.equal(await textOf(fs, inode), 'Before')
  })

  test('a refused write stays after a failed fsync, so that programs may try again', async () => {
    const { fs, inode, told, state } = await mountedVolume()
    const handle = await fs.open(inode, READ_WRITE)
    await fs.write(handle, 0, Buffer.from('after!'))
    state.refusing = true
    await assert.rejects(fs.fsync(handle), { code: 'NO_QUORUM' })
    state.refusing = false
    await fs.fsync(handle)
    await fs.release(handle)
    assert.equal(await textOf(fs, inode), 'after!')
    assert.ok(!told.includes('settled'))
  })

  test('a refused write is dropped when a release or a truncate by path fails', async () => {
    const { fs, inode, told, state } = await mountedVolume()
    const handle = await fs.open(inode, READ_WRITE)
    await fs.write(handle, 0, Buffer.from('refused bytes'))
    state.refusing = true
    await assert.rejects(fs.release(handle), { code: 'NO_QUORUM' })
    await assert.rejects(fs.setAttributes(inode, { sizeBytes: 0 }, undefined), {
      code: 'NO_QUORUM',
    })
    assert.deepEqual(told, [inode, 'settled', inode, 'settled'])
    assert.equal(await textOf(fs, inode), 'before')
  })

  test('a refused write loses nothing of other files when the mount ends', async () => {
    const { fs, inode, replica, state } = await mountedVolume()
    const maker = { uid: 0, gid: 0, umask: 0 }
    const handle = await fs.open(inode, READ_WRITE)
    const other = await fs.create(1, 'other', 0o644, maker)
    await fs.write(handle, 0, Buffer.from('refused'))
    await fs.write(other.handle, 0, Buffer.from('taken'))
    let asked = 0
    Object.defineProperty(state, 'refusing', { get: () => asked++ === 0 })
    await assert.rejects(fs.close(), { code: 'NO_QUORUM' })
    const sizes = ['f', 'other'].map(
      (name) => replica.namespace.attributes(replica.at(name)).sizeBytes,
    )
    assert.deepEqual(sizes, ['before'.length, 'taken'.length])
  })
})
