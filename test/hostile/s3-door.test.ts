// Those who try to get in at the S3 door without a key, with one that is for less, or with what
// another has signed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { EMPTY_HASH } from '../../node/doors/s3/sigv4.ts'
import { asked } from '../cli/ask-http.ts'
import type { Ask } from '../cli/ask-http.ts'
import { answerTo } from '../cli/with-door.ts'
import { signed } from '../cli/s3-signed.ts'
import { withS3Door } from '../cli/with-s3.ts'
import type { CreatedKey } from '../../node/control/accounts.ts'

const MINUTE_MS = 60_000
async function denied(...calls: readonly Promise<unknown>[]): Promise<void> {
  await Promise.all(calls.map((call) => assert.rejects(call, { name: 'AccessDenied' })))
}

describe('the S3 door', () => {
  test('what is not signed, late, changed or of another request is refused', async () => {
    await withS3Door('path', async ({ url, token, shoal }) => {
      await shoal('mkdir', '/b')
      const { host } = url
      const status = async (path: string, ask: Ask): Promise<number> =>
        (await asked(url, path, ask)).status
      const good = signed(token, host, { path: '/b' })
      assert.equal(await status('/b', { headers: good }), 200)
      const replayed = [
        ['/', {}],
        ['/b/x', {}],
        ['/b?prefix=x', {}],
        ['/b', { method: 'DELETE' }],
        ['/b', { headers: { ...good, 'x-amz-meta-a': 'not signed' } }],
        ['/b', { headers: { ...good, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }],
        ['/b', { headers: { ...good, 'x-amz-date': '20200101T000000Z' } }],
        ['/b', { headers: {} }],
        ['/b', { headers: { authorization: `Bearer ${token}` } }],
        ['/b', { headers: signed(token, host, { path: '/b', atMs: Date.now() - 20 * MINUTE_MS }) }],
        ['/b', { headers: signed(token, host, { path: '/b', atMs: Date.now() + 20 * MINUTE_MS }) }],
      ] as const
      for (const [path, ask] of replayed) {
        const found = await status(path, { headers: good, ...ask })
        assert.ok(found === 403 || found === 400, `${path} ${JSON.stringify(ask)}: ${found}`)
      }
      const { headers: _, ...noHost } = { headers: good }
      assert.equal(await status('/b', { headers: { ...noHost, host: 'evil.example' } }), 403)
    })
  })

  test('paths lead nowhere else, and bodies are what they say', async () => {
    await withS3Door('path', async ({ url, token, shoal, json }) => {
      await shoal('mkdir', '/b')
      const { host } = url
      for (const path of [
        '/b/../c',
        '/b/%2e%2e/c',
        '/../b',
        '/b/a%00b',
        '/b//x',
        '/b/.shoal-uploads/x',
      ]) {
        const decoded = decodeURIComponent(path)
        const headers = signed(token, host, {
          method: 'PUT',
          path: decoded,
          headers: { 'content-length': '0' },
        })
        const { status } = await asked(url, path, { method: 'PUT', headers })
        assert.equal(status, 400, path)
      }
      const body = 'other than was signed'
      const headers = { 'content-length': `${body.length}` }
      const put = (payload: string): Promise<{ readonly status: number }> =>
        asked(url, '/b/k', {
          method: 'PUT',
          headers: signed(token, host, { method: 'PUT', path: '/b/k', payload, headers }),
          body,
        })
      assert.equal((await put(EMPTY_HASH)).status, 400)
      assert.equal((await put('STREAMING-SOMETHING')).status, 400)
      assert.deepEqual(await json('ls', '/b'), [], 'nothing was written')
      const two = `PUT /b/k HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`
      assert.match(await answerTo(url, two), /^HTTP\/1\.1 400 /)
      const long = `GET /b HTTP/1.1\r\nHost: ${host}\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`
      assert.match(await answerTo(url, long), /^HTTP\/1\.1 431 /)
      const bomb = '<!DOCTYPE x [<!ENTITY a "b">]><Delete><Object><Key>&a;</Key></Object></Delete>'
      const asBomb = signed(token, host, {
        method: 'POST',
        path: '/b',
        query: [['delete', '']],
        payload: 'UNSIGNED-PAYLOAD',
        headers: { 'content-length': `${bomb.length}` },
      })
      const answer = await asked(url, '/b?delete', { method: 'POST', headers: asBomb, body: bomb })
      assert.match(answer.text, /MalformedXML/)
    })
  })

  test('a key of a path does nothing beside it, by no kind of request', async () => {
    await withS3Door('path', async ({ s3, by, shoal, json }) => {
      await shoal('mkdir', '/b', '/c')
      for (const Bucket of ['b', 'c'])
        await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'secret' }))
      const make = async (
        ...argv: readonly string[]
      ): Promise<CreatedKey['account'] & { secret: string }> =>
        (await json('key', 'create', 'limited', '--path', '/b', ...argv)) as never
      const reading = await make('--read-only')
      const writing = await make('--door', 's3')
      const elsewhere = await make('--door', 'webdav')
      const read = by(reading.name, reading.secret)
      const write = by(writing.name, writing.secret)
      const names = async (client: S3Client): Promise<unknown> =>
        (await client.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name)
      assert.ok(await read.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' })))
      await denied(read.send(new PutObjectCommand({ Bucket: 'b', Key: 'n', Body: 'x' })))
      await denied(read.send(new DeleteObjectCommand({ Bucket: 'b', Key: 'k' })))
      await denied(read.send(new CreateMultipartUploadCommand({ Bucket: 'b', Key: 'n' })))
      await write.send(new PutObjectCommand({ Bucket: 'b', Key: 'n', Body: 'x' }))
      for (const client of [read, write]) {
        await denied(client.send(new GetObjectCommand({ Bucket: 'c', Key: 'k' })))
        await denied(client.send(new ListObjectsV2Command({ Bucket: 'c' })))
        await denied(client.send(new PutObjectCommand({ Bucket: 'c', Key: 'k', Body: 'x' })))
        await denied(client.send(new DeleteObjectCommand({ Bucket: 'c', Key: 'k' })))
        await denied(client.send(new CreateMultipartUploadCommand({ Bucket: 'c', Key: 'n' })))
        const CopySource = 'c/k'
        await denied(client.send(new CopyObjectCommand({ Bucket: 'b', Key: 'y', CopySource })))
      }
      await denied(write.send(new CopyObjectCommand({ Bucket: 'c', Key: 'y', CopySource: 'b/k' })))
      assert.deepEqual(await names(write), ['b'])
      await shoal('grant', writing.name, '/', 'add')
      await write.send(new CreateBucketCommand({ Bucket: 'by-adding' }))
      const again = write.send(new CreateBucketCommand({ Bucket: 'by-adding' }))
      await assert.rejects(again, { name: 'BucketAlreadyExists' })
      await denied(write.send(new GetObjectCommand({ Bucket: 'c', Key: 'k' })))
      await denied(
        write.send(new PutBucketTaggingCommand({ Bucket: 'c', Tagging: { TagSet: [] } })),
      )
      const other = by(elsewhere.name, elsewhere.secret)
      const get = new GetObjectCommand({ Bucket: 'b', Key: 'k' })
      await assert.rejects(other.send(get), { name: 'InvalidAccessKeyId' })
      await shoal('key', 'rm', writing.name, '--yes')
      await assert.rejects(write.send(get), { name: 'InvalidAccessKeyId' })
      assert.equal((await shoal('cat', '/c/k')).stdout, 'secret')
    })
  })

  test('a key of a path below a bucket uploads in parts and copies there, and nowhere else', async () => {
    await withS3Door('path', async ({ s3, by, shoal, json }) => {
      await shoal('mkdir', '/b')
      const Bucket = 'b'
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'secret' }))
      const clientOf = async (...argv: readonly string[]): Promise<S3Client> => {
        const made = (await json('key', 'create', 'limited', ...argv)) as CreatedKey['account'] & {
          secret: string
        }
        return by(made.name, made.secret)
      }
      const mine = await clientOf('--path', '/b/mine')
      const other = await clientOf('--path', '/b/other')
      const reading = await clientOf('--path', '/b/mine', '--read-only')
      const create = mine.send(new CreateBucketCommand({ Bucket }))
      await assert.rejects(create, { name: 'BucketAlreadyExists' })
      await denied(mine.send(new CreateBucketCommand({ Bucket: 'another' })))
      const begin = async (client: S3Client, Key: string): Promise<string> =>
        (await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))).UploadId ?? ''
      const of = (
        Key: string,
        UploadId: string,
      ): { Bucket: string; Key: string; UploadId: string } => ({
        Bucket,
        Key,
        UploadId,
      })
      const put = (
        client: S3Client,
        Key: string,
        UploadId: string,
      ): Promise<{ ETag?: string | undefined }> =>
        client.send(new UploadPartCommand({ ...of(Key, UploadId), PartNumber: 1, Body: 'part' }))
      const complete = (client: S3Client, Key: string, id: string, ETag = ''): Promise<unknown> => {
        const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
        return client.send(new CompleteMultipartUploadCommand({ ...of(Key, id), MultipartUpload }))
      }
      const copyPart = (Key: string, id: string, CopySource: string): Promise<unknown> =>
        mine.send(new UploadPartCopyCommand({ ...of(Key, id), PartNumber: 1, CopySource }))
      const listed = async (client: S3Client, Prefix?: string): Promise<readonly unknown[]> =>
        (await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }))).Uploads ?? []

      const Key = 'mine/deep/big'
      const id = await begin(mine, Key)
      const { ETag } = await put(mine, Key, id)
      assert.equal((await listed(mine, 'mine/')).length, 1)
      assert.deepEqual((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 1)
      const ofOwner = await begin(s3, 'mine/of-owner')

      await denied(begin(mine, 'beside'), begin(mine, 'other/x'), begin(reading, Key))
      await denied(listed(other, 'mine/'), listed(mine), listed(mine, 'other/'))
      for (const client of [other, reading]) {
        await denied(put(client, Key, id), complete(client, Key, id, ETag))
        await denied(client.send(new AbortMultipartUploadCommand(of(Key, id))))
      }
      await denied(other.send(new ListPartsCommand(of(Key, id))))
      await denied(put(mine, 'mine/of-owner', ofOwner))
      await denied(mine.send(new AbortMultipartUploadCommand(of('mine/of-owner', ofOwner))))
      await denied(copyPart(Key, id, 'b/k'))
      for (const [key, forged] of [
        ['other/deep/big', id],
        ['mine/deep/other', id],
        [Key, `${id}0`],
        [Key, id.replace('-1', '-9')],
        [Key, id.replace('-1', '-2')],
        [Key, `../${id}`],
        [Key, ofOwner.replace(/^../, 'zz')],
      ] as const)
        for (const client of [mine, other])
          await assert.rejects(
            complete(client, key, forged, ETag),
            /NoSuchUpload|AccessDenied/,
            key,
          )
      for (const hidden of ['mine/.shoal-uploads/x', `mine/.shoal-uploads/${id}/00001`]) {
        await assert.rejects(mine.send(new GetObjectCommand({ Bucket, Key: hidden })), /InvalidArg/)
        const putHidden = new PutObjectCommand({ Bucket, Key: hidden, Body: 'x' })
        await assert.rejects(mine.send(putHidden), /InvalidArg/)
      }

      await complete(mine, Key, id, ETag)
      await mine.send(new CopyObjectCommand({ Bucket, Key: 'mine/copy', CopySource: `b/${Key}` }))
      assert.equal((await shoal('cat', '/b/mine/copy')).stdout, 'part')
      const again = await begin(mine, 'mine/again')
      await copyPart('mine/again', again, 'b/mine/copy')
      await mine.send(new AbortMultipartUploadCommand(of('mine/again', again)))
      assert.deepEqual((await shoal('ls', '/b/mine')).stdout.split(/\s+/).filter(Boolean), [
        'copy',
        'deep/',
      ])
      const copy = (to: string, CopySource: string): Promise<unknown> =>
        mine.send(new CopyObjectCommand({ Bucket, Key: to, CopySource }))
      await denied(copy('mine/k', 'b/k'), copy('k2', 'b/mine/copy'), copy('other/k', 'b/mine/copy'))
      assert.equal((await listed(s3)).length, 1, 'that of the owner goes on')
    })
  })
})
