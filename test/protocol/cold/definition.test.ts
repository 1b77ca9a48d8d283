// The definition of a tier in a volume: the fields that are taken from it, and that nothing else
// is.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { decodeTier, encodeTier } from '../../../protocol/cold/definition.ts'
import { parseTierLocation } from '../../../protocol/cold/location.ts'
import { hasCode } from '../../../protocol/errors.ts'

const isMalformed = (error: unknown): boolean => hasCode(error, 'malformed')

describe('definitions of cold tiers', () => {
  test('a definition reads back as the location it was made of', () => {
    const options = { endpoint: 'http://nas:9000', region: 'eu', storageClass: 'GLACIER' }
    const location = parseTierLocation('s3://bucket/a/b', options)
    assert.deepEqual(decodeTier(encodeTier(location)), location)
    for (const url of ['dir:/mnt/disk', 'rclone:drive:shoal']) {
      const place = parseTierLocation(url)
      assert.deepEqual(decodeTier(encodeTier(place)), place)
    }
  })

  test('an invalid definition is refused, and a superfluous field is named', () => {
    for (const value of ['', '{', 'null', '[]', '"dir:/a"', '7', '{}', '{"url":7}'])
      assert.throws(() => decodeTier(value), isMalformed, value)
    const fields = [
      { kind: 'rclone' },
      { remote: ':sftp,ssh=touch /tmp/x:' },
      { path: '/etc' },
      { accessKey: 'AKIA' },
      { profile: 'root' },
      { prefix: '../' },
    ]
    for (const field of fields) {
      const value = JSON.stringify({ url: 's3://bucket/x', ...field })
      const [name = ''] = Object.keys(field)
      assert.throws(() => decodeTier(value), { code: 'malformed', message: new RegExp(name) })
    }
    const proto = '{"url":"dir:/a","__proto__":{"kind":"rclone"}}'
    assert.throws(() => decodeTier(proto), { code: 'malformed', message: /__proto__/ })
  })

  test('whatever the text, it is a location of its own kind or malformed', () => {
    const texts = fc.oneof(
      fc.json(),
      fc
        .dictionary(fc.constantFrom('url', 'endpoint', 'region', 'kind', 'remote'), fc.string())
        .map((fields) => JSON.stringify({ url: 's3://bucket/x', ...fields })),
    )
    fc.assert(
      fc.property(texts, (value) => {
        try {
          const location = decodeTier(value)
          assert.equal(encodeTier(decodeTier(encodeTier(location))), encodeTier(location))
        } catch (error) {
          assert(isMalformed(error), String(error))
        }
      }),
    )
  })
})
