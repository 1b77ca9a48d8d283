// The acceptance suite of the disk seam (node/world/world.ts), run against every implementation.
// The home folder itself is ''.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes, toByteString, utf8 } from '../../protocol/bytes.ts'
import { ShoalError } from '../../protocol/errors.ts'
import type { Disk } from '../../node/world/world.ts'

/** A disk with an empty home folder, and how to be rid of it. */
export interface DiskUnderTest {
  readonly disk: Disk
  readonly end: () => Promise<void>
}

/** Define the suite. */
export function diskSuite(name: string, make: () => Promise<DiskUnderTest>): void {
  describe(`disk: ${name}`, () => {
    fileSuite(make)
    folderSuite(make)
  })
}

function fileSuite(make: () => Promise<DiskUnderTest>): void {
  test('parts are written back to back and read at any position', () =>
    using(make, async (disk) => {
      const file = await disk.open('file', 'write')
      await file.write(0, [utf8('one'), utf8(''), utf8('two'), utf8('three')])
      await file.write(3, [utf8('TWO')])
      assert.equal(await file.size(), 11)
      assert.equal(toByteString(await file.read(2, 5)), 'eTWOt')
      await file.close()
    }))

  test('a read at the end is short, and one past the end is empty', () =>
    using(make, async (disk) => {
      const file = await disk.open('file', 'write')
      await file.write(0, [utf8('bytes')])
      assert.equal(toByteString(await file.read(3, 100)), 'es')
      assert.equal((await file.read(5, 10)).byteLength, 0)
      assert.equal((await file.read(500, 10)).byteLength, 0)
      assert.equal((await file.read(0, 0)).byteLength, 0)
      await file.close()
    }))

  test('bytes that were read belong to the caller', () =>
    using(make, async (disk) => {
      const file = await disk.open('file', 'write')
      await file.write(0, [utf8('bytes')])
      ;(await file.read(0, 5)).fill(0)
      assert.equal(toByteString(await file.read(0, 5)), 'bytes')
      await file.close()
    }))

  test('a write past the end fills the gap with zeros', () =>
    using(make, async (disk) => {
      const file = await disk.open('file', 'write')
      await file.write(4, [utf8('x')])
      assert.equal(toByteString(await file.read(0, 10)), '\0\0\0\0x')
      await file.close()
    }))

  test('one write takes thousands of parts', () =>
    using(make, async (disk) => {
      const parts = Array.from({ length: 5000 }, (_, i) => utf8(`part ${i};`))
      const file = await disk.open('file', 'write')
      await file.write(0, parts)
      const expected = concatBytes(parts)
      assert.equal(await file.size(), expected.byteLength)
      assert.deepEqual(toByteString(await file.read(0, 1e6)), toByteString(expected))
      await file.close()
    }))

  test('truncate cuts a file, or extends it with zeros', () =>
    using(make, async (disk) => {
      const file = await disk.open('file', 'write')
      await file.write(0, [utf8('bytes')])
      await file.truncate(2)
      await file.truncate(4)
      assert.equal(toByteString(await file.read(0, 10)), 'by\0\0')
      await file.close()
    }))

  test('open for writing keeps existing bytes, and readers see new ones at once', () =>
    using(make, async (disk) => {
      const first = await disk.open('file', 'write')
      await first.write(0, [utf8('kept')])
      await first.sync()
      await first.close()
      const writer = await disk.open('file', 'write')
      const reader = await disk.open('file', 'read')
      await writer.write(4, [utf8(' more')])
      assert.equal(toByteString(await reader.read(0, 100)), 'kept more')
      await writer.sync()
      await writer.close()
      await reader.close()
    }))

  test('open of a missing file for reading throws ENOENT with the path', () =>
    using(make, async (disk) => {
      await assert.rejects(disk.open('folder/absent', 'read'), withCode('ENOENT', /absent/))
    }))
}

function folderSuite(make: () => Promise<DiskUnderTest>): void {
  test('a folder lists its names in order, and a missing folder is empty', () =>
    using(make, async (disk) => {
      assert.deepEqual(await disk.list('absent'), [])
      await disk.makeFolder('a/b')
      await disk.makeFolder('a/b')
      for (const name of ['z', 'B', 'a10', 'a9']) {
        await (await disk.open(`a/b/${name}`, 'write')).close()
      }
      await disk.syncFolder('a/b')
      await disk.syncFolder('')
      assert.deepEqual(await disk.list('a/b'), ['B', 'a10', 'a9', 'z'])
      assert.deepEqual(await disk.list('a'), ['b'])
      assert.deepEqual(await disk.list(''), ['a'])
    }))

  test('a file in a missing folder cannot be created', () =>
    using(make, async (disk) => {
      await assert.rejects(disk.open('absent/file', 'write'), withCode('ENOENT', /absent/))
    }))

  test('a rename replaces its target', () =>
    using(make, async (disk) => {
      for (const name of ['old', 'new']) {
        const file = await disk.open(name, 'write')
        await file.write(0, [utf8(name)])
        await file.close()
      }
      await disk.rename('new', 'old')
      assert.deepEqual(await disk.list(''), ['old'])
      const file = await disk.open('old', 'read')
      assert.equal(toByteString(await file.read(0, 10)), 'new')
      await file.close()
      await assert.rejects(disk.rename('new', 'old'), withCode('ENOENT', /new/))
    }))

  test('a removed file is gone, and cannot be removed again', () =>
    using(make, async (disk) => {
      await (await disk.open('file', 'write')).close()
      await disk.remove('file')
      assert.deepEqual(await disk.list(''), [])
      await assert.rejects(disk.remove('file'), withCode('ENOENT', /file/))
    }))

  test('free space is at most the total space', () =>
    using(make, async (disk) => {
      const { freeBytes, totalBytes } = await disk.space()
      assert.ok(freeBytes >= 0 && freeBytes <= totalBytes && totalBytes > 0)
    }))

  test('a disk keeps its identity whatever becomes of its files', () =>
    using(make, async (disk) => {
      const identity = await disk.identity()
      assert.ok(identity.length >= 16)
      const file = await disk.open('file', 'write')
      await file.write(0, [utf8('bytes')])
      await file.sync()
      await file.close()
      await disk.rename('file', 'renamed')
      await disk.remove('renamed')
      assert.equal(await disk.identity(), identity)
    }))
}

async function using(
  make: () => Promise<DiskUnderTest>,
  run: (disk: Disk) => Promise<void>,
): Promise<void> {
  const { disk, end } = await make()
  try {
    await run(disk)
  } finally {
    await end()
  }
}

function withCode(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ShoalError && error.code === code && message.test(error.message)
}
