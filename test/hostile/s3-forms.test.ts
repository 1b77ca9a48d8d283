// Forms at the S3 door that nobody signed so: after their time, with other fields, of another
// bucket, or made to be large; and rules for pages that are none, or by who may not set them.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import {
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
} from '@aws-sdk/client-s3'
import { asked } from '../cli/ask-http.ts'
import { BOUNDARY, base64, formBody, inHours, postForm, signedFields } from '../cli/s3-form.ts'
import type { Field, Policy } from '../cli/s3-form.ts'
import { withS3Door } from '../cli/with-s3.ts'
import type { S3Door } from '../cli/with-s3.ts'
import { signed } from '../cli/s3-signed.ts'
import type { CreatedKey } from '../../node/control/accounts.ts'

const CONDITIONS = [{ bucket: 'b' }, ['starts-with', '$key', 'in/']] as const
const FILE: Field = ['file', 'bar', 'name']
const KEY: Field = ['key', 'in/x']
const DAY_MS = 86_400_000

type Created = CreatedKey['account'] & Pick<CreatedKey, 'secret'>

/** Forms of which none may store anything, and the status of each. */
function forged(token: string): readonly (readonly [status: number, form: readonly Field[]])[] {
  const fields = (policy: Policy = {}): readonly Field[] =>
    signedFields(token, { conditions: CONDITIONS, ...policy })
  const documented = (document: unknown): readonly Field[] => [...fields({ document }), KEY, FILE]
  const allowing = (...more: readonly unknown[]): readonly Field[] =>
    fields({ conditions: [...CONDITIONS, ...more] })
  const other = (name: string, value: string): readonly Field[] => [
    ...fields().map((field): Field => (field[0] === name ? [name, value] : field)),
    KEY,
    FILE,
  ]
  const expiration = inHours(1)
  return [
    // Signed by nobody, or otherwise.
    [403, [KEY, FILE]],
    [400, [...fields().filter(([name]) => name !== 'policy'), KEY, FILE]],
    [400, [...fields().filter(([name]) => name !== 'x-amz-signature'), KEY, FILE]],
    [400, other('x-amz-credential', '../../owner')],
    [400, other('x-amz-algorithm', 'none')],
    [403, other('policy', base64({ expiration, conditions: [['starts-with', '$key', '']] }))],
    [403, other('x-amz-signature', '0'.repeat(64))],
    [403, [...fields({ id: 'nobody' }), KEY, FILE]],
    // Of another time.
    [403, [...fields({ expiration: inHours(-1) }), KEY, FILE]],
    [403, [...fields({ atMs: Date.now() - 8 * DAY_MS }), KEY, FILE]],
    [403, [...fields({ atMs: Date.now() + DAY_MS }), KEY, FILE]],
    // What is no policy.
    [400, documented('{')],
    [400, documented('"\xff"')],
    [400, documented([])],
    [400, documented({ conditions: CONDITIONS })],
    [400, documented({ EXPIRATION: expiration, conditions: CONDITIONS })],
    [400, documented({ expiration: '2999-01-01 00:00:00+00:00', conditions: CONDITIONS })],
    [400, documented({ expiration })],
    [400, documented({ expiration, conditions: [{}] })],
    [400, documented({ expiration, conditions: [['in', '$key', 'x']] })],
    [400, documented({ expiration, conditions: [{ bucket: ['b'] }] })],
    [400, documented({ expiration, conditions: [['content-length-range', 0]] })],
    [400, documented({ expiration, conditions: [['content-length-range', -1, 0]] })],
    // What the policy does not allow.
    [403, [...fields(), ['key', 'out/x'], FILE]],
    [403, [...fields(), KEY, ['x-amz-meta-a', 'b'], FILE]],
    [403, [...fields(), KEY, ['bucket', 'c'], FILE]],
    [403, [...fields({ conditions: CONDITIONS.slice(1) }), KEY, FILE]],
    [403, [...allowing(['eq', '$x-amz-meta-a', '']), KEY, ['x-amz-meta-a', 'b'], FILE]],
    [403, [...allowing(['starts-with', '$x-amz-meta-a', 'b']), KEY, FILE]],
    [400, [...fields(), KEY, ['KEY', 'in/y'], FILE]],
    [400, [...allowing(['content-length-range', 0, 2]), KEY, FILE]],
    [400, [...allowing(['content-length-range', 4, 9]), KEY, FILE]],
    // What no object can have.
    [
      400,
      [...allowing(['starts-with', '$content-type', '']), KEY, ['content-type', 'a\r\nb'], FILE],
    ],
    [400, [...allowing({ acl: 'public-read' }), KEY, ['acl', 'public-read'], FILE]],
    [400, [...allowing({ 'content-md5': 'x' }), KEY, ['content-md5', 'x'], FILE]],
    // Keys that lead elsewhere.
    [400, [...fields(), ['key', 'in/../../c/x'], FILE]],
    [400, [...fields(), ['key', 'in/${filename}/x'], ['file', 'bar', '../..']]],
    [400, [...fields(), ['key', `in/${'x'.repeat(2000)}`], FILE]],
    // Large, before the file or without one.
    [400, [...fields(), KEY]],
    [
      400,
      [...fields(), ...Array.from({ length: 200 }, (_, at): Field => [`x-ignore-${at}`, '']), FILE],
    ],
    [400, [...fields(), KEY, ['x-ignore-a', 'x'.repeat(30_000)], FILE]],
    [403, [['x'.repeat(30_000), ''], FILE]],
    [400, [...fields(), ['key', 'in/${filename}'], ['file', 'bar', 'x'.repeat(2000)]]],
  ]
}

/** The first line of the answer to bytes after which nothing comes. */
function firstLine(url: URL, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname)
    socket.once('error', reject)
    socket.once('data', (part: Buffer) => {
      resolve(part.toString('latin1').split('\r\n', 1)[0] ?? '')
      socket.destroy()
    })
    socket.write(bytes)
  })
}

/** Send the beginning of something, and leave. */
function sendCut(url: URL, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname)
    socket.once('error', reject)
    socket.once('close', () => resolve())
    socket.write(bytes, () => socket.destroy())
  })
}

async function sendForged({ url, token }: S3Door): Promise<void> {
  const pages = { origin: 'https://evil.example' }
  // A page of anybody may send them: they lock out nobody.
  const sent = forged(token).map(async ([status, form]) => {
    const found = await postForm(url, 'b', form, pages)
    assert.equal(found.status, status, `${JSON.stringify(form).slice(0, 800)} ${found.text}`)
  })
  await Promise.all(sent)
  const good = [...signedFields(token, { conditions: CONDITIONS }), KEY, FILE]
  for (const elsewhere of ['c', 'none', 'b/in/x', '..', 'b?acl', 'b/../c'])
    assert.notEqual((await postForm(url, elsewhere, good, pages)).status, 204, elsewhere)
  const host = { host: 'evil.example' }
  assert.equal((await postForm(url, 'b', good, host)).status, 403, 'of another name')
  const small = [...CONDITIONS, ['content-length-range', 0, 5]]
  const large: Field = ['file', Buffer.alloc(5_000_000), 'x']
  const refused = await postForm(url, 'b', [
    ...signedFields(token, { conditions: small }),
    KEY,
    large,
  ])
  assert.match(refused.text, /<Code>EntityTooLarge</)
}

/** Forms that break off, or never come to their file. */
async function sendParts({ url, token }: S3Door): Promise<void> {
  const fields = signedFields(token, { conditions: CONDITIONS })
  const whole = formBody([...fields, KEY, ['file', Buffer.alloc(200_000, 'x'), 'x']])
  const start = (type: string, length: number, body: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(
        `POST /b HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: ${type}\r\n` +
          `Content-Length: ${length}\r\n\r\n`,
      ),
      body,
    ])
  const type = `multipart/form-data; boundary=${BOUNDARY}`
  const cut = whole.subarray(0, whole.length - 1000)
  // Whole as HTTP has it, and cut as a form; and the reverse.
  assert.match(await firstLine(url, start(type, cut.length, cut)), /^HTTP\/1\.1 400 /)
  await sendCut(url, start(type, whole.length, cut))
  const preamble = Buffer.alloc(300_000, 'no boundary ')
  assert.match(await firstLine(url, start(type, 10 ** 9, preamble)), /^HTTP\/1\.1 400 /)
  for (const wrong of ['', '; boundary=', `; boundary=${'x'.repeat(300)}`, '; boundary="'])
    assert.match(
      await firstLine(url, start(`multipart/form-data${wrong}`, 0, new Uint8Array())),
      /^HTTP\/1\.1 40[03] /,
    )
}

/** Rules of buckets that are none, and those who may not set any. */
async function sendRules({ url, token, json, s3, by }: S3Door): Promise<void> {
  const rule = (parts: string): string =>
    `<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>${parts}</CORSRule>`
  const wrong = [
    '<!DOCTYPE x [<!ENTITY a "b">]><CORSConfiguration>&a;</CORSConfiguration>',
    '<CORSConfiguration/>',
    `<CORSConfiguration>${rule('').repeat(101)}</CORSConfiguration>`,
    `<CORSConfiguration>${rule(`<ID>${' '.repeat(70_000)}</ID>`)}</CORSConfiguration>`,
    `<CORSConfiguration>${'<a>'.repeat(2000)}${'</a>'.repeat(2000)}</CORSConfiguration>`,
    ...[
      '<AllowedMethod>TRACE</AllowedMethod>',
      '<AllowedOrigin>https://*.*</AllowedOrigin>',
      '<AllowedHeader>x-*-*</AllowedHeader>',
      '<ExposeHeader>*</ExposeHeader>',
      '<ExposeHeader>a&#13;&#10;Set-Cookie: b</ExposeHeader>',
      '<MaxAgeSeconds>-1</MaxAgeSeconds>',
      '<AllowEverything/>',
    ].map((parts) => `<CORSConfiguration>${rule(parts)}</CORSConfiguration>`),
    '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>',
  ]
  for (const body of wrong) {
    const headers = signed(token, url.host, {
      method: 'PUT',
      path: '/b',
      query: [['cors', '']],
      payload: 'UNSIGNED-PAYLOAD',
      headers: { 'content-length': `${body.length}` },
    })
    const found = await asked(url, '/b?cors', { method: 'PUT', headers, body })
    assert.equal(found.status, 400, `${body.slice(0, 300)} ${found.text}`)
  }
  const CORSRules = [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }]
  const put = { Bucket: 'b', CORSConfiguration: { CORSRules } }
  const reading = (await json('key', 'create', 'reads', '--path', '/b', '--read-only')) as Created
  const elsewhere = (await json('key', 'create', 'writes', '--path', '/c')) as Created
  for (const { name, secret } of [reading, elsewhere]) {
    const client = by(name, secret)
    const denied = { name: 'AccessDenied' }
    await assert.rejects(client.send(new PutBucketCorsCommand(put)), denied)
    await assert.rejects(client.send(new DeleteBucketCorsCommand({ Bucket: 'b' })), denied)
  }
  const none = { name: 'NoSuchCORSConfiguration' }
  await assert.rejects(s3.send(new GetBucketCorsCommand({ Bucket: 'b' })), none)
}

test('what nobody signed so, or not to its end, stores nothing', async () => {
  await withS3Door('path', async (door) => {
    await door.shoal('mkdir', '/b', '/c')
    await sendForged(door)
    await sendParts(door)
    await sendRules(door)
    assert.deepEqual(await door.json('ls', '/b'), [])
    assert.deepEqual(await door.json('ls', '/c'), [])
  })
})
