// Times set by a program are kept, whatever is being logged at that moment.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mountedVolume } from './mounted-volume.ts'

const READ_WRITE = 2
const SET_NS = 1_000_000_000_000_000_007n

test('a time set while a write is being logged is the one that stays', async () => {
  for (let steps = 0; steps < 16; steps++) {
    const { fs, inode } = await mountedVolume()
    const handle = await fs.open(inode, READ_WRITE)
    await fs.write(handle, 0, Buffer.from('after!'))
    const synced = fs.fsync(handle)
    for (let step = 0; step < steps; step++) await Promise.resolve()
    await fs.setAttributes(inode, { modifiedNs: SET_NS }, handle)
    await synced
    await fs.release(handle)
    assert.equal((await fs.getAttributes(inode)).modifiedNs, SET_NS, `after ${steps} steps`)
  }
})
