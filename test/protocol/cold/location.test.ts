// The locations of cold tiers: those that are taken, those that are refused, and that nothing
// secret gets in.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  checkTierKey,
  formatTierLocation,
  isSamePlace,
  parseTierLocation,
} from '../../../protocol/cold/location.ts'
import { ShoalError, hasCode } from '../../../protocol/errors.ts'

describe('cold tier locations', () => {
  test('each form is parsed into its parts', () => {
    assert.deepEqual(parseTierLocation('s3://bucket-1/a/b c'), {
      kind: 's3',
      bucket: 'bucket-1',
      prefix: 'a/b c/',
    })
    const options = { endpoint: 'http://localhost:9000', region: 'r', storageClass: 'GLACIER' }
    assert.deepEqual(parseTierLocation('s3://bucket', options), {
      kind: 's3',
      bucket: 'bucket',
      prefix: '',
      ...options,
    })
    assert.deepEqual(parseTierLocation('rclone:my-drive_2.x:shoal/a'), {
      kind: 'rclone',
      remote: 'my-drive_2.x',
      path: 'shoal/a',
    })
    assert.deepEqual(parseTierLocation('rclone:nas:/srv/shoal/'), {
      kind: 'rclone',
      remote: 'nas',
      path: '/srv/shoal',
    })
    assert.deepEqual(parseTierLocation('dir:/mnt/disk/'), { kind: 'dir', path: '/mnt/disk' })
  })

  test('an invalid location is refused', () => {
    for (const url of [
      '',
      'bucket',
      'https://bucket',
      's3:bucket',
      's3://',
      's3://b',
      's3://-bucket',
      's3://bucket/a//b',
      's3://bucket/../b',
      'rclone:remote',
      'rclone:remote:',
      'rclone::path',
      'rclone:-flag:path',
      'rclone::sftp,ssh=touch:path',
      'rclone:drive,token=x:path',
      'rclone:my drive:path',
      'rclone:dr\u0131ve:path',
      'rclone:remote:a/../b',
      'dir:relative',
      'dir:/',
      'dir:/a/../b',
      'dir:/a\nb',
      `dir:/${'a'.repeat(2000)}`,
    ]) {
      assert.throws(() => parseTierLocation(url), isUsage, url)
    }
    for (const endpoint of ['localhost:9000', 'ftp://host', 'http://host?a=b', '']) {
      assert.throws(() => parseTierLocation('s3://bucket', { endpoint }), isUsage, endpoint)
    }
    for (const region of ['', 'evil.com/', 'a b', '-a', 'a'.repeat(64)])
      assert.throws(() => parseTierLocation('s3://bucket', { region }), isUsage, region)
    for (const storageClass of ['', 'standard', 'A\nB', '--flag'])
      assert.throws(() => parseTierLocation('s3://bucket', { storageClass }), isUsage, storageClass)
  })

  test('options of S3 are refused elsewhere', () => {
    assert.throws(() => parseTierLocation('dir:/a', { region: 'r' }), isUsage)
    assert.throws(() => parseTierLocation('rclone:a:b', { endpoint: 'http://h' }), isUsage)
  })

  test('a URL with a key in it is refused, and not repeated', () => {
    const secret = 'very/secret+key'
    const attempts = [
      () => parseTierLocation(`s3://AKIA:${secret}@bucket/prefix`),
      () => parseTierLocation(`s3://AKIA:secretkey@bucket`),
      () => parseTierLocation(`rclone::s3,secret_access_key=${secret}:bucket`),
      () => parseTierLocation('s3://bucket', { endpoint: `https://AKIA:secret@host` }),
    ]
    for (const attempt of attempts) {
      assert.throws(
        attempt,
        (error) => isUsage(error) && !/very|secretkey|:secret/.test(String(error)),
      )
    }
  })

  test('a location that is written out is read back as itself', () => {
    const part = fc
      .stringMatching(/^[a-zA-Z0-9 _é日-]{1,10}$/)
      .filter((text) => !/^\.+$/.test(text))
    const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
    const bucket = fc.stringMatching(/^[a-z0-9][a-z0-9-]{1,20}[a-z0-9]$/)
    const url = fc.oneof(
      fc.tuple(bucket, path).map(([name, prefix]) => `s3://${name}/${prefix}`),
      path.map((text) => `rclone:remote:${text}`),
      path.map((text) => `dir:/${text}`),
    )
    fc.assert(
      fc.property(url, (text) => {
        const location = parseTierLocation(text)
        assert.equal(formatTierLocation(location), text)
        assert.deepEqual(parseTierLocation(formatTierLocation(location)), location)
      }),
    )
  })

  test('a place is the same by server, bucket and path, whatever its storage class', () => {
    const at = (endpoint: string, storageClass: string): ReturnType<typeof parseTierLocation> =>
      parseTierLocation('s3://bucket/a', { endpoint, storageClass })
    assert.ok(isSamePlace(at('http://a', 'STANDARD'), at('http://a', 'GLACIER')))
    assert.ok(!isSamePlace(at('http://a', 'STANDARD'), at('http://b', 'STANDARD')))
    assert.ok(!isSamePlace(parseTierLocation('dir:/a'), parseTierLocation('dir:/b')))
  })

  test('keys are plain paths', () => {
    for (const key of ['a', 'a/b.car', 'é 日', '...', 'a..b/.c'])
      assert.equal(checkTierKey(key), key)
    for (const key of [
      '',
      '/',
      'a/',
      '/a',
      'a//b',
      '..',
      'a/./b',
      'a\0',
      'a\\b',
      'x'.repeat(2000),
    ]) {
      assert.throws(
        () => checkTierKey(key),
        (error) => hasCode(error, 'EINVAL'),
      )
    }
  })
})

function isUsage(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'usage'
}
