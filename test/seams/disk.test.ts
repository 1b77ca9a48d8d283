// The real disk, held to the seam. test/simulations does the same for the simulated one.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DIRECT_BYTES_MIN } from '../../node/world/direct-file.ts'
import { SystemDisk } from '../../node/world/disk.ts'
import { PAGE_BYTES, pageBuffers } from '../../node/world/page-buffers.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { MIB } from '../../protocol/units.ts'
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

test('large writes at any place are read back, with what is around them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-disk-'))
  try {
    const disk = new SystemDisk(folder)
    const file = await disk.open('file', 'write')
    const expected = new Uint8Array(12 * MIB)
    const write = async (position: number, lengths: readonly number[]): Promise<void> => {
      const parts = lengths.map((length) => randomBytes(length))
      await file.write(position, parts)
      expected.set(Buffer.concat(parts), position)
    }
    await write(0, [5000])
    // Beside each other, over each other, from and up to a page or not, of many parts and of one.
    await write(5000, [DIRECT_BYTES_MIN, 1, PAGE_BYTES])
    await write(3 * PAGE_BYTES, [DIRECT_BYTES_MIN])
    await write(5000 + DIRECT_BYTES_MIN + 1 + PAGE_BYTES, [9, 5 * MIB, 77])
    await write(2 * MIB - 1, [DIRECT_BYTES_MIN + 2])
    await write(
      8 * MIB,
      Array.from({ length: 40 }, () => 99_999),
    )
    assert.ok(equalBytes(await file.read(0, 13 * MIB), expected.subarray(0, await file.size())))
    assert.equal(await file.size(), 8 * MIB + 40 * 99_999)
    await file.sync()
    await file.close()
    const again = await disk.open('file', 'read')
    assert.ok(equalBytes(await again.read(0, 13 * MIB), expected.subarray(0, await again.size())))
    await again.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('what is written from buffers of pages is not copied, and they may be used again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-disk-'))
  const buffer = pageBuffers.take()
  try {
    const disk = new SystemDisk(folder)
    const file = await disk.open('file', 'write')
    // As it lies in its page, so it does in the file's.
    const skipped = 1234
    const bytes = buffer.subarray(skipped, 3 * MIB)
    for (let position = skipped; position < 9 * MIB; position += 3 * MIB) {
      bytes.set(randomBytes(bytes.length))
      const free = pageBuffers.freeBytes
      await file.write(position, [bytes])
      assert.equal(pageBuffers.freeBytes, free, 'no other buffer was taken')
      assert.ok(equalBytes(await file.read(position, bytes.length), bytes))
    }
    await file.close()
  } finally {
    pageBuffers.giveBack(buffer)
    await rm(folder, { recursive: true })
  }
})
