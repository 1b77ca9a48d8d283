// Archives that the console makes of folders, read back by their directory.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { Zip } from '../../console/files/zip.ts'

const END_BYTES = 22
const LOCATOR_BYTES = 20

describe('an archive', () => {
  test('has every file as it is, by its name, and folders without any', async () => {
    const files: readonly (readonly [string, string])[] = [
      ['d/<img onerror=x> ü.txt', 'hello'],
      ['d/none/', ''],
      ['d/b', 'x'.repeat(100_000)],
    ]
    const zip = new Zip()
    for (const [name, text] of files) await zip.add(name, new Blob([text]))
    const bytes = Buffer.from(await zip.end().arrayBuffer())
    assert.deepEqual(read(bytes), files)
  })
})

/** By the directory at its end, as programs read it. */
function read(bytes: Buffer): (readonly [string, string])[] {
  const locator = bytes.length - END_BYTES - LOCATOR_BYTES
  assert.equal(bytes.readUInt32LE(bytes.length - END_BYTES), 0x06054b50)
  assert.equal(bytes.readUInt32LE(locator), 0x07064b50)
  const end = Number(bytes.readBigUInt64LE(locator + 8))
  assert.equal(bytes.readUInt32LE(end), 0x06064b50)
  const count = Number(bytes.readBigUInt64LE(end + 32))
  let at = Number(bytes.readBigUInt64LE(end + 48))
  return Array.from({ length: count }, () => {
    assert.equal(bytes.readUInt32LE(at), 0x02014b50)
    const crc = bytes.readUInt32LE(at + 16)
    const [nameBytes, extraBytes] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30)]
    const name = bytes.toString('utf8', at + 46, at + 46 + nameBytes)
    const extra = at + 46 + nameBytes
    const size = Number(bytes.readBigUInt64LE(extra + 4))
    const head = Number(bytes.readBigUInt64LE(extra + 20))
    assert.equal(bytes.readUInt32LE(head), 0x04034b50)
    const begin = head + 30 + bytes.readUInt16LE(head + 26) + bytes.readUInt16LE(head + 28)
    const content = bytes.subarray(begin, begin + size)
    assert.equal(crc32(content), crc)
    at = extra + extraBytes
    return [name, content.toString('utf8')] as const
  })
}
