// The checksum of an object out of those of its parts: what all its bytes have.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { joinChecksums, kindOf, startChecksum } from '../../../../node/doors/s3/checksums.ts'
import type { ChecksumName } from '../../../../node/doors/s3/checksums.ts'

async function sumOf(name: ChecksumName, bytes: Uint8Array): Promise<string> {
  const running = startChecksum(name)
  running.update(bytes)
  return running.digest()
}

function hash(bytes: string | Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

describe('a checksum of an object in parts', () => {
  test('of all bytes is the same however they are cut', async () => {
    const part = fc.uint8Array({ maxLength: 700 })
    const parts = fc.array(part, { minLength: 1, maxLength: 6 })
    const names = fc.constantFrom<ChecksumName>('CRC32', 'CRC32C', 'CRC64NVME')
    await fc.assert(
      fc.asyncProperty(names, parts, async (name, cut) => {
        const sums = await Promise.all(
          cut.map(async (bytes) => ({ value: await sumOf(name, bytes), sizeBytes: bytes.length })),
        )
        const joined = await joinChecksums({ name, isFull: true }, sums)
        assert.equal(joined, await sumOf(name, Buffer.concat(cut)))
      }),
      { numRuns: 60 },
    )
  })

  test('of checksums says how many there are', async () => {
    const [one, other] = [hash('one'), hash('other')]
    const sums = [one, other].map((sum) => ({ value: sum.toString('base64'), sizeBytes: 9 }))
    const joined = await joinChecksums(kindOf('SHA256', undefined), sums)
    assert.equal(joined, `${hash(Buffer.concat([one, other])).toString('base64')}-2`)
  })

  test('is of a kind that there is', () => {
    assert.deepEqual(kindOf('crc64nvme', undefined), { name: 'CRC64NVME', isFull: true })
    assert.deepEqual(kindOf('CRC32', 'FULL_OBJECT'), { name: 'CRC32', isFull: true })
    for (const [name, type] of [
      ['MD5', undefined],
      ['SHA256', 'FULL_OBJECT'],
      ['CRC64NVME', 'COMPOSITE'],
      ['CRC32', 'SOME'],
    ] as const)
      assert.throws(() => kindOf(name, type), { s3Code: 'InvalidRequest' })
  })
})
