// Those who try to get in at the S3 door without a key, with one that is for less, or with what
// another has signed.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { EMPTY_HASH } from '../../node/doors/s3/sigv4.ts'
import { asked } from '../cli/ask-http.ts'
import type { Ask } from '../cli/ask-http.ts'
import { answerTo } from '../cli/with-door.ts'
import { withS3Door } from '../cli/with-s3.ts'
import { signed } from '../cli/s3-signed.ts'
import type { CreatedKey } from '../../node/control/accounts.ts'

const MINUTE_MS = 60_000
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
      const denied = async (call: Promise<unknown>, name = 'AccessDenied'): Promise<void> => {
        await assert.rejects(call, (error) => error instanceof Error && error.name === name, name)
      }
      const read = by(reading.name, reading.secret)
      const write = by(writing.name, writing.secret)
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
      const other = by(elsewhere.name, elsewhere.secret)
      await denied(
        other.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' })),
        'InvalidAccessKeyId',
      )
      await shoal('key', 'rm', writing.name, '--yes')
      await denied(
        write.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' })),
        'InvalidAccessKeyId',
      )
      assert.equal((await shoal('cat', '/c/k')).stdout, 'secret')
    })
  })
})
