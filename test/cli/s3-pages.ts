// Pages of browsers at the S3 door of a real node.
import assert from 'node:assert/strict'
import {
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  PutBucketCorsCommand,
} from '@aws-sdk/client-s3'
import { asked } from './ask-http.ts'
import type { Answer } from './ask-http.ts'
import { oldSignedFields, postForm, signedFields } from './s3-form.ts'
import type { Field } from './s3-form.ts'
import type { S3Door } from './with-s3.ts'

const Bucket = 'photos'
const ANY = [{ bucket: Bucket }, ['starts-with', '$key', 'in/'], ['content-length-range', 0, 1e9]]
const SUM = 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='
const TAGGING = '<Tagging><TagSet><Tag><Key>a b</Key><Value>ü</Value></Tag></TagSet></Tagging>'

async function postForms({ s3, url, token }: S3Door): Promise<void> {
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
}

/** An answer as a browser sees it: its status, the origin that may read, and the methods. */
type Shown = readonly [status: number, origin: string | undefined, methods: string | undefined]

async function askAsPages({ s3, url }: S3Door): Promise<void> {
  const see = async (
    method: string,
    headers: Record<string, string>,
    path = `/${Bucket}`,
  ): Promise<Shown> => {
    const answer = await asked(url, path, { method, headers })
    const { 'access-control-allow-origin': who, 'access-control-allow-methods': methods } =
      answer.headers
    return [answer.status, who, methods]
  }
  const preflight = (origin: string, method: string, headers = ''): Promise<Shown> =>
    see('OPTIONS', {
      origin,
      'access-control-request-method': method,
      ...(headers !== '' && { 'access-control-request-headers': headers }),
    })
  const NO = undefined
  assert.deepEqual(await preflight('https://a.example', 'GET'), [403, NO, NO])
  assert.deepEqual(await see('GET', { origin: 'https://a.example' }), [403, NO, NO])
  const none = { name: 'NoSuchCORSConfiguration' }
  await assert.rejects(s3.send(new GetBucketCorsCommand({ Bucket })), none)
  const CORSRules = [
    {
      ID: 'first',
      AllowedMethods: ['GET', 'HEAD'],
      AllowedOrigins: ['https://*.example', 'from-*to'],
      AllowedHeaders: ['x-amz-*', 'Range'],
      ExposeHeaders: ['ETag'],
      MaxAgeSeconds: 60,
    },
    { AllowedMethods: ['PUT'], AllowedOrigins: ['*'] },
  ]
  await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
  assert.deepEqual((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules, CORSRules)

  const methods = 'GET, HEAD'
  for (const [origin, status] of [
    ['https://a.example', 200],
    ['https://.example', 200],
    ['from-to', 200],
    ['from-here-to', 200],
    ['https://a.example.org', 403],
    ['http://a.example', 403],
    ['fro-to', 403],
    ['null', 403],
  ] as const) {
    const expected: Shown = status === 200 ? [200, origin, methods] : [403, NO, NO]
    assert.deepEqual(await preflight(origin, 'GET'), expected, origin)
    // Whether the page may read it has nothing to do with whether it is let in.
    assert.deepEqual(await see('GET', { origin }), [403, ...expected.slice(1)], origin)
  }
  assert.deepEqual(await preflight('https://b.test', 'PUT'), [200, '*', 'PUT'])
  assert.deepEqual(await preflight('https://b.test', 'DELETE'), [403, NO, NO])
  assert.deepEqual(await preflight('from-to', 'GET', 'X-Amz-Date, range'), [
    200,
    'from-to',
    methods,
  ])
  assert.deepEqual(await preflight('from-to', 'GET', 'x-amz-date,x-other'), [403, NO, NO])
  assert.deepEqual(await see('OPTIONS', { origin: 'from-to' }), [400, NO, NO])
  assert.deepEqual(await see('OPTIONS', {}), [400, NO, NO])
  assert.deepEqual(await see('GET', {}), [403, NO, NO])
  for (const path of ['/', '/none', '/..', '/.'])
    assert.equal(
      (await see('OPTIONS', { origin: 'x', 'access-control-request-method': 'PUT' }, path))[0],
      403,
    )

  const Key = 'in/c'
  s3.middlewareStack.add(
    (next) => (args) => {
      const { request } = args as { request: { headers: Record<string, string> } }
      request.headers['origin'] = 'from-to'
      return next(args)
    },
    { step: 'build', name: 'origin' },
  )
  const seen: Record<string, string>[] = []
  s3.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      seen.push((result.response as { headers: Record<string, string> }).headers)
      return result
    },
    { step: 'deserialize', name: 'seen', priority: 'low' },
  )
  await s3.send(new GetObjectCommand({ Bucket, Key }))
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'none' })))
  for (const headers of seen) {
    assert.equal(headers['access-control-allow-origin'], 'from-to')
    assert.equal(headers['access-control-expose-headers'], 'ETag')
    assert.match(headers['vary'] ?? '', /Origin/)
  }
  assert.equal(seen.length, 2)
  await s3.send(new DeleteBucketCorsCommand({ Bucket }))
  await assert.rejects(s3.send(new GetBucketCorsCommand({ Bucket })), none)
  assert.deepEqual(await preflight('from-to', 'GET'), [403, NO, NO])
}

/** Sends objects in forms, and reads what the rules of a bucket let pages read. */
export async function askForPages(door: S3Door): Promise<void> {
  await door.s3.send(new CreateBucketCommand({ Bucket }))
  await postForms(door)
  await askAsPages(door)
}
