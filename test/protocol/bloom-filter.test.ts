// A set that forgets nothing, and how often it finds what was never added.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { BloomFilter } from '../../protocol/bloom-filter.ts'
import { blake3 } from '../../protocol/hash.ts'
import { CODEC_RAW, MULTIHASH_BLAKE3, cidText, encodeCid } from '../../protocol/ids.ts'
import { MIB } from '../../protocol/units.ts'

describe('bloom-filter', () => {
  test('every added id is found, however many more were added than expected', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 400 }), fc.nat(50), (keys, expected) => {
        const filter = new BloomFilter(expected)
        for (const key of keys) filter.add(key)
        assert.ok(keys.every((key) => filter.has(key)))
        assert.equal(filter.count, keys.length)
      }),
    )
  })

  test('of chunk ids that were not added less than one in a thousand is found', () => {
    const count = 50_000
    const filter = new BloomFilter(count)
    for (let i = 0; i < count; i++) filter.add(`${chunk(i)} rs4+2`)
    let found = 0
    for (let i = 0; i < count; i++) {
      // Other chunks in the same class, and the same chunks in another.
      if (filter.has(`${chunk(count + i)} rs4+2`)) found++
      if (filter.has(`${chunk(i)} rs6+3`)) found++
    }
    const rate = found / (2 * count)
    assert.ok(rate < 0.001, `${rate} are found`)
    assert.ok(rate > 0.0002, `${rate}: as few as more memory would give`)
  })

  test('an empty filter holds nothing', () => {
    const filter = new BloomFilter(0)
    assert.equal(filter.has(''), false)
    assert.equal(filter.has(chunk(1)), false)
  })

  test('its memory is two bytes a key, and bounded', () => {
    assert.equal(new BloomFilter(1e6).byteLength, 2e6)
    assert.equal(new BloomFilter(1e12).byteLength, 64 * MIB)
  })
})

function chunk(seed: number): string {
  return cidText(encodeCid(CODEC_RAW, MULTIHASH_BLAKE3, blake3(Buffer.from(`chunk ${seed}`))))
}
