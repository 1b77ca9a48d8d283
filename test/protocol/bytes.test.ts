// Byte strings and hexadecimal hold and order what the bytes do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromByteString,
  fromHex,
  toByteString,
  toHex,
  utf8,
} from '../../protocol/bytes.ts'

const anyBytes = fc.uint8Array({ maxLength: 64 })
const same = (a: Uint8Array, b: Uint8Array): void => assert.deepEqual([...a], [...b])

describe('bytes', () => {
  test('hexadecimal and byte strings hold the bytes they were made of', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        same(fromHex(toHex(bytes)), bytes)
        same(fromByteString(toByteString(bytes)), bytes)
        assert.match(toHex(bytes), /^[0-9a-f]*$/)
        assert.equal(toByteString(bytes).length, bytes.length)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  test('a part of a larger buffer is taken for itself', () => {
    const whole = Uint8Array.of(1, 2, 3, 4)
    assert.equal(toHex(whole.subarray(1, 3)), '0203')
    assert.equal(toByteString(whole.subarray(1, 3)), '\x02\x03')
  })

  test('bytes, their hexadecimal and their byte strings order alike', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        const order = compareBytes(a, b)
        const byHex = toHex(a) < toHex(b) ? -1 : Number(toHex(a) > toHex(b))
        const byString =
          toByteString(a) < toByteString(b) ? -1 : Number(toByteString(a) > toByteString(b))
        assert.equal(byHex, order)
        assert.equal(byString, order)
        assert.equal(equalBytes(a, b), order === 0)
        assert.equal(compareBytes(b, a), order === 0 ? 0 : -order)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  test('joined parts are their bytes in order', () => {
    fc.assert(
      fc.property(fc.array(anyBytes, { maxLength: 5 }), (parts) => {
        same(concatBytes(parts), Uint8Array.from(parts.flatMap((part) => [...part])))
      }),
      { seed: 3, numRuns: 100 },
    )
  })

  test('text becomes UTF-8', () => {
    assert.equal(toHex(utf8('aé€😀')), '61c3a9e282acf09f9880')
  })
})
