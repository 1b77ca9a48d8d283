// Answers of the S3 door of a real node, request by request: status and code, as other servers of
// S3 have them. Each is signed here, since an SDK would put right what is wrong on purpose.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { uriEncode } from '../../node/doors/s3/sigv4.ts'
import { asked } from './ask-http.ts'
import type { Answer } from './ask-http.ts'
import { signed } from './s3-signed.ts'
import { withDoor } from './with-door.ts'
import type { OpenDoor } from './with-door.ts'

interface Given {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A request as METHOD PATH, what comes with it, and its status with the code of an error. */
type Row = readonly [request: string, given: Given, answer: string, text?: RegExp]

const XML = 'http://www.w3.org/2001/XMLSchema-instance'
const LATE = 'Wed, 01 Jan 2200 00:00:00 GMT'
const OTHER_TAG = '"0123456789abcdef0123456789abcdef"'
const SHORT_MD5 = Buffer.from('short').toString('base64')
const OTHER_MD5 = createHash('md5').update('other').digest('base64')
const FOO_TAG = `"${createHash('md5').update('foo').digest('hex')}"`

async function ask(
  { url, token }: Pick<OpenDoor, 'url' | 'token'>,
  request: string,
  { headers = {}, body = '' }: Given,
): Promise<Answer> {
  const [method = '', target = ''] = request.split(' ')
  const [path = '', search = ''] = target.split('?')
  const query = search
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', value = ''] = pair.split('=').map((part) => decodeURIComponent(part))
      return [name, value] as const
    })
  const names = query.map(([name, value]) => `${uriEncode(name)}=${uriEncode(value)}`)
  const sent = signed(token, url.host, {
    method,
    path: decodeURIComponent(path),
    query,
    payload: 'UNSIGNED-PAYLOAD',
    headers: {
      ...(body !== '' &&
        !('transfer-encoding' in headers) && { 'content-length': `${Buffer.byteLength(body)}` }),
      ...headers,
    },
  })
  const to = `${path}${names.length === 0 ? '' : `?${names.join('&')}`}`
  return asked(url, to, { method, headers: { ...sent, ...headers }, body })
}

async function check(door: OpenDoor, rows: readonly Row[]): Promise<void> {
  for (const [request, given, wanted, text = /^/] of rows) {
    const answer = await ask(door, request, given)
    const [, code] = /<Error><Code>(\w+)<\/Code>/.exec(answer.text) ?? []
    const found = [answer.status, ...(code === undefined ? [] : [code])].join(' ')
    const what = `${request} ${JSON.stringify(given)}`
    assert.equal(found, wanted, what)
    assert.match(answer.text, text, what)
    const id = String(answer.headers['x-amz-request-id'])
    assert.match(id, /^[0-9A-F]{16}$/, what)
    if (code !== undefined) assert.ok(answer.text.includes(`<RequestId>${id}</RequestId>`), what)
  }
}

function acl(grantee: string, permission = 'FULL_CONTROL'): Given {
  const grant = `<Grant><Grantee xmlns:xsi="${XML}" xsi:type="CanonicalUser">${grantee}</Grantee>`
  const end = `<Permission>${permission}</Permission></Grant>`
  return {
    body: `<AccessControlPolicy><AccessControlList>${grant}${end}</AccessControlList></AccessControlPolicy>`,
  }
}

const PUT: Given = { headers: { 'content-length': '0' } }
const PUBLIC: Given = { headers: { 'x-amz-acl': 'public-read' } }

function withHeader(name: string, value: string, more: Given = {}): Given {
  return { ...more, headers: { ...more.headers, [name]: value } }
}

const BUCKETS: readonly Row[] = [
  ['PUT /bck', { body: location('eu-somewhere') }, '200'],
  ['GET /bck?location', {}, '200', />eu-somewhere<\/LocationConstraint>/],
  ['PUT /bck', {}, '200'],
  ['PUT /bck', PUBLIC, '409 BucketAlreadyExists'],
  ['PUT /new-one', { body: location('e u') }, '400 InvalidLocationConstraint'],
  ...['foo.-bar', 'foo-.bar', 'foo..bar', 'a', '_foo', 'foo_bar', '192.168.5.1'].map(
    (name): Row => [`PUT /${name}`, {}, '400 InvalidBucketName'],
  ),
  ['GET /bck?tagging', {}, '404 NoSuchTagSet'],
  ['PUT /bck?tagging', { body: tagging('a', 'b') }, '204'],
  ['GET /bck?tagging', {}, '200', /<Key>a<\/Key><Value>b<\/Value>/],
  ['DELETE /bck?tagging', {}, '204'],
  ['GET /bck?tagging', {}, '404 NoSuchTagSet'],
  ['PUT /none-such?tagging', { body: tagging('a', 'b') }, '404 NoSuchBucket'],
  ['GET /bck?policyStatus', {}, '200', /<IsPublic>false</],
  ['GET /bck?replication', {}, '404 ReplicationConfigurationNotFoundError'],
  ['GET /bck?logging', {}, '200', /BucketLoggingStatus/],
  ['GET /bck?requestPayment', {}, '200', /<Payer>BucketOwner</],
  ['GET /none-such?logging', {}, '404 NoSuchBucket'],
  ['GET /bck?publicAccessBlock', {}, '200', /<BlockPublicAcls>false</],
  ['PUT /bck?acl', PUBLIC, '400 AccessControlListNotSupported'],
  [
    'PUT /bck?publicAccessBlock',
    {
      body:
        '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>' +
        '<BlockPublicPolicy>TRUE</BlockPublicPolicy></PublicAccessBlockConfiguration>',
    },
    '200',
  ],
  [
    'GET /bck?publicAccessBlock',
    {},
    '200',
    /<BlockPublicAcls>true.*<IgnorePublicAcls>false.*<BlockPublicPolicy>true/,
  ],
  ['PUT /bck?acl', PUBLIC, '403 AccessDenied'],
  ['PUT /bck/k', withHeader('x-amz-acl', 'public-read', PUT), '403 AccessDenied'],
  ['DELETE /bck?publicAccessBlock', {}, '204'],
  ['GET /bck?publicAccessBlock', {}, '404 NoSuchPublicAccessBlockConfiguration'],
  ['GET /bck?ownershipControls', {}, '404 OwnershipControlsNotFoundError'],
  ['PUT /bck?ownershipControls', { body: ownership('ObjectWriter') }, '501 NotImplemented'],
  ['PUT /bck?ownershipControls', { body: ownership('BucketOwnerEnforced') }, '200'],
  ['GET /bck?ownershipControls', {}, '200', /BucketOwnerEnforced/],
  ['DELETE /bck?ownershipControls', {}, '204'],
  ['GET /bck?ownershipControls', {}, '404 OwnershipControlsNotFoundError'],
  ['DELETE /bck', {}, '204'],
]

const ACCESS: readonly Row[] = [
  ['PUT /b?acl', acl('<ID>shoal</ID>'), '200'],
  ['PUT /b?acl', acl('<ID>shoal</ID>', 'READ'), '400 AccessControlListNotSupported'],
  ['PUT /b?acl', acl('<ID>anna</ID>'), '400 InvalidArgument'],
  [
    'PUT /b?acl',
    acl('<EmailAddress>anna@example.invalid</EmailAddress>'),
    '400 UnresolvableGrantByEmailAddress',
  ],
  [
    'PUT /b/foo?acl',
    acl('<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>'),
    '400 AccessControlListNotSupported',
  ],
  ['PUT /b/foo?acl', withHeader('x-amz-acl', 'private'), '200'],
  ['PUT /b/foo?acl', withHeader('x-amz-acl', 'nobody-reads'), '400 InvalidArgument'],
  ['PUT /b/foo?acl', withHeader('x-amz-grant-read', 'id=x'), '400 AccessControlListNotSupported'],
  ['GET /b/foo?acl', {}, '200', /<Owner><ID>shoal.*<ID>shoal.*<Permission>FULL_CONTROL/],
]

/** At a door that takes access lists, and lets them give nothing. */
const IGNORED: readonly Row[] = [
  ['PUT /b/k', withHeader('x-amz-acl', 'public-read', PUT), '200'],
  ['PUT /b?acl', PUBLIC, '200'],
  ['PUT /b?acl', acl('<ID>shoal</ID>', 'READ'), '200'],
  ['PUT /b?acl', acl('<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>'), '200'],
  ['PUT /b?acl', acl('<ID>anna</ID>'), '400 InvalidArgument'],
  ['PUT /b?acl', withHeader('x-amz-acl', 'nobody-reads'), '400 InvalidArgument'],
  ['PUT /bb1', PUBLIC, '409 BucketAlreadyExists'],
  ['GET /b?acl', {}, '200', /^(?!.*(?:AllUsers|READ)).*<Permission>FULL_CONTROL/s],
  ['GET /b/k', withHeader('authorization', ''), '403 AccessDenied'],
]

const HEADERS: readonly Row[] = [
  ['PUT /b/k', withHeader('expect', '200', PUT), '200'],
  ['PUT /b/k', withHeader('content-md5', SHORT_MD5, { body: 'x' }), '400 InvalidDigest'],
  ['PUT /b/k', withHeader('content-md5', '', { body: 'x' }), '400 InvalidDigest'],
  ['PUT /b/k', withHeader('content-md5', OTHER_MD5, { body: 'x' }), '400 BadDigest'],
  ['PUT /b/k', withHeader('x-amz-checksum-sha256', 'bad', { body: 'x' }), '400 InvalidRequest'],
  ['PUT /b/k', withHeader('transfer-encoding', 'chunked', { body: 'in chunks' }), '200'],
  ['GET /b/k', {}, '200', /^in chunks$/],
  ['PUT /b/k', withHeader('x-amz-tagging', 'foo=bar&bar', PUT), '200'],
  ['GET /b/k?tagging', {}, '200', /<Key>bar<\/Key><Value><\/Value>.*<Key>foo<\/Key>/],
  ['PUT /b/k', withHeader('authorization', '', PUT), '403 AccessDenied'],
  ['PUT /b/k', withHeader('authorization', 'AWS nothing', dated(PUT)), '400 InvalidArgument'],
  ['PUT /b/k', withHeader('authorization', 'AWS owner:sig', dated(PUT)), '400 InvalidRequest'],
  ...['', 'Bad Date', 'Sun, 01 Jan 1950 00:00:00 GMT', LATE].map((date): Row => [
    'PUT /b/k',
    withHeader('authorization', 'AWS owner:sig', dated(PUT, date)),
    `403 ${date === LATE ? 'RequestTimeTooSkewed' : 'AccessDenied'}`,
  ]),
]

const CONDITIONS: readonly Row[] = [
  ['PUT /b/none', withHeader('if-match', '*', PUT), '412 PreconditionFailed'],
  ['PUT /b/none', withHeader('if-match', OTHER_TAG, PUT), '404 NoSuchKey'],
  ['PUT /b/foo', withHeader('if-match', OTHER_TAG, PUT), '412 PreconditionFailed'],
  ['PUT /b/foo', withHeader('if-none-match', FOO_TAG, PUT), '412 PreconditionFailed'],
  ['PUT /b/foo', withHeader('if-none-match', '*', PUT), '412 PreconditionFailed'],
  ['GET /b/foo', {}, '200', /^foo$/],
  ['PUT /b/foo', withHeader('if-none-match', OTHER_TAG, { body: 'foo' }), '200'],
  ['PUT /b/foo', withHeader('if-match', '*', { body: 'foo' }), '200'],
  ['PUT /b/other', withHeader('if-none-match', OTHER_TAG, PUT), '200'],
  ['DELETE /b/foo', withHeader('if-match', OTHER_TAG), '412 PreconditionFailed'],
  ['DELETE /b/foo', withHeader('x-amz-if-match-size', '4'), '412 PreconditionFailed'],
  [
    'DELETE /b/foo',
    withHeader('x-amz-if-match-last-modified-time', new Date(0).toUTCString()),
    '412 PreconditionFailed',
  ],
  ['POST /b?delete', removal('<Size>4</Size>'), '200', /<Code>PreconditionFailed/],
  ['POST /b?delete', removal(`<ETag>${OTHER_TAG}</ETag>`), '200', /<Code>PreconditionFailed/],
  ['POST /b?delete', removal(`<ETag>${FOO_TAG}</ETag><Size>3</Size>`), '200', /<Deleted>/],
  ['DELETE /b/foo', withHeader('if-match', OTHER_TAG), '204'],
  ['PUT /b/foo', { body: 'foo' }, '200'],
]

const LISTINGS: readonly Row[] = [
  ['GET /b?list-type=2&continuation-token=', {}, '200', /<ContinuationToken><\/.*<Key>foo</],
  ['GET /b?allow-unordered=true&delimiter=/', {}, '400 InvalidArgument'],
  ['GET /b?max-keys=many', {}, '400 InvalidArgument'],
  ['GET /b?encoding-type=url&prefix=%0A', {}, '200', /<Prefix>(?:\n|&#\w+;)<\/Prefix>/],
  ['GET /b?encoding-type=url&prefix=%25', {}, '200', /<Prefix>%25<\/Prefix>/],
  ['GET /b?encoding-type=url&list-type=2&prefix=%0A', {}, '200', /<Prefix>%0A<\/Prefix>/],
]

const SSE = 'x-amz-server-side-encryption'
const OWN_KEY = Buffer.alloc(32, 'k')
const OWN_MD5 = createHash('md5').update(OWN_KEY).digest('base64')

function ownKey(md5: string | undefined, algorithm?: string): Given {
  return {
    headers: {
      ...PUT.headers,
      [`${SSE}-customer-key`]: OWN_KEY.toString('base64'),
      ...(md5 !== undefined && { [`${SSE}-customer-key-md5`]: md5 }),
      ...(algorithm !== undefined && { [`${SSE}-customer-algorithm`]: algorithm }),
    },
  }
}

const ENCRYPTION: readonly Row[] = [
  ['PUT /b/k', withHeader(SSE, 'AES256', PUT), '200'],
  ['PUT /b/k', withHeader(SSE, 'ROT13', PUT), '400 InvalidArgument'],
  ['PUT /b/k', withHeader(SSE, 'aws:kms', PUT), '501 NotImplemented'],
  ['PUT /b/k', withHeader(`${SSE}-aws-kms-key-id`, 'x', PUT), '400 InvalidArgument'],
  ['PUT /b/k', ownKey(OWN_MD5), '400 InvalidEncryptionAlgorithmError'],
  ['PUT /b/k', ownKey(undefined, 'AES256'), '400 InvalidArgument'],
  ['PUT /b/k', ownKey(OTHER_MD5, 'AES256'), '400 InvalidArgument'],
  ['PUT /b/k', ownKey(OWN_MD5, 'AES256'), '501 NotImplemented'],
  ['GET /b/k', withHeader(SSE, 'aws:kms'), '400 InvalidRequest'],
  ['GET /b?encryption', {}, '404 ServerSideEncryptionConfigurationNotFoundError'],
  ['PUT /b?encryption', { body: encryption('aws:kms') }, '501 NotImplemented'],
  ['PUT /b?encryption', { body: encryption('AES256') }, '200'],
  ['GET /b?encryption', {}, '200', /<SSEAlgorithm>AES256</],
  ['DELETE /b?encryption', {}, '204'],
  ['GET /b?encryption', {}, '404 ServerSideEncryptionConfigurationNotFoundError'],
]

const PAGES: readonly Row[] = [
  ['PUT /bb1', {}, '200'],
  ['PUT /bb2', {}, '200'],
  ['GET /?max-buckets=2', {}, '200', /<Name>b<.*<Name>bb1<.*<ContinuationToken>YmIx</],
  ['GET /?continuation-token=YmIx', {}, '200', /<Buckets><Bucket><Name>bb2</],
  ['GET /?prefix=bb&max-buckets=2', {}, '200', /<Name>bb1<.*<Name>bb2<(?!.*ContinuationToken)/],
  ['GET /?max-buckets=none', {}, '400 InvalidArgument'],
]

function encryption(algorithm: string): string {
  const kind = 'ApplyServerSideEncryptionByDefault'
  const rule = `<Rule><${kind}><SSEAlgorithm>${algorithm}</SSEAlgorithm></${kind}></Rule>`
  return `<ServerSideEncryptionConfiguration>${rule}</ServerSideEncryptionConfiguration>`
}

function dated(given: Given, date: string = new Date().toUTCString()): Given {
  return withHeader('x-amz-date', date, given)
}

function location(region: string): string {
  return `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
}

function ownership(kind: string): string {
  return `<OwnershipControls><Rule><ObjectOwnership>${kind}</ObjectOwnership></Rule></OwnershipControls>`
}

function removal(conditions: string): Given {
  return { body: `<Delete><Object><Key>foo</Key>${conditions}</Object></Delete>` }
}

function tagging(key: string, value: string): string {
  return `<Tagging><TagSet><Tag><Key>${key}</Key><Value>${value}</Value></Tag></TagSet></Tagging>`
}

describe('the S3 door answers', () => {
  test('as S3 does', async () => {
    const listen = 'listen: "127.0.0.1:0", layout: flat'
    const doors = `{ s3: { ${listen} } }, { s3: { ${listen}, acls: ignore } }`
    await withDoor(doors, async (door) => {
      await door.shoal('mkdir', '/b')
      await check(door, [['PUT /b/foo', { body: 'foo' }, '200']])
      const all = [BUCKETS, ACCESS, HEADERS, CONDITIONS, LISTINGS, ENCRYPTION, PAGES]
      for (const rows of all) await check(door, rows)
      const [, other] = (await door.json('door', 'ls')) as readonly { readonly url: string }[]
      await check({ ...door, url: new URL(other?.url ?? '') }, IGNORED)
    })
  })
})
