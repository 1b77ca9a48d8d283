// Pages of browsers at the S3 door of a real node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CreateBucketCommand, GetObjectCommand, GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import type { Answer } from './ask-http.ts'
import { oldSignedFields, postForm, signedFields } from './s3-form.ts'
import type { Field } from './s3-form.ts'
import { withS3Door } from './with-s3.ts'

const Bucket = 'photos'
const ANY = [{ bucket: Bucket }, ['starts-with', '$key', 'in/'], ['content-length-range', 0, 1e9]]
const SUM = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='
const TAGGING = '<Tagging><TagSet><Tag><Key>a b</Key><Value>ü</Value></Tag></TagSet></Tagging>'

test('an object comes in a form, as its policy allows', async () => {
  await withS3Door('path', async ({ s3, url, token }) => {
    await s3.send(new CreateBucketCommand({ Bucket }))
    const origin = { origin: 'https://page.example' }
    const post = (conditions: readonly unknown[], ...fields: readonly Field[]): Promise<Answer> => {
      const signed = signedFields(token, { conditions: [...ANY, ...conditions] })
      return postForm(url, Bucket, [...signed, ...fields], origin)
    }
    const whole = await post(
      [
        { acl: 'private' },
        ['StArTs-With', '$CONTENT-type', 'text/'],
        ['eq', '$x-amz-meta-kind', 'ü'],
        ['starts-with', '$tagging', ''],
        { 'x-amz-checksum-sha256': SUM },
      ],
      ['kEy', 'in/${filename}'],
      ['acl', 'private'],
      ['Content-Type', 'text/plain'],
      ['x-amz-meta-kind', 'ü'],
      ['x-amz-checksum-sha256', SUM],
      ['tagging', TAGGING],
      ['x-ignore-this', 'and that'],
      ['file', 'hello', 'C:\\folder\\ünï.txt'],
      ['submit', 'after the file'],
    )
    assert.equal(whole.status, 204, whole.text)
    assert.equal(whole.headers.etag, '"5d41402abc4b2a76b9719d911017c592"')
    const Key = 'in/ünï.txt'
    const read = await s3.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }))
    assert.deepEqual(
      [await read.Body?.transformToString(), read.ContentType, read.ChecksumSHA256],
      ['hello', 'text/plain', SUM],
    )
    assert.equal(Buffer.from(read.Metadata?.['kind'] ?? '', 'latin1').toString(), 'ü')
    const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key }))
    assert.deepEqual(TagSet, [{ Key: 'a b', Value: 'ü' }])

    const status: Field = ['success_action_status', '201']
    const anyStatus = ['starts-with', '$success_action_status', '']
    const made = await post([anyStatus], ['key', 'in/b&c'], status, ['file', 'x', 'file'])
    assert.equal(made.status, 201)
    assert.match(made.text, /<PostResponse>.*<Key>in\/b&amp;c<\/Key><ETag>&quot;[0-9a-f]{32}&quot;/)
    assert.match(made.headers.location ?? '', /^http:\/\/.*\/photos\/in\/b%26c$/)
    const unknown = await post([anyStatus], ['key', 'in/c'], [status[0], '404'], ['file', ''])
    assert.deepEqual([unknown.status, unknown.text], [204, ''])
    const page = ['starts-with', '$success_action_redirect', '']
    const led = await post(
      [page],
      ['key', 'in/c'],
      ['success_action_redirect', 'https://page.example/done?a=b'],
      ['file', 'x'],
    )
    assert.equal(led.status, 303)
    const etag = '%229dd4e461268c8034f5c8564e155c67a6%22'
    const done = `https://page.example/done?a=b&bucket=photos&key=in%2Fc&etag=${etag}`
    assert.equal(led.headers.location, done)
    const script: Field = ['success_action_redirect', 'javascript:alert(1)']
    assert.equal((await post([page], ['key', 'in/c'], script, ['file', 'x'])).status, 204)

    const old = oldSignedFields(token, ANY)
    const big = Buffer.alloc(3_000_000, 'foo')
    const stored = await postForm(url, Bucket, [...old, ['key', 'in/old'], ['file', big, 'a']])
    assert.equal(stored.status, 204, stored.text)
    const back = await s3.send(new GetObjectCommand({ Bucket, Key: 'in/old' }))
    assert.ok(big.equals(Buffer.from((await back.Body?.transformToByteArray()) ?? [])))
  })
})
