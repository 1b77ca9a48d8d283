// The parts of an object, as its metadata has them, which any member may set.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  checksumOfPart,
  madeOf,
  placeOfPart,
  readMade,
} from '../../../../node/doors/s3/parts/object-parts.ts'

const UPLOAD = '0'.repeat(32)
const sizesOfParts = fc.array(fc.constantFrom(0, 1, 5, 5, 5, 700), { minLength: 1, maxLength: 40 })

function sum(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all + size, 0)
}

describe('the parts of an object', () => {
  test('are found where they are, each with its checksum', () => {
    fc.assert(
      fc.property(sizesOfParts, (sizes) => {
        const sums = sizes.map((_, at) => Buffer.from([0, 0, 0, at]).toString('base64'))
        const parts = sizes.map((sizeBytes, at) => ({ sizeBytes, checksum: sums[at] }))
        const kept = JSON.parse(JSON.stringify(madeOf(UPLOAD, parts))) as Record<string, unknown>
        const made = readMade(kept, { sizeBytes: sum(sizes), parts: sizes.length })
        assert.ok(made)
        for (const [at, lengthBytes] of sizes.entries()) {
          const place = { offsetBytes: sum(sizes.slice(0, at)), lengthBytes }
          assert.deepEqual(placeOfPart(made, at + 1), place)
          assert.equal(checksumOfPart(made, 'CRC32', at + 1), sums[at])
        }
        assert.equal(placeOfPart(made, sizes.length + 1), undefined)
        assert.equal(checksumOfPart(made, 'CRC32', sizes.length + 1), undefined)
      }),
    )
  })

  test('are not kept where they are too many to tell apart', () => {
    const parts = Array.from({ length: 600 }, (_, at) => ({ sizeBytes: at, checksum: undefined }))
    assert.deepEqual(madeOf(UPLOAD, parts), { upload: UPLOAD })
    const same = parts.map(() => ({ sizeBytes: 9, checksum: Buffer.alloc(32).toString('base64') }))
    assert.deepEqual(madeOf(UPLOAD, same), { upload: UPLOAD, sizes: [[9, 600]] })
  })

  test('count only where they are all of the object', () => {
    const run = fc.tuple(fc.anything(), fc.anything())
    const sizes = fc.oneof(fc.anything(), fc.array(fc.oneof(run, fc.tuple(fc.nat(9), fc.nat(9)))))
    const of = { sizeBytes: 10, parts: 2 }
    fc.assert(
      fc.property(sizes, fc.anything(), (some, sums) => {
        const made = readMade({ upload: UPLOAD, sizes: some, sums }, of)
        const all = made?.sizes ?? [[5, 2]]
        assert.equal(sum(all.map(([size, count]) => size * count)), of.sizeBytes)
        assert.equal(sum(all.map(([, count]) => count)), of.parts)
        assert.ok(made?.sums === undefined || made.sizes !== undefined)
      }),
    )
    assert.equal(readMade({ upload: '../x', sizes: [[5, 2]] }, of), undefined)
  })
})
