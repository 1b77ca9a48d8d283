// A batch holds copies of what is added, as it will lie in the pages of the file.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { equalBytes } from '../../../protocol/bytes.ts'
import { Batch, copyOf, lengthOf } from '../../../node/store/batch.ts'
import { PAGE_BUFFER_BYTES, PAGE_BYTES, PageBuffers } from '../../../node/world/page-buffers.ts'

describe('batch', () => {
  test('what is added may be changed after, and lies as in the file', () => {
    for (const position of [0, 1, 4095, 4096, 123_456_789]) {
      const batch = new Batch(1, position)
      const added = [70, PAGE_BUFFER_BYTES, 0, 1, 2 * PAGE_BUFFER_BYTES + 5, 4096].map((length) =>
        randomBytes(length),
      )
      const expected = Buffer.concat(added)
      const copies = added.map((bytes) => {
        const copy = batch.add(bytes)
        const before = new Uint8Array(bytes)
        bytes.fill(0)
        assert.ok(equalBytes(copyOf(copy, 0, before.length), before))
        return copy
      })
      assert.equal(batch.bytes, expected.length)
      assert.equal(lengthOf(batch.parts), expected.length)
      assert.ok(equalBytes(Buffer.concat(batch.parts), expected))
      assert.ok(equalBytes(Buffer.concat(copies.flat()), expected), 'later ones change no earlier')
      let at = position
      for (const part of batch.parts) {
        assert.equal(part.byteOffset % PAGE_BYTES, at % PAGE_BYTES)
        at += part.length
      }
      batch.end()
    }
  })

  test('a part of a record is copied from any of its parts', () => {
    const parts = [randomBytes(3), randomBytes(1), new Uint8Array(0), randomBytes(6)]
    const whole = Buffer.concat(parts)
    for (let from = 0; from <= 10; from++)
      for (let to = from; to <= 10; to++)
        assert.deepEqual(copyOf(parts, from, to - from), new Uint8Array(whole.subarray(from, to)))
  })

  test('what was given back is overwritten where that is asked for, and used again', () => {
    const buffers = new PageBuffers({ isPoisoned: true })
    const buffer = buffers.take()
    buffer.fill(1)
    buffers.giveBack(buffer, 100)
    assert.ok(buffer.subarray(0, 100).every((byte) => byte !== 1))
    assert.equal(buffers.freeBytes, PAGE_BUFFER_BYTES)
    assert.equal(buffers.take(), buffer)
    assert.equal(buffers.freeBytes, 0)
    buffers.giveBack(buffer)
    buffers.release()
    assert.equal(buffers.freeBytes, 0)
  })
})
