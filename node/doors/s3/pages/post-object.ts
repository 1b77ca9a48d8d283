// An object that a browser sends in a form. It is written as any other, with the fields of the form
// in place of headers, once whoever signed its policy may write it and the policy takes all fields.
import { toByteString, utf8 } from '../../../../protocol/bytes.ts'
import type { ByteString } from '../../../../protocol/bytes.ts'
import type { DoorComponents } from '../../doors.ts'
import { askForBody, begin, sendNothing } from '../../web-answers.ts'
import type { Visitor } from '../../gate.ts'
import type { Exchange } from '../../web-server.ts'
import type { S3Url } from '../authenticate.ts'
import { isForm, readForm } from './form-data.ts'
import type { Form } from './form-data.ts'
import { authenticateForm } from './form-signature.ts'
import { isKeptHeader } from '../metadata.ts'
import { storeObject } from '../objects.ts'
import { checkPolicy, parsePolicy } from './post-policy.ts'
import type { PostPolicy } from './post-policy.ts'
import { accessDenied, invalid } from '../s3-error.ts'
import { XML_HEAD, element, shownKey } from '../s3-request.ts'
import type { S3Place, S3Request } from '../s3-request.ts'
import { uriEncode } from '../sigv4.ts'
import { readTags } from '../tagging.ts'
import { versionHeader } from '../versions/versions.ts'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

const FILE_NAME = '${filename}'
/** As a header has it: bytes, each a char. */
const HEADER = /^[\t\x20-\x7e\x80-\xff]*$/
const HEADER_NAME = /^[\w-]{1,256}$/
const STATUSES: ReadonlySet<string> = new Set(['200', '201'])

type Fields = ReadonlyMap<string, string>

/** Is it a form for a bucket, that signs itself? */
export function isPosted({ method, headers }: IncomingMessage, { path, query }: S3Url): boolean {
  if (method !== 'POST' || headers.authorization !== undefined || !isForm({ headers })) return false
  return query.length === 0 && /^\/[^/]+\/?$/.test(path)
}

export async function postObject(
  { gate, clock, random }: DoorComponents,
  place: S3Place,
  {
    exchange,
    visitor,
    bucket,
  }: { readonly exchange: Exchange; readonly visitor: Visitor; readonly bucket: string },
): Promise<void> {
  const { request } = exchange
  askForBody(exchange)
  const form = await readForm(request, clock)
  try {
    const nowMs = clock.wall()
    const { visit, policy: text } = await authenticateForm(gate, visitor, form.fields, nowMs)
    const policy = parsePolicy(text)
    const fields = filledIn(form)
    checkPolicy(policy, withBucket(fields, bucket), nowMs)
    const asked: S3Request = {
      ...exchange,
      ...visit,
      place,
      clock,
      random,
      auth: { payload: 'UNSIGNED-PAYLOAD' },
      query: new Map(),
      bucket,
      key: toByteString(utf8(fields.get('key') ?? '')),
      headers: await headersOf(fields),
      body: sized(form.content, policy),
    }
    const { md5, made = {} } = await storeObject(asked)
    for (const [name, value] of Object.entries(versionHeader(made)))
      exchange.response.setHeader(name, value)
    sendPosted(asked, fields, `"${md5.toString('hex')}"`)
  } finally {
    form.close()
  }
}

/** The name of the file may be a part of any field. */
function filledIn({ fields, fileName }: Form): Fields {
  return new Map(
    [...fields].map(([name, value]) => [name, value.replaceAll(FILE_NAME, () => fileName)]),
  )
}

/** A policy says to which bucket, and a form nothing else than its URL. */
function withBucket(fields: Fields, bucket: string): Fields {
  const said = fields.get('bucket')
  if (said !== undefined && said !== bucket) throw accessDenied('the form is for another bucket')
  return new Map([...fields, ['bucket', bucket]])
}

/** The headers that a PUT would have. throws S3Error 400. */
async function headersOf(fields: Fields): Promise<IncomingHttpHeaders> {
  const pairs = [...fields].flatMap(([field, text]): [string, string][] => {
    const name = field === 'acl' ? 'x-amz-acl' : field
    if (!isKeptHeader(name) && !name.startsWith('x-amz-') && name !== 'content-md5') return []
    const value = toByteString(utf8(text))
    if (!HEADER_NAME.test(name) || !HEADER.test(value))
      throw invalid(`the field ${field} is not as a header can be`)
    return [[name, value]]
  })
  const tagging = fields.get('tagging')
  if (tagging !== undefined) pairs.push(['x-amz-tagging', await taggingOf(tagging)])
  return Object.fromEntries(pairs)
}

/** A document as the header of tags is. throws S3Error 400. */
async function taggingOf(document: string): Promise<string> {
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    yield utf8(document)
  }
  const tags = await readTags(parts())
  return tags.map((pair) => pair.map((text) => encodeURIComponent(text)).join('=')).join('&')
}

async function* sized(
  content: AsyncIterable<Uint8Array>,
  { minBytes, maxBytes }: PostPolicy,
): AsyncGenerator<Uint8Array> {
  let sizeBytes = 0
  for await (const part of content) {
    sizeBytes += part.length
    if (sizeBytes > maxBytes)
      throw invalid(`the form takes a file of at most ${maxBytes} bytes`, 'EntityTooLarge')
    yield part
  }
  if (sizeBytes < minBytes)
    throw invalid(`the form takes a file of at least ${minBytes} bytes`, 'EntityTooSmall')
}

function sendPosted(
  { response, request, bucket, key }: S3Request,
  fields: Fields,
  etag: string,
): void {
  const to = redirectOf(fields, { bucket, key, etag })
  const location = `${originOf(request)}/${bucket}/${uriEncode(key, true)}`
  if (to !== undefined) return sendNothing(response, 303, { location: to, etag })
  const status = fields.get('success_action_status') ?? ''
  if (!STATUSES.has(status)) return sendNothing(response, 204, { location, etag })
  if (status === '200') return sendNothing(response, 200, { location, etag })
  const body = Buffer.from(
    `${XML_HEAD}<PostResponse>${element('Location', location)}${element('Bucket', bucket)}` +
      `<Key>${shownKey(key, undefined)}</Key>${element('ETag', etag)}</PostResponse>`,
  )
  begin(response, 201, {
    'content-type': 'application/xml',
    'content-length': body.length,
    location,
    etag,
  })
  response.end(body)
}

/** The page on which the browser is to go on; what is no URL of the web is none. */
function redirectOf(
  fields: Fields,
  { bucket, key, etag }: { bucket: string; key: ByteString; etag: string },
): string | undefined {
  const text = fields.get('success_action_redirect') ?? fields.get('redirect')
  const url = text === undefined ? null : URL.parse(text)
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return undefined
  const told = `bucket=${uriEncode(bucket)}&key=${uriEncode(key)}&etag=${uriEncode(etag)}`
  url.search += url.search === '' ? `?${told}` : `&${told}`
  return url.href
}

function originOf({ headers, socket }: IncomingMessage): string {
  return `${'encrypted' in socket ? 'https' : 'http'}://${headers.host ?? ''}`
}
