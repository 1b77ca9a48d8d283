// The S3 door of a real node, asked by the SDK of AWS.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { ALONE } from './with-door.ts'
import { withS3Door } from './with-s3.ts'

const Bucket = 'photos'
const MIB = 1024 * 1024
const PART = Buffer.alloc(5 * MIB, 'a part of something')
const KEYS = ['a-b', 'a.txt', 'a/b c/ü🐟.txt', 'a/x', 'a0', 'z/1', 'z/2'] as const

function hexToBase64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

async function textOf(s3: S3Client, Key: string): Promise<string | undefined> {
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }))
  return Body?.transformToString()
}

async function keysOf(s3: S3Client, more: object = {}): Promise<readonly (string | undefined)[]> {
  const { Contents = [], CommonPrefixes = [] } = await s3.send(
    new ListObjectsV2Command({ Bucket, ...more }),
  )
  return [...Contents.map(({ Key }) => Key), ...CommonPrefixes.map(({ Prefix }) => Prefix)]
}

async function failsWith(call: Promise<unknown>, name: string): Promise<void> {
  await assert.rejects(call, (error) => error instanceof Error && error.name === name, name)
}

for (const layout of ['path', 'flat'] as const)
  test(`objects of a ${layout} bucket are made, read, listed, copied and removed`, async () => {
    await withS3Door(layout, async ({ s3, shoal, folder, token, by }) => {
      await s3.send(new CreateBucketCommand({ Bucket }))
      await s3.send(new CreateBucketCommand({ Bucket }))
      for (const Key of KEYS)
        await s3.send(new PutObjectCommand({ Bucket, Key, Body: `text of ${Key}` }))
      assert.deepEqual(await keysOf(s3), KEYS)
      assert.deepEqual(await keysOf(s3, { Delimiter: '/' }), ['a-b', 'a.txt', 'a0', 'a/', 'z/'])
      assert.deepEqual(await keysOf(s3, { Prefix: 'a/', MaxKeys: 1 }), ['a/b c/ü🐟.txt'])
      assert.deepEqual(await keysOf(s3, { StartAfter: 'a/x' }), ['a0', 'z/1', 'z/2'])
      assert.equal(await textOf(s3, 'a/b c/ü🐟.txt'), 'text of a/b c/ü🐟.txt')

      const whole = new PutObjectCommand({
        Bucket,
        Key: 'a.txt',
        Body: 'hello',
        ContentType: 'text/plain',
        Metadata: { kind: 'greeting' },
        Tagging: 'a=1&b=2',
        ChecksumAlgorithm: 'SHA256',
      })
      const { ETag } = await s3.send(whole)
      assert.equal(ETag, '"5d41402abc4b2a76b9719d911017c592"')
      const head = await s3.send(
        new HeadObjectCommand({ Bucket, Key: 'a.txt', ChecksumMode: 'ENABLED' }),
      )
      assert.deepEqual(
        [head.ContentType, head.Metadata, head.ETag, head.ContentLength],
        ['text/plain', { kind: 'greeting' }, ETag, 5],
      )
      assert.equal(head.ChecksumSHA256, 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=')
      const Range = 'bytes=1-3'
      const part = await s3.send(new GetObjectCommand({ Bucket, Key: 'a.txt', Range }))
      assert.deepEqual(
        [await part.Body?.transformToString(), part.ContentRange],
        ['ell', 'bytes 1-3/5'],
      )

      const put = (Key: string, more: object): Promise<unknown> =>
        s3.send(new PutObjectCommand({ Bucket, Key, Body: 'other', ...more }))
      await failsWith(put('a.txt', { IfNoneMatch: '*' }), 'PreconditionFailed')
      await failsWith(put('a.txt', { IfMatch: '"x"' }), 'PreconditionFailed')
      await put('new', { IfNoneMatch: '*' })
      await put('a.txt', { IfMatch: ETag })
      assert.equal(await textOf(s3, 'a.txt'), 'other')
      await failsWith(put('a.txt', { ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }), 'BadDigest')
      assert.equal(await textOf(s3, 'a.txt'), 'other', 'what was there stays')

      const CopySource = `${Bucket}/${encodeURIComponent('a/x')}`
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'c/copy', CopySource }))
      assert.equal(await textOf(s3, 'c/copy'), 'text of a/x')
      await s3.send(new CopyObjectCommand({ Bucket, Key: 'c/copy', CopySource: `${Bucket}/a.txt` }))
      assert.equal(await textOf(s3, 'c/copy'), 'other', 'a copy replaces')
      const TagSet = [{ Key: 'k', Value: 'v' }]
      await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'a.txt', Tagging: { TagSet } }))
      const tags = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'a.txt' }))
      assert.deepEqual(tags.TagSet, TagSet)

      await failsWith(textOf(s3, 'none'), 'NoSuchKey')
      await failsWith(s3.send(new DeleteBucketCommand({ Bucket })), 'BucketNotEmpty')
      const wrong = by('owner', `${token}x`)
      await failsWith(wrong.send(new ListBucketsCommand({})), 'SignatureDoesNotMatch')

      if (layout === 'path') {
        // All doors and the command see the same files.
        await writeFile(join(folder, 'own'), 'from the command')
        await shoal('put', join(folder, 'own'), '/photos/own.txt')
        assert.equal(await textOf(s3, 'own.txt'), 'from the command')
        assert.equal((await shoal('cat', '/photos/a/x')).stdout, 'text of a/x')
        await failsWith(put('a', {}), 'KeyConflict')
        await failsWith(put('a.txt/b', {}), 'KeyConflict')
        await failsWith(put('a/../b', {}), 'InvalidArgument')
        await s3.send(new PutObjectCommand({ Bucket, Key: 'marked/', Body: '' }))
        assert.ok((await keysOf(s3)).includes('marked/'))
      } else {
        for (const Key of ['a', 'a/', '//', '.', '..', 'a//b', '%', '~', 'k'.repeat(1024)]) {
          await put(Key, {})
          assert.equal(await textOf(s3, Key), 'other', Key)
        }
      }
      const all = (await keysOf(s3)).map((Key) => ({ Key: Key ?? '' }))
      const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: all } }))
      assert.deepEqual([gone.Deleted?.length, gone.Errors ?? []], [all.length, []])
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'never/there' }))
      assert.deepEqual(await keysOf(s3), [])
      await s3.send(new DeleteBucketCommand({ Bucket }))
      assert.deepEqual((await s3.send(new ListBucketsCommand({}))).Buckets ?? [], [])
    })
  })

test('an upload in parts survives the node, and is an object whole or not at all', async () => {
  await withS3Door('path', async ({ s3, shoal, by, token, json }) => {
    await s3.send(new CreateBucketCommand({ Bucket }))
    await s3.send(new PutObjectCommand({ Bucket, Key: 'big', Body: 'small' }))
    const Key = 'big'
    const { UploadId } = await s3.send(
      new CreateMultipartUploadCommand({
        Bucket,
        Key,
        Metadata: { a: 'b' },
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
      }),
    )
    const upload = { Bucket, Key, UploadId }
    const first = await s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: PART }))
    await shoal('down')
    await shoal('up', '--detach', ...ALONE)
    const [door] = (await json('door', 'ls')) as readonly { readonly url: string }[]
    const again = by('owner', token)
    again.config.endpoint = async () => {
      const { hostname, port, protocol } = new URL(door?.url ?? '')
      return { hostname, port: Number(port), protocol, path: '/' }
    }
    const CopySource = `${Bucket}/small`
    await again.send(new PutObjectCommand({ Bucket, Key: 'small', Body: '0123456789' }))
    const range = { CopySource, CopySourceRange: 'bytes=2-5' }
    const copied = await again.send(
      new UploadPartCopyCommand({ ...upload, PartNumber: 3, ...range }),
    )
    const { Parts } = await again.send(new ListPartsCommand(upload))
    assert.deepEqual(
      Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
      [
        [1, PART.length],
        [3, 4],
      ],
    )
    const { Uploads } = await again.send(new ListMultipartUploadsCommand({ Bucket }))
    assert.deepEqual(
      Uploads?.map((one) => [one.Key, one.UploadId]),
      [[Key, UploadId]],
    )
    assert.deepEqual(await keysOf(again), ['big', 'small'], 'parts are in no listing')
    const complete = (...etags: readonly (string | undefined)[]): Promise<unknown> =>
      again.send(
        new CompleteMultipartUploadCommand({
          ...upload,
          MultipartUpload: {
            Parts: etags.map((ETag, at) => ({ PartNumber: at === 0 ? 1 : 3, ETag })),
          },
        }),
      )
    await failsWith(complete('"x"'), 'InvalidPart')
    assert.equal(await textOf(again, Key), 'small')
    await complete(first.ETag, copied.CopyPartResult?.ETag)
    const whole = await again.send(new GetObjectCommand({ Bucket, Key }))
    assert.match(whole.ETag ?? '', /^"[0-9a-f]{32}-2"$/)
    assert.deepEqual(whole.Metadata, { a: 'b' })
    const bytes = Buffer.from((await whole.Body?.transformToByteArray()) ?? [])
    assert.ok(bytes.equals(Buffer.concat([PART, Buffer.from('2345')])))
    await failsWith(complete(first.ETag), 'NoSuchUpload')
    await complete(first.ETag, copied.CopyPartResult?.ETag)
    const crc = crc32(bytes).toString(16).padStart(8, '0')
    const head = new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' })
    const { ChecksumCRC32, ChecksumType } = await again.send(head)
    assert.deepEqual([ChecksumCRC32, ChecksumType], [hexToBase64(crc), 'FULL_OBJECT'])
    const second = await again.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }))
    assert.equal(await second.Body?.transformToString(), '2345')
    assert.deepEqual(
      [second.PartsCount, second.ContentRange, second.ETag],
      [2, `bytes ${PART.length}-${PART.length + 3}/${bytes.length}`, whole.ETag],
    )
    await failsWith(again.send(new GetObjectCommand({ Bucket, Key, PartNumber: 3 })), 'InvalidPart')
    const known = await again.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key,
        ObjectAttributes: ['ObjectParts', 'ObjectSize', 'Checksum'],
        MaxParts: 1,
        PartNumberMarker: '1',
      }),
    )
    const { ObjectParts, ObjectSize, Checksum } = known
    assert.deepEqual([ObjectSize, Checksum?.ChecksumCRC32], [bytes.length, ChecksumCRC32])
    assert.deepEqual(
      [ObjectParts?.TotalPartsCount, ObjectParts?.NextPartNumberMarker, ObjectParts?.IsTruncated],
      [2, '2', false],
    )
    assert.deepEqual(
      ObjectParts?.Parts?.map(({ PartNumber, Size, ChecksumCRC32: sum }) => [
        PartNumber,
        Size,
        sum,
      ]),
      [[2, 4, hexToBase64(crc32('2345').toString(16).padStart(8, '0'))]],
    )
    const other = await again.send(new CreateMultipartUploadCommand({ Bucket, Key: 'x' }))
    await again.send(
      new AbortMultipartUploadCommand({ Bucket, Key: 'x', UploadId: other.UploadId }),
    )
    await again.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }, { Key: 'small' }] } }),
    )
    await again.send(new DeleteBucketCommand({ Bucket }))
  })
})
